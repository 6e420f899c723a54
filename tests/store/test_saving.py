"""What a save takes for granted: what its unit has loaded, and how many identities an account has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.identity import Identity
from mailseal.core.rotation import blanked
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


def test_two_saves_in_one_unit_are_both_stored(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))

        def unit(tx: Transaction) -> None:
            first = tx.identities.load(*PLACE)
            assert first is not None
            without_key = tuple(blanked(slot) for slot in first.slots)
            second = tx.identities.save(replace(first, slots=without_key), NOTHING_DUE)
            assert second is not None
            seen = tuple(replace(slot, has_signed=True) for slot in second.slots)
            assert tx.identities.save(replace(second, slots=seen), NOTHING_DUE) is not None

        await store.write(unit)
        stored = await store.read(lambda tx: tx.identities.load(*PLACE))
        assert stored is not None
        assert stored.version == 3
        assert [(slot.key, slot.has_signed) for slot in stored.slots] == [(None, True)] * 3

    tell(tmp_path, story)


def test_what_a_refused_unit_has_saved_is_not_taken_for_stored(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))

        def blank(tx: Transaction) -> None:
            identity = tx.identities.load(*PLACE)
            assert identity is not None
            slots = tuple(blanked(slot) for slot in identity.slots)
            assert tx.identities.save(replace(identity, slots=slots), NOTHING_DUE) is not None

        def refused(tx: Transaction) -> None:
            blank(tx)
            raise Refused

        with pytest.raises(Refused):
            await store.write(refused)
        await store.write(blank)
        stored = await store.read(lambda tx: tx.identities.load(*PLACE))
        assert stored is not None
        assert stored.version == 2
        assert [slot.key for slot in stored.slots] == [None] * 3

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
