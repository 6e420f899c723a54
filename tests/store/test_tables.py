"""The small tables: keys in stock and in place, access keys, events, evidence, answers, named values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.core.access import AccessKey
from mailseal.core.identity import EasyDkim, Event, Setting
from mailseal.core.keys import KeyPlace
from mailseal.core.lifecycle import started
from mailseal.core.stored import StoredEvent
from mailseal.store.sqlite import SqliteStore
from tests.store.stories import BROKEN_CONSTRAINT, NOTHING_DUE, PLACE, create, new_identity, sealed, tell
from tests.unit.core.scenes import ACCOUNT, START, key

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("each_engine")


def test_the_oldest_key_of_a_length_leaves_the_stock_first_and_once(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        for number, bits, hours in ((1, 2048, 2), (2, 2048, 1), (3, 1024, 0)):
            fresh = sealed(key(number, bits), None, START + hours * HOUR)
            await store.write(lambda tx, fresh=fresh: tx.keys.add_stock(fresh))
        assert await store.read(lambda tx: tx.keys.stock_levels()) == {1024: 1, 2048: 2}
        taken = [await store.write(lambda tx: tx.keys.take_stock(2048)) for _ in range(3)]
        assert taken == [sealed(key(2), None, START + HOUR), sealed(key(1), None, START + 2 * HOUR), None]
        assert await store.read(lambda tx: tx.keys.stock_levels()) == {1024: 1}

    tell(tmp_path, story)


def test_a_key_taken_by_a_unit_that_fails_is_back_in_the_stock(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.keys.add_stock(sealed(key(1), None)))

        with pytest.raises(ZeroDivisionError):
            await store.write(lambda tx: [tx.keys.take_stock(2048), 1 // 0])
        assert await store.read(lambda tx: tx.keys.stock_levels()) == {2048: 1}

    tell(tmp_path, story)


def test_a_key_lies_in_the_stock_or_in_a_place(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        placed = sealed(key(1), KeyPlace(*PLACE, "s1"))
        assert await store.read(lambda tx: tx.keys.has_any()) is False
        with pytest.raises(ValueError, match="no place"):
            await store.write(lambda tx: tx.keys.add_stock(placed))
        with pytest.raises(ValueError, match="place"):
            await store.write(lambda tx: tx.keys.put(replace(placed, place=None)))
        await store.write(lambda tx: tx.keys.put(placed))
        assert await store.read(lambda tx: tx.keys.load(placed.ref.key_id)) == placed
        assert await store.read(lambda tx: tx.keys.load("another")) is None
        assert await store.read(lambda tx: tx.keys.has_any()) is True

    tell(tmp_path, story)


def test_a_sealed_key_shows_nothing_of_its_envelope() -> None:
    assert "envelope of" not in repr(sealed(key(1), None))


def test_an_access_key_is_loaded_without_its_secret(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        ours = AccessKey("MSAKONE", ACCOUNT, secret="hush")
        sandbox = AccessKey("MSAKTWO", ACCOUNT, is_sandbox_key=True)
        await store.write(lambda tx: tx.access_keys.add_account(ACCOUNT, START))
        await store.write(lambda tx: tx.access_keys.add_account(ACCOUNT, START + HOUR))
        await store.write(lambda tx: tx.access_keys.add(ours, b"sealed", START))
        assert await store.read(lambda tx: tx.access_keys.has_sandbox_key()) is False
        await store.write(lambda tx: tx.access_keys.add(sandbox, b"sealed too", START))
        assert await store.read(lambda tx: tx.access_keys.has_sandbox_key()) is True
        loaded = await store.read(lambda tx: tx.access_keys.load("MSAKONE"))
        assert loaded == (replace(ours, secret=""), b"sealed")
        assert await store.read(lambda tx: tx.access_keys.look_up("MSAKONE")) == (*loaded, True)
        decoy, nothing, exists = await store.read(lambda tx: tx.access_keys.look_up("MSAKNONE"))
        assert (nothing, exists, decoy.access_key_id) == (b"", False, "decoy")
        assert await store.read(lambda tx: tx.access_keys.accounts()) == [ACCOUNT]

        assert await store.write(lambda tx: tx.access_keys.set_enabled("MSAKONE", False)) is True
        keys = await store.read(lambda tx: tx.access_keys.list(ACCOUNT))
        assert [(k.access_key_id, k.enabled) for k in keys] == [("MSAKONE", False), ("MSAKTWO", True)]
        assert await store.write(lambda tx: tx.access_keys.delete("MSAKONE")) is True
        assert await store.write(lambda tx: tx.access_keys.delete("MSAKONE")) is False
        assert await store.write(lambda tx: tx.access_keys.set_enabled("MSAKONE", True)) is False
        assert await store.read(lambda tx: tx.access_keys.load("MSAKONE")) is None

    tell(tmp_path, story)


def test_a_key_of_an_account_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        with pytest.raises(BROKEN_CONSTRAINT):
            await store.write(lambda tx: tx.access_keys.add(AccessKey("MSAK", "nobody"), b"sealed", START))

    tell(tmp_path, story)


def test_a_timeline_is_told_newest_first_and_outlives_the_identity(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        events = [Event("created", "one"), Event("key", "two")]
        await store.write(lambda tx: tx.events.append(*PLACE, START, events))
        await store.write(lambda tx: tx.events.append(*PLACE, START, []))
        await store.write(lambda tx: tx.identities.delete(stored))
        await store.write(lambda tx: tx.events.append(*PLACE, START, [Event("deleted", "three")]))
        told = await store.read(lambda tx: tx.events.list(*PLACE, 2))
        assert told == [StoredEvent(START, "deleted", "three"), StoredEvent(START, "key", "two")]
        assert await store.read(lambda tx: tx.events.list("another", *PLACE[1:], 9)) == []

    tell(tmp_path, story)


def test_evidence_goes_with_its_setting_and_a_late_report_is_dropped(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        assert await store.read(lambda tx: tx.evidence.latest("setting-1")) is None
        for report in ("first", "second"):
            await store.write(lambda tx, report=report: tx.evidence.save("setting-1", START, report))
        assert await store.read(lambda tx: tx.evidence.latest("setting-1")) == (START, "second")

        newer = replace(stored, newest=Setting("setting-2", EasyDkim(1024), started(START)))
        await store.write(lambda tx: tx.identities.save(newer, NOTHING_DUE))
        await store.write(lambda tx: tx.evidence.save("setting-1", START, "late"))
        assert await store.read(lambda tx: tx.evidence.latest("setting-1")) is None

    tell(tmp_path, story)


def test_the_first_answer_to_a_call_stands_until_its_time_is_over(tmp_path: Path) -> None:
    call = ("MSAKONE", "invocation", "hash")
    later = START + HOUR

    async def story(store: SqliteStore) -> None:
        assert await store.read(lambda tx: tx.answers.load(*call, START)) is None
        assert await store.write(lambda tx: tx.answers.save(*call, b"first", START, later))
        assert not await store.write(lambda tx: tx.answers.save(*call, b"second", START, 2 * HOUR + START))
        assert await store.read(lambda tx: tx.answers.load(*call, START)) == b"first"
        assert await store.read(lambda tx: tx.answers.load("MSAKONE", "invocation", "another", START)) is None
        assert await store.read(lambda tx: tx.answers.load(*call, later)) is None
        assert await store.write(lambda tx: tx.answers.save(*call, b"third", later, later + HOUR))
        assert await store.read(lambda tx: tx.answers.load(*call, later)) == b"third"
        assert await store.write(lambda tx: tx.answers.forget_before(later, 9)) == 0
        assert await store.write(lambda tx: tx.answers.forget_before(later + HOUR, 9)) == 1

    tell(tmp_path, story)


def test_a_named_value_is_the_last_one_put(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        assert await store.read(lambda tx: tx.installation.get("secret")) is None
        for value in (b"one", b"\x00two"):
            await store.write(lambda tx, value=value: tx.installation.put("secret", value))
        assert await store.read(lambda tx: tx.installation.get("secret")) == b"\x00two"

    tell(tmp_path, story)
