"""A fault of our own zone is told as ours, in ten ways; of two mistakes at once none is invented."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from mailseal.core.advice import Code
from mailseal.core.rotation import Answer
from mailseal.core.verification import ExpectedRecord, expected_records
from mailseal.sandbox.mistakes import Row, Scene, make_mistake
from mailseal.sandbox.zones import Outage
from mailseal.service import configure
from tests.fakes import HOSTED_ZONE
from tests.unit.sandbox.mistaken import WHO, Domain, codes, tell

ONE_RECORDS = """DOUBLED_DOMAIN HOST_ONLY MISSING_UNDERSCORE WRONG_ZONE TARGET_SUFFIXED TARGET_QUOTED
TARGET_URL OTHER_PROVIDER TXT_INSTEAD KEY_PASTED FLATTENED RECORD_MISSING LOOP"""
SINGLE = ONE_RECORDS.split()
OUTAGES = [Outage.SERVFAIL, Outage.REFUSED, Outage.SILENCE, Outage.DEAD, Outage.BOGUS, Outage.GONE]
TEXTS = {
    "removed": None,
    "empty": b"",
    "another key": b"p=AAAA",
    "cut off": b"p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA",
}


async def wanted(domain: Domain) -> tuple[ExpectedRecord, ...]:
    identity = await configure.get_identity(domain.world, WHO, domain.name, domain.world.clock.now())
    return expected_records(identity, identity.newest, domain.world.clock.now(), domain.world.policy)


def is_told_as_ours(found: dict[str, object]) -> None:
    diagnoses = found["diagnoses"]
    assert isinstance(diagnoses, list)
    assert {one["code"] for one in diagnoses} == {Code.OUR_ZONE}, diagnoses
    assert (found["evidence"], found["error_type"]) == ("OURS", "SERVICE_ERROR")
    assert found["dkim_status"] == "PENDING"


@pytest.mark.parametrize("outage", OUTAGES)
def test_our_own_zone_out_of_reach_is_told_as_ours(tmp_path: Path, outage: Outage) -> None:
    async def story(domain: Domain) -> None:
        await domain.create()
        await domain.customers.repair(domain.world, WHO, domain.name)
        domain.customers.zones.set_outage(HOSTED_ZONE, outage)
        is_told_as_ours(await domain.check())

    tell(tmp_path, story)


@pytest.mark.parametrize("fault", TEXTS)
def test_a_key_that_our_own_zone_does_not_give_is_told_as_ours(tmp_path: Path, fault: str) -> None:
    async def story(domain: Domain) -> None:
        await domain.create()
        await domain.customers.repair(domain.world, WHO, domain.name)
        now, answer = domain.world.clock.now(), Answer(TEXTS[fault], 60)
        record = next(r for r in await wanted(domain) if len(max(r.texts)) > 0)
        await domain.world.store.write(lambda tx: tx.zone.serve(HOSTED_ZONE, record.value, answer, now))
        is_told_as_ours(await domain.check())

    tell(tmp_path, story)


async def two_at_once(domain: Domain, first: str, second: str) -> set[str]:
    """What is named where the first record has one mistake and the second another; the third is right."""
    records = await wanted(domain)
    domain.customers.zones.delete_domain(domain.name)
    rows: list[Row] = []
    for code, record in zip((first, second, Code.CASE.value), records, strict=True):
        rows += make_mistake(code, Scene(domain.name, (record,), "")).rows
    for row in {(row.name, row.type): row for row in rows}.values():
        domain.customers.set_record(row.name, row.type, row.values, None)
    return codes(await domain.check())


def test_of_two_mistakes_at_once_one_is_named_and_none_invented(tmp_path: Path) -> None:
    pairs = [(SINGLE[at], SINGLE[(at + 4) % len(SINGLE)]) for at in range(len(SINGLE))]

    async def story(domain: Domain) -> None:
        await domain.create()
        for first, second in pairs:
            assert await two_at_once(domain, first, second) == {first, second}

    tell(tmp_path, story)


@pytest.mark.suite_dns
def test_of_any_two_mistakes_at_once_one_is_named_and_none_invented(tmp_path: Path) -> None:
    async def story(domain: Domain) -> None:
        await domain.create()
        for first, second in product(SINGLE, SINGLE):
            named = await two_at_once(domain, first, second)
            assert named, (first, second)
            assert named <= {first, second}, (first, second, named)

    tell(tmp_path, story)
