"""A fault of our own is held against nobody: the breaker's memory, and days without any DNS."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailseal.core.access import Principal
from mailseal.core.commands import CreateIdentity
from mailseal.core.lifecycle import (
    Check,
    DkimStatus,
    ErrorType,
    Evidence,
    Proof,
    after_check,
    next_check_at,
    started,
)
from mailseal.core.policy import Policy
from mailseal.core.verification import expected_records
from mailseal.service import verify
from mailseal.service.breaker import Breaker
from mailseal.service.configure import create_identity, get_identity
from mailseal.service.publish import publish
from mailseal.service.watch import watch
from mailseal.service.world import World
from tests.fakes import START, FakeClock, ScriptedDns, fake_world, opened_store

POLICY = Policy()
MINUTE = timedelta(minutes=1)


def key(number: int) -> tuple[str, str, str]:
    return ("000000000001", "us-east-1", f"d{number}.example")


def turned(breaker: Breaker, numbers: range, at: datetime, *, away: bool = True) -> None:
    for number in numbers:
        breaker.note_look(key(number), away, at)


def test_twenty_that_turn_away_open_it_and_one_that_does_so_twenty_times_does_not() -> None:
    breaker = Breaker()
    for n in range(30):
        breaker.note_look(key(1), True, START + n * timedelta(seconds=5))
    assert breaker.open_since is None
    turned(breaker, range(2, 21), START + 3 * MINUTE)
    assert breaker.open_since == START + 3 * MINUTE
    assert "20 of 20 proven identities" in breaker.reason


def test_what_lies_ten_minutes_back_does_not_count() -> None:
    breaker = Breaker()
    turned(breaker, range(19), START)
    turned(breaker, range(19, 38), START + 10 * MINUTE)
    assert breaker.open_since is None
    turned(breaker, range(38, 39), START + 11 * MINUTE)
    assert breaker.open_since is not None


def test_a_fifth_is_weather() -> None:
    breaker = Breaker()
    turned(breaker, range(200), START, away=False)
    turned(breaker, range(40), START)
    assert breaker.open_since is None
    turned(breaker, range(40, 41), START)
    assert breaker.open_since is not None


def test_it_closes_when_those_looked_at_again_are_found() -> None:
    breaker = Breaker()
    turned(breaker, range(100), START)
    assert breaker.turned_away(5) == tuple(key(n) for n in range(5))
    later = START + 3 * MINUTE
    turned(breaker, range(4), later, away=False)
    assert breaker.open_since is not None
    turned(breaker, range(4, 5), later, away=False)
    assert breaker.open_since is None
    assert breaker.turned_away(5) == ()


def test_it_closes_when_nothing_is_left_to_be_looked_at() -> None:
    breaker = Breaker()
    turned(breaker, range(20), START)
    breaker.note_canary(None, START + 11 * MINUTE)
    assert breaker.open_since is None


def test_one_lost_canary_opens_nothing_and_two_do_until_one_comes_back() -> None:
    breaker = Breaker()
    breaker.note_canary("no answer", START)
    assert breaker.open_since is None
    assert not breaker.is_calm
    breaker.note_canary("no answer", START + MINUTE)
    assert (breaker.open_since, breaker.reason) == (START + MINUTE, "no answer")
    breaker.note_canary(None, START + 2 * MINUTE)
    assert breaker.open_since is None
    assert breaker.is_calm


def test_a_returned_canary_does_not_excuse_those_that_turned_away() -> None:
    breaker = Breaker()
    turned(breaker, range(20), START)
    breaker.note_canary("no answer", START)
    breaker.note_canary("no answer", START)
    breaker.note_canary(None, START)
    assert breaker.open_since == START
    assert "proven identities" in breaker.reason


def proven(at: datetime) -> Proof:
    return replace(started(at), status=DkimStatus.SUCCESS, last_success_at=at)


@pytest.mark.suite_dns
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("evidence", "canary"),
    [(Evidence.TEMPORARY, "no answer"), (Evidence.NEGATIVE, None), (Evidence.TEMPORARY, None)],
    ids=["silence", "denials", "slow"],
)
def test_a_thousand_proven_domains_outlive_seven_days_without_dns(
    evidence: Evidence, canary: str | None
) -> None:
    """With the canary's silence, or without it: when resolvers begin to deny everything but our own name, or
    are so slow that only our own name still comes in time."""
    breaker = Breaker()
    proofs = {key(n): proven(START) for n in range(1000)}
    due = {each: START + timedelta(seconds=3.6 * n) for n, each in enumerate(proofs)}
    queue = sorted((at, each) for each, at in due.items())
    broken, repaired = START + timedelta(hours=2), START + timedelta(days=7, hours=2)
    opened = closed = None
    now = START
    while now < repaired + timedelta(hours=2):
        is_broken = broken <= now < repaired
        breaker.note_canary(canary if is_broken else None, now)
        for each in breaker.turned_away(20):
            due[each] = now
            heapq.heappush(queue, (now, each))
        while queue and queue[0][0] <= now:
            at, each = heapq.heappop(queue)
            if at != due[each]:
                continue
            found = Check(evidence if is_broken else Evidence.POSITIVE)
            breaker.note_look(each, found.evidence is not Evidence.POSITIVE, now)
            proof = after_check(proofs[each], breaker.judged(found), now, POLICY)
            assert proof.status is DkimStatus.SUCCESS, (each, now)
            proofs[each] = proof
            due[each] = next_check_at(proof, now, POLICY, 0.0) or now + MINUTE
            heapq.heappush(queue, (due[each], each))
        if breaker.open_since is not None and opened is None:
            opened = now
        if breaker.open_since is None and opened is not None and now >= repaired:
            closed = closed or now
        now += MINUTE
    assert opened is not None
    assert closed is not None
    assert opened - broken <= 2 * MINUTE
    assert closed - repaired <= 2 * MINUTE
    assert Counter(proof.error_type for proof in proofs.values()) == {None: 1000}


WHO = Principal("000000000001", "us-east-1", "test")


async def _create(world: World, dns: ScriptedDns, name: str) -> None:
    dns.domains.add(name)
    identity = await create_identity(world, WHO, CreateIdentity(name), world.clock.now())
    for record in expected_records(identity, identity.newest, world.clock.now(), world.policy):
        dns.publish(record.owner, record.value)


def test_the_fault_is_ours_on_the_wire_and_the_alarm_is_raised_once_and_taken_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened_store(tmp_path) as store:
            alarms: list[str] = []
            world = fake_world(store, alarm=lambda name, text: alarms.append(text))
            clock, dns = world.clock, world.resolver
            assert isinstance(clock, FakeClock)
            assert isinstance(dns, ScriptedDns)
            for name in ("one.example", "two.example"):
                await _create(world, dns, name)
            await publish(world)
            for _ in range(4):
                await verify.tick(world)
                clock.advance(seconds=11)

            async def status(name: str) -> tuple[DkimStatus, ErrorType | None]:
                proof = (await get_identity(world, WHO, name, clock.now())).newest.proof
                return proof.status, proof.error_type

            assert await status("one.example") == (DkimStatus.SUCCESS, None)
            assert await watch(world)
            dns.is_dead = True
            assert not await watch(world)
            assert not await watch(world)
            for _ in range(8 * 24):
                clock.advance(hours=1.2)
                await verify.tick(world)
                await watch(world)
            assert await status("one.example") == (DkimStatus.SUCCESS, ErrorType.SERVICE_ERROR)
            assert len(alarms) == 1
            assert "no answer" in alarms[0]
            dns.is_dead = False
            assert await watch(world)
            assert len(alarms) == 2
            clock.advance(hours=1.2)
            await verify.tick(world)
            assert await status("two.example") == (DkimStatus.SUCCESS, None)

    asyncio.run(run())
