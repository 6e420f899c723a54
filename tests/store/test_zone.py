"""What the zone serves, what it served before, and its serials."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.core.rotation import Answer, EarlierAnswer, KeySlot
from mailseal.store.sqlite import SqliteStore
from tests.store.stories import PLACE, create, new_identity, publish, tell
from tests.unit.core.scenes import START, ZONE

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("each_engine")


async def first_slot(store: SqliteStore) -> KeySlot:
    """Slot 1 as it is loaded with its domain, which has to be the one found by its name."""
    slots = await store.read(lambda tx: tx.slots.load(*PLACE))
    assert slots is not None
    assert await store.read(lambda tx: tx.slots.find(slots[0].owner)) == slots[0]
    return slots[0]


async def serve(store: SqliteStore, text: bytes | None, ttl: int, minute: int) -> KeySlot:
    """Slot 1 after its name was made to serve something, so many minutes after START."""
    owner = (await first_slot(store)).owner
    now = START + minute * MINUTE
    await store.write(lambda tx: tx.zone.serve(ZONE, owner, Answer(text, ttl), now))
    return await first_slot(store)


def until(minute: int, ttl: int) -> timedelta:
    """The life of an answer that was replaced then, as an offset from START."""
    return minute * MINUTE + timedelta(seconds=ttl + 2)


def test_an_answer_that_was_replaced_is_remembered_until_caches_have_dropped_it(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        assert (await first_slot(store)).answered is None
        slot = await serve(store, b"p=one", 1800, 0)
        assert (slot.answered, slot.earlier) == (Answer(b"p=one", 1800), ())
        slot = await serve(store, b"", 60, 1)
        assert slot.answered == Answer(b"", 60)
        assert slot.earlier == (EarlierAnswer(b"p=one", START + until(1, 1800)),)
        slot = await serve(store, None, 60, 2)
        assert slot.answered == Answer(None, 60)
        assert EarlierAnswer(b"", START + until(2, 60)) in slot.earlier
        slot = await serve(store, b"p=two", 1800, 40)
        assert slot.earlier == (EarlierAnswer(None, START + until(40, 60)),), "the others have expired"

    tell(tmp_path, story)


def test_an_answer_that_says_the_same_is_no_earlier_one(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        await serve(store, b"p=one", 1800, 0)
        slot = await serve(store, b"p=one", 300, 1)
        assert (slot.answered, slot.earlier) == (Answer(b"p=one", 300), ())
        await serve(store, b"", 60, 2)
        slot = await serve(store, b"p=one", 1800, 3)
        assert slot.earlier == (EarlierAnswer(b"", START + until(3, 60)),)

    tell(tmp_path, story)


def test_a_name_is_looked_up_in_its_own_zone_only(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        owner = (await serve(store, b"", 60, 0)).owner
        assert store.served.look_up(ZONE, owner) == Answer(b"", 60)
        assert store.served.look_up("another.example.net", owner) is None
        assert store.served.look_up(ZONE, f"x{owner}") is None
        await serve(store, None, 60, 1)
        assert store.served.look_up(ZONE, owner) is None

    tell(tmp_path, story)


def test_marks_keep_the_order_of_the_changes_and_go_when_served(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        for owner in ("b", "a", "c", "a"):
            await store.write(lambda tx, owner=owner: tx.zone.mark(owner))
        assert await store.read(lambda tx: tx.zone.marked(2)) == ["b", "a"]
        await store.write(lambda tx: tx.zone.serve(ZONE, "a", Answer(b"", 60), START))
        assert await store.read(lambda tx: tx.zone.marked(9)) == ["b", "c"]

    tell(tmp_path, story)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2**31, 2**31 + 1), (2**32 - 2, 2**32 - 1)])
def test_a_serial_goes_up_by_one(tmp_path: Path, before: int, after: int) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone.add(ZONE))
        await store.write(lambda tx: tx.zone._execute("UPDATE zones SET serial = ?", (before,)))
        assert await store.write(lambda tx: tx.zone.advance(ZONE)) == after
        assert store.served.zone_serial(ZONE) == after

    tell(tmp_path, story)


def test_a_serial_starts_again_at_one_after_the_highest(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone.add(ZONE))
        await store.write(lambda tx: tx.zone._execute("UPDATE zones SET serial = ?", (2**32 - 1,)))
        assert await store.write(lambda tx: tx.zone.advance(ZONE)) == 1

    tell(tmp_path, story)


@pytest.mark.parametrize("each_engine", ["sqlite"], indirect=True)
def test_the_name_server_notices_each_change_of_what_is_served_and_no_other(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        before = store.served.generation()
        await store.write(lambda tx: tx.installation.put("a", b"b"))
        assert store.served.generation() == before
        await store.write(lambda tx: publish(tx, START))
        changed = store.served.generation()
        assert changed != before
        await store.write(lambda tx: tx.zone.advance(ZONE))
        assert store.served.generation() != changed

    tell(tmp_path, story)


def test_a_zone_that_was_handed_out_stays_known(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        assert await store.read(lambda tx: tx.zone.zones()) == []
        stored = await store.write(lambda tx: create(tx, new_identity()))
        await store.write(lambda tx: tx.identities.delete(stored))
        assert await store.read(lambda tx: tx.zone.zones()) == [ZONE]

    tell(tmp_path, story)
