"""What a save takes for granted: what its unit has loaded, and how many identities an account has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.identity import Identity
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import NOTHING_DUE, PLACE, create, new_identity, renamed, tell
from tests.unit.core.scenes import ACCOUNT, REGION


class Refused(Exception):
    """A unit thinks better of it."""


def held(tx: Transaction, at_most: int = 3) -> int:
    return tx.access_keys.identities_held(ACCOUNT, REGION, at_most)


def named(number: int) -> Identity:
    return renamed(new_identity(), f"d{number}.example")


def signed(identity: Identity, has_signed: bool) -> Identity:
    return replace(identity, slots=tuple(replace(slot, has_signed=has_signed) for slot in identity.slots))


def saved(tx: Transaction, identity: Identity) -> Identity:
    stored = tx.identities.save(identity, NOTHING_DUE)
    assert stored is not None
    return stored


async def stored_marks(store: SqliteStore) -> list[bool]:
    stored = await store.read(lambda tx: tx.identities.load(*PLACE))
    assert stored is not None
    return [slot.has_signed for slot in stored.slots]


def test_a_change_that_is_taken_back_in_the_same_unit_is_not_stored(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))

        def unit(tx: Transaction) -> None:
            loaded = tx.identities.load(*PLACE)
            assert loaded is not None
            saved(tx, signed(saved(tx, signed(loaded, True)), False))

        await store.write(unit)
        assert await stored_marks(store) == [False] * 3

    tell(tmp_path, story)


def test_what_a_refused_unit_has_saved_is_not_taken_for_stored(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        made = await store.write(lambda tx: create(tx, new_identity()))

        def refused(tx: Transaction) -> None:
            saved(tx, signed(made, True))
            assert tx.identities.load(*PLACE) is not None
            raise Refused

        with pytest.raises(Refused):
            await store.write(refused)
        await store.write(lambda tx: saved(tx, signed(made, True)))
        assert await stored_marks(store) == [True] * 3

    tell(tmp_path, story)


def test_identities_made_since_they_were_counted_count(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, named(1)))
        assert await store.write(held) == 1
        await store.write(lambda tx: create(tx, named(2)))
        await store.write(lambda tx: create(tx, named(3)))
        assert await store.write(held) == 3
        assert await store.read(held) == 3

    tell(tmp_path, story)


def test_an_account_at_its_limit_has_room_again_after_a_deletion(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        made = [await store.write(lambda tx, n=n: create(tx, named(n))) for n in range(3)]
        assert await store.write(held) == 3
        assert await store.write(lambda tx: tx.identities.delete(made[0]))
        assert await store.write(held) == 2

    tell(tmp_path, story)


def test_a_deletion_that_was_taken_back_makes_no_room(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        made = [await store.write(lambda tx, n=n: create(tx, named(n))) for n in range(3)]

        def refused(tx: Transaction) -> None:
            assert tx.identities.delete(made[0])
            assert held(tx) == 2
            raise Refused

        with pytest.raises(Refused):
            await store.write(refused)
        assert await store.write(held) == 3

    tell(tmp_path, story)


def test_a_limit_that_was_lowered_and_raised_again_is_counted_to(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        for number in range(3):
            await store.write(lambda tx, n=number: create(tx, named(n)))
        assert await store.write(lambda tx: held(tx, 1)) == 1
        assert await store.write(lambda tx: held(tx, 10)) == 3

    tell(tmp_path, story)
