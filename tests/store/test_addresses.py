"""The tables of addresses: what is stored comes back, links end with their address, work is claimed once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.core.addressid import AddressIdentity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.stored import IdentityQuery
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import BROKEN_CONSTRAINT, tell
from tests.unit.core.scenes import ACCOUNT, REGION, START

HOUR = timedelta(hours=1)
ME = AddressIdentity(
    ACCOUNT,
    REGION,
    "Me@example.com",
    START,
    DkimStatus.PENDING,
    link_at=START,
    mail_due_at=START,
    mails_tried=2,
)
PLACE = (ACCOUNT, REGION, ME.name)

pytestmark = pytest.mark.usefixtures("each_engine")


def test_an_address_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        proven = replace(ME, status=DkimStatus.SUCCESS, proven_at=START + HOUR, mail_due_at=None)
        for address in (ME, proven, replace(ME, mails_tried=0)):
            await store.write(lambda tx, address=address: tx.addresses.save(address))
            assert await store.read(lambda tx: tx.addresses.load(*PLACE)) == address
        assert await store.read(lambda tx: tx.addresses.load(ACCOUNT, REGION, "me@example.com")) is None
        assert await store.read(lambda tx: tx.addresses.count_by_status()) == {"PENDING": 1}

    tell(tmp_path, story)


def test_a_link_leads_to_its_address_until_its_time_or_its_address_is_over(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: (tx.addresses.save(ME), tx.addresses.add_link(b"hash", ME)))
        assert await store.read(lambda tx: tx.addresses.by_link(b"hash", START)) == ME
        assert await store.read(lambda tx: tx.addresses.by_link(b"hush", START)) is None
        assert await store.read(lambda tx: tx.addresses.by_link(b"hash", ME.link_ends_at)) is None
        proven = replace(ME, status=DkimStatus.SUCCESS)
        await store.write(lambda tx: tx.addresses.save(proven))
        assert await store.read(lambda tx: tx.addresses.by_link(b"hash", START)) is None
        await store.write(lambda tx: (tx.addresses.save(ME), tx.addresses.add_link(b"hash", ME)))
        assert await store.write(lambda tx: tx.addresses.delete(*PLACE)) is True
        assert await store.write(lambda tx: tx.addresses.delete(*PLACE)) is False
        assert await store.read(lambda tx: tx.addresses.by_link(b"hash", START)) is None

    tell(tmp_path, story)


def test_a_link_belongs_to_an_address_that_exists(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        with pytest.raises(BROKEN_CONSTRAINT):
            await store.write(lambda tx: tx.addresses.add_link(b"hash", ME))

    tell(tmp_path, story)


def test_what_is_due_is_claimed_once_until_its_lease_is_over(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        others = [replace(ME, name=f"{n}@example.com", mail_due_at=START + n * HOUR) for n in range(1, 4)]
        for address in (ME, *others, replace(ME, name="done@example.com", status=DkimStatus.FAILED)):
            await store.write(lambda tx, address=address: tx.addresses.save(address))
        lease = START + 2 * HOUR
        now = START + HOUR
        claimed = await store.write(lambda tx: tx.addresses.claim_due(now, lease, 10))
        assert {one.name for one in claimed} == {ME.name, "1@example.com"}
        assert await store.write(lambda tx: tx.addresses.claim_due(now, lease, 10)) == []
        assert await store.read(lambda tx: tx.addresses.next_due_at()) == lease
        again = await store.write(lambda tx: tx.addresses.claim_due(lease, lease + HOUR, 1))
        assert len(again) == 1
        await store.write(lambda tx: tx.addresses.hold(others[2], START + 9 * HOUR))
        late = await store.write(lambda tx: tx.addresses.claim_due(START + 4 * HOUR, START + 5 * HOUR, 10))
        assert "3@example.com" not in {one.name for one in late}

    tell(tmp_path, story)


def test_a_lease_left_behind_ends_and_what_is_not_due_yet_stays_so(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        lease, soon = START + timedelta(seconds=90), START + timedelta(seconds=30)
        later = replace(ME, name="later@example.com", mail_due_at=soon)

        def unit(tx: Transaction) -> None:
            tx.addresses.save(ME)
            tx.addresses.save(later)
            assert [one.name for one in tx.addresses.claim_due(START, lease, 9)] == [ME.name]
            assert tx.addresses.release(START, lease) == 1
            assert [one.name for one in tx.addresses.claim_due(START, lease, 9)] == [ME.name]
            assert tx.addresses.next_due_at() == soon

        await store.write(unit)

    tell(tmp_path, story)


def test_switches_of_addresses_are_kept_apart_and_forgotten_with_their_domain(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        def put(name: str, enabled: bool | None) -> object:
            return lambda tx: tx.addresses.override(ACCOUNT, REGION, name, enabled)

        async def said(name: str, region: str = REGION) -> bool | None:
            return await store.read(lambda tx: tx.addresses.overridden(ACCOUNT, region, name))

        await store.write(put("a@example.com", False))
        await store.write(put("b@example.com", True))
        await store.write(put("a@news.example.com", False))
        assert (await said("a@example.com"), await said("b@example.com")) == (False, True)
        assert (await said("A@example.com"), await said("a@example.com", "eu-west-1")) == (None, None)
        await store.write(put("a@example.com", True))
        assert await said("a@example.com") is True
        await store.write(put("a@example.com", None))
        assert await said("a@example.com") is None
        await store.write(lambda tx: tx.addresses.forget_overrides(ACCOUNT, REGION, "example.com"))
        assert (await said("b@example.com"), await said("a@news.example.com")) == (None, False)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("ME@", ["Me@example.com"]),
        ("%", ["a%b@example.com"]),
        ("_", ["a_b@example.com"]),
        ("!", ["a!b@example.com"]),
        ("example", ["Me@example.com", "a!b@example.com", "a%b@example.com", "a_b@example.com"]),
    ],
)
def test_a_list_takes_each_character_of_a_filter_literally(
    part: str, names: list[str], tmp_path: Path
) -> None:
    async def story(store: SqliteStore) -> None:
        for name in (ME.name, "a%b@example.com", "a_b@example.com", "a!b@example.com"):
            address = replace(ME, name=name)
            await store.write(lambda tx, address=address: tx.addresses.save(address))
        query = IdentityQuery(ACCOUNT, REGION, name_contains=part)
        assert [row.name for row in await store.read(lambda tx: tx.addresses.list(query))] == names
        failed = replace(query, status=DkimStatus.FAILED)
        assert await store.read(lambda tx: tx.addresses.list(failed)) == []

    tell(tmp_path, story)
