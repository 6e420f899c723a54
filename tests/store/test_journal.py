"""The zone journal: what changed from serial to serial, the zone as it was at one, and what servers show."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.core.rotation import STILL_GIVEN, Answer, EarlierAnswer
from mailseal.store.journal import KEPT, Change
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import PLACE, create, new_identity, tell
from tests.unit.core.scenes import START, ZONE

NOTHING = Answer(None, 0)
KEY, BLANK = Answer(b"p=one", 1800), Answer(b"", 60)

pytestmark = pytest.mark.usefixtures("each_engine")


async def change(store: SqliteStore, **texts: bytes | None) -> int:
    """The serial under which these names of the zone serve these texts."""
    for label, text in texts.items():
        await store.write(
            lambda tx, label=label, text=text: tx.zone.serve(ZONE, f"{label}.{ZONE}", Answer(text, 60), START)
        )
    return await store.write(lambda tx: tx.zone.advance(ZONE))


def zone_at(store: SqliteStore, serial: int, limit: int = 2) -> dict[str, bytes | None]:
    """The whole zone at a serial, read page by page."""
    found: dict[str, bytes | None] = {}
    after: str | None = ""
    while after is not None:
        page = store.served.page(ZONE, serial, after, limit)
        found |= {owner.removesuffix(f".{ZONE}"): answer.text for owner, answer in page.names}
        after = page.after
    return found


def test_the_journal_tells_what_each_serial_changed(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone.add(ZONE))
        assert store.served.begins_at(ZONE) == 1
        first = await change(store, a=b"1", b=b"2")
        second = await change(store, a=b"3", b=b"2")
        changes = store.served.changes(ZONE, 1, second)
        assert [(serial, one.owner[0], one.old.text, one.new.text) for serial, one in changes] == [
            (first, "a", None, b"1"),
            (first, "b", None, b"2"),
            (second, "a", b"1", b"3"),
        ]
        assert store.served.changes(ZONE, second, second) == []
        assert store.served.changes("another.example", 0, second) == []

    tell(tmp_path, story)


def test_two_changes_under_one_serial_are_one(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        owner = f"a.{ZONE}"
        await store.write(lambda tx: tx.zone.serve(ZONE, owner, BLANK, START))
        await store.write(lambda tx: tx.zone.serve(ZONE, owner, KEY, START))
        serial = await store.write(lambda tx: tx.zone.advance(ZONE))
        assert store.served.changes(ZONE, 1, serial) == [(serial, Change(owner, NOTHING, KEY))]

    tell(tmp_path, story)


def test_a_zone_is_read_as_it_was_at_a_serial_while_it_changes(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone.add(ZONE))
        then = await change(store, a=b"1", b=b"2", c=b"3", d=b"4")
        await change(store, a=b"5", bb=b"6", c=None)
        now = await change(store, a=b"7", bb=None, e=b"8")
        assert zone_at(store, then) == {"a": b"1", "b": b"2", "c": b"3", "d": b"4"}
        assert zone_at(store, then + 1) == {"a": b"5", "b": b"2", "bb": b"6", "d": b"4"}
        assert zone_at(store, now, limit=3) == {"a": b"7", "b": b"2", "d": b"4", "e": b"8"}

    tell(tmp_path, story)


@pytest.mark.parametrize("each_engine", ["sqlite"], indirect=True)
def test_the_journal_is_bounded_and_says_where_it_begins(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone.add(ZONE))
        serials, each = 128, KEPT // 100

        def many(tx: Transaction) -> None:
            for number in range(serials):
                for label in range(each):
                    tx.zone.serve(ZONE, f"{label}.{ZONE}", Answer(b"%d" % number, 60), START)
                tx.zone.advance(ZONE)

        await store.write(many)
        serial, begins_at = store.served.zone_serial(ZONE), store.served.begins_at(ZONE)
        assert serial - KEPT // each - 64 <= begins_at <= serial - KEPT // each
        kept = store.served.changes(ZONE, 0, serial)
        assert KEPT <= len(kept) <= KEPT + 64 * each
        assert {one for one, _ in kept} == set(range(begins_at + 1, serial + 1)), "no gap"

    tell(tmp_path, story)


def test_records_of_the_configuration_that_changed_make_a_new_serial_and_an_empty_journal(
    tmp_path: Path,
) -> None:
    async def story(store: SqliteStore) -> None:
        assert await store.write(lambda tx: tx.zone.settle(ZONE, "one"))
        before = await change(store, a=b"1")
        assert not await store.write(lambda tx: tx.zone.settle(ZONE, "one"))
        assert store.served.zone_serial(ZONE) == before
        assert await store.write(lambda tx: tx.zone.settle(ZONE, "two"))
        assert store.served.zone_serial(ZONE) == store.served.begins_at(ZONE) == before + 1
        assert store.served.changes(ZONE, 0, before + 1) == []

    tell(tmp_path, story)


def test_with_other_servers_an_earlier_answer_is_given_until_all_have_followed(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        slots = await store.read(lambda tx: tx.slots.load(*PLACE))
        assert slots is not None
        owner = slots[0].owner

        async def serve(answer: Answer, minute: int) -> tuple[EarlierAnswer, ...]:
            now = START + timedelta(minutes=minute)
            await store.write(lambda tx: tx.zone.serve(ZONE, owner, answer, now, alone=False))
            await store.write(lambda tx: tx.zone.advance(ZONE))
            slot = await store.read(lambda tx: tx.slots.find(owner))
            assert slot is not None
            return slot.earlier

        assert await serve(BLANK, 0) == (EarlierAnswer(None, STILL_GIVEN),)
        assert set(await serve(KEY, 1)) == {EarlierAnswer(None, STILL_GIVEN), EarlierAnswer(b"", STILL_GIVEN)}
        seen_at = START + timedelta(minutes=9)
        await store.write(lambda tx: tx.zone.expire(ZONE, tx.zone.serial(ZONE) - 1, seen_at))
        slot = await store.read(lambda tx: tx.slots.find(owner))
        assert slot is not None
        assert {old.text: old.until for old in slot.earlier} == {
            None: seen_at + timedelta(seconds=2),
            b"": STILL_GIVEN,
        }
        await store.write(lambda tx: tx.zone.expire(ZONE, tx.zone.serial(ZONE), seen_at))
        slot = await store.read(lambda tx: tx.slots.find(owner))
        assert slot is not None
        assert EarlierAnswer(b"", seen_at + timedelta(seconds=62)) in slot.earlier

    tell(tmp_path, story)


def test_what_servers_were_seen_with_is_kept_by_zone(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.zone_servers.save("192.0.2.1", ZONE, 4, START))
        await store.write(lambda tx: tx.zone_servers.save("192.0.2.1", ZONE, 5, START))
        await store.write(lambda tx: tx.zone_servers.save("192.0.2.2", "other.example", 9, START))
        assert await store.read(lambda tx: tx.zone_servers.sights(ZONE)) == {"192.0.2.1": (5, START)}

    tell(tmp_path, story)
