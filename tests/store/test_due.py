"""Due work: claimed once, under a lease, oldest first."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.core.stored import DueTimes
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import PLACE, create, new_identity, renamed, tell
from tests.unit.core.scenes import ACCOUNT, REGION, START

SECOND = timedelta(seconds=1)
LEASE = START + timedelta(seconds=90)

pytestmark = pytest.mark.usefixtures("each_engine")


def due(identity_due: dict[str, int], slots: int | None = None) -> DueTimes:
    """Due times in seconds after START."""
    checks = {setting: START + seconds * SECOND for setting, seconds in identity_due.items()}
    return DueTimes(checks, None if slots is None else START + slots * SECOND)


def test_what_was_claimed_is_not_claimed_again_before_its_lease_ends(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity(), due({"setting-1": 0})))
        first = await store.write(lambda tx: tx.identities.claim_due(START, LEASE, 10))
        assert [(claim.name, claim.setting_id) for claim in first] == [("example.com", "setting-1")]
        assert await store.read(lambda tx: tx.identities.next_due_at()) == LEASE
        before = LEASE - SECOND
        assert await store.write(lambda tx: tx.identities.claim_due(before, LEASE + SECOND, 10)) == []
        again = await store.write(lambda tx: tx.identities.claim_due(LEASE, LEASE + 90 * SECOND, 10))
        assert [claim.setting_id for claim in again] == ["setting-1"]

    tell(tmp_path, story)


def test_saving_new_due_times_ends_the_lease(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity(), due({"setting-1": 0})))
        await store.write(lambda tx: tx.identities.claim_due(START, LEASE, 10))
        await store.write(lambda tx: tx.identities.save(stored, due({"setting-1": 10})))
        assert await store.read(lambda tx: tx.identities.next_due_at()) == START + 10 * SECOND
        at = START + 10 * SECOND
        assert len(await store.write(lambda tx: tx.identities.claim_due(at, LEASE, 10))) == 1

    tell(tmp_path, story)


def test_a_save_that_names_no_due_time_leaves_the_lease_alone(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity(), due({"setting-1": 0})))
        await store.write(lambda tx: tx.identities.claim_due(START, LEASE, 10))
        await store.write(lambda tx: tx.identities.save(stored, due({})))
        assert await store.read(lambda tx: tx.identities.next_due_at()) == LEASE

    tell(tmp_path, story)


def test_the_oldest_come_first_and_no_more_than_were_asked_for(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        for seconds in (3, 1, 2, 9):
            identity = renamed(new_identity(), f"d{seconds}.example.com")
            times = due({identity.newest.setting_id: seconds})
            await store.write(lambda tx, identity=identity, times=times: create(tx, identity, times))
        now = START + 5 * SECOND
        two = await store.write(lambda tx: tx.identities.claim_due(now, LEASE, 2))
        assert sorted(claim.name for claim in two) == ["d1.example.com", "d2.example.com"]
        rest = await store.write(lambda tx: tx.identities.claim_due(now, LEASE, 10))
        assert [claim.name for claim in rest] == ["d3.example.com"]
        assert await store.read(lambda tx: tx.identities.next_due_at()) == START + 9 * SECOND

    tell(tmp_path, story)


def test_check_now_hastens_what_waits_and_leaves_alone_what_is_under_way(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity(), due({"setting-1": 3600})))
        await store.write(lambda tx: tx.identities.set_check_due(*PLACE, START))
        assert await store.read(lambda tx: tx.identities.next_due_at()) == START
        await store.write(lambda tx: tx.identities.set_check_due(*PLACE, START + SECOND))
        assert await store.read(lambda tx: tx.identities.next_due_at()) == START
        assert len(await store.write(lambda tx: tx.identities.claim_due(START, LEASE, 10))) == 1
        await store.write(lambda tx: tx.identities.set_check_due(*PLACE, START))
        assert await store.write(lambda tx: tx.identities.claim_due(START + SECOND, LEASE, 10)) == []

    tell(tmp_path, story)


def test_slots_are_claimed_like_checks(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity(), due({}, slots=5)))
        assert await store.write(lambda tx: tx.slots.claim_due(START, LEASE, 10)) == []
        at = START + 5 * SECOND
        claims = await store.write(lambda tx: tx.slots.claim_due(at, LEASE, 10))
        assert [(claim.account_id, claim.region, claim.domain) for claim in claims] == [PLACE]
        assert await store.write(lambda tx: tx.slots.claim_due(at, LEASE, 10)) == []
        await store.write(lambda tx: tx.slots.save(ACCOUNT, REGION, "example.com", stored.slots, None))
        assert await store.read(lambda tx: tx.identities.next_due_at()) is None

    tell(tmp_path, story)


def test_nothing_is_due_where_nothing_was_asked_for(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        assert await store.read(lambda tx: tx.identities.next_due_at()) is None
        assert await store.write(lambda tx: tx.identities.claim_due(START, LEASE, 10)) == []

    tell(tmp_path, story)


def test_leases_left_behind_end_and_what_waits_keeps_its_time(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        later = START + SECOND

        def unit(tx: Transaction) -> None:
            for name, seconds in (("a.example.com", 0), ("b.example.com", 30)):
                identity = renamed(new_identity(), name)
                create(tx, identity, due({identity.newest.setting_id: seconds}, seconds))
            for claim in (tx.identities.claim_due, tx.slots.claim_due):
                assert len(claim(START, LEASE, 10)) == 1
            for release in (tx.identities.release, tx.slots.release):
                assert release(later, LEASE - SECOND) == 0
                assert release(later, LEASE) == 1
            assert [claim.name for claim in tx.identities.claim_due(later, LEASE, 10)] == ["a.example.com"]
            assert [claim.domain for claim in tx.slots.claim_due(later, LEASE, 10)] == ["a.example.com"]
            assert tx.identities.next_due_at() == START + 30 * SECOND

        await store.write(unit)

    tell(tmp_path, story)
