"""What a save takes for granted: what its own unit has loaded, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.identity import Identity
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import NOTHING_DUE, PLACE, create, new_identity, tell

pytestmark = pytest.mark.usefixtures("each_engine")


class Refused(Exception):
    """A unit thinks better of it."""


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
