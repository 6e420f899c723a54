"""Tick: look at every setting that is due, and note what was found.

Rule: claim under a lease → ask with no transaction open → load again, decide, save. A result that lost a race
is dropped, for the change that won is newer. Status alone is changed here, and slots that the check has seen.
References: RFC 6376 §3.6.2; docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailseal.core import ed25519
from mailseal.core.access import Principal
from mailseal.core.checking import with_check, with_ed25519_check
from mailseal.core.errors import ConcurrentModification
from mailseal.core.identity import Change, Identity, Setting
from mailseal.core.lifecycle import DkimStatus, Evidence
from mailseal.core.observations import Observation, SoaRecord, Trouble
from mailseal.core.verification import (
    CheckReport,
    absent_at_authorities,
    compare,
    ed25519_records,
    expected_records,
    without_parent,
)
from mailseal.service.configure import apply_change, get_identity, with_wanted_key
from mailseal.service.diagnose import Diagnosed, diagnosed, diagnosed_once
from mailseal.service.reports import format_report, with_earlier
from mailseal.service.stock import write_with_keys
from mailseal.service.watch import note_look
from mailseal.service.world import DueCheck, Tx, World

LEASE = timedelta(seconds=90)
"""Longer than the 60 s that one check may take, so that no two processes look at once."""
BATCH = 64


@dataclass(frozen=True, slots=True)
class Checked:
    """One check that was carried out: before and after, for the log."""

    name: str
    before: str
    after: str
    changed: bool
    evidence: str
    """What was found, as a class."""


async def backlog(world: World, at_most: int) -> tuple[int, float]:
    """How many checks are due and not begun, counted up to `at_most`, and for how many seconds the oldest."""
    now = world.clock.now()
    count, since = await world.store.read(lambda tx: tx.identities.backlog(now, at_most))
    return count, 0.0 if since is None else (now - since).total_seconds()


async def claim(world: World, at_most: int) -> tuple[DueCheck, ...]:
    """Checks that are due, claimed under a lease; no transaction is written where there are none."""
    now = world.clock.now()
    due_at = await world.store.read(lambda tx: tx.identities.next_due_at())
    if due_at is None or due_at > now:
        return ()
    return await world.store.write(lambda tx: tuple(tx.identities.claim_due(now, now + LEASE, at_most)))


async def tick(world: World) -> tuple[Checked, ...]:
    """What came of every check that was due."""
    due = await claim(world, BATCH)
    results = await asyncio.gather(*(check(world, one) for one in due))
    return tuple(result for result in results if result is not None)


async def check_now(world: World, who: Principal, name: str, now: datetime) -> CheckReport | None:
    """What the newest setting comes to at this moment, noted as any other check; raises NotFound."""
    identity = await get_identity(world, who, name, now)
    first: CheckReport | None = None
    for setting in identity.settings:
        report, second = await _look(world, identity, setting)
        found = await diagnosed(world, identity.name, report, second, asked_for=True)
        await _note(world, identity, setting.setting_id, found, second)
        first = first or found.report
    return first


async def check(world: World, due: DueCheck) -> Checked | None:
    """One due check from question to stored answer; None where the setting is gone meanwhile."""
    identity = await world.store.read(lambda tx: tx.identities.load(due.account_id, due.region, due.name))
    if identity is None:
        return None
    setting = next((s for s in identity.settings if s.setting_id == due.setting_id), None)
    if setting is None:
        return None
    report, second = await _look(world, identity, setting)
    kept = await world.store.read(lambda tx: tx.evidence.latest(setting.setting_id))
    found = await diagnosed_once(world, identity.name, kept[1] if kept else None, report, second)
    after = await _note(world, identity, due.setting_id, found, second)
    if after is None:
        return None
    old, new = identity.newest.proof.status, after.newest.proof.status
    return Checked(identity.name, old.value, new.value, old is not new, found.report.check.evidence)


async def look_at(world: World, identity: Identity, setting: Setting) -> CheckReport:
    """What the DNS says about a setting's records: the authorities first, resolvers only where these do not
    already say that something is absent."""
    lacking = without_parent(identity, setting, world.regions)
    if lacking is not None:
        return lacking
    expected = expected_records(identity, setting, world.clock.now(), world.policy)
    seen: tuple[Observation, ...] = ()
    soa: SoaRecord | None = None
    zone, left_out, troubles = None, "", frozenset[Trouble]()
    if not setting.proof.was_proven or setting.proof.negatives:
        asked = await world.resolver.ask_authorities(
            identity.name, [record.authority_question for record in expected]
        )
        seen, soa, zone, left_out = asked.observations, asked.soa, asked.zone, asked.detail
        troubles = asked.troubles
    if not absent_at_authorities(expected, seen):
        seen += await world.resolver.ask_vantages([record.vantage_question for record in expected])
    return replace(compare(expected, seen, soa), zone=zone, left_out=left_out, troubles=troubles)


async def _look(world: World, identity: Identity, setting: Setting) -> tuple[CheckReport, CheckReport | None]:
    """What the DNS says about a setting's records, and with the newest setting's about those of the second
    signature, side by side: neither waits for the other's answers."""
    if setting.setting_id != identity.newest.setting_id:
        return await look_at(world, identity, setting), None
    return await asyncio.gather(look_at(world, identity, setting), look_at_ed25519(world, identity))


async def look_at_ed25519(world: World, identity: Identity) -> CheckReport | None:
    """What the DNS says about the second signature's records, each for itself; None where none is made."""
    expected = ed25519_records(identity, world.clock.now(), world.policy)
    if not expected:
        return None
    seen: tuple[Observation, ...] = ()
    if ed25519.signing_slot(identity.ed25519) is None:
        questions = [record.authority_question for record in expected]
        seen = (await world.resolver.ask_authorities(identity.name, questions)).observations
    there = [record for record in expected if not absent_at_authorities([record], seen)]
    if there:
        seen += await world.resolver.ask_vantages([record.vantage_question for record in there])
    return compare(expected, seen)


async def _note(
    world: World, identity: Identity, setting_id: str, found: Diagnosed, second: CheckReport | None
) -> Identity | None:
    """The identity with a check noted; None where it was deleted or kept changing under us."""
    now = world.clock.now()
    report = _judged(world, identity, setting_id, found.report, now)
    text = format_report(report, now, second, found.diagnoses, found.probes)
    if second is not None and world.breaker.judged(second.check) != second.check:
        second = None  # not to be believed now

    def unit(tx: Tx) -> Identity | None:
        current = tx.identities.load(identity.account_id, identity.region, identity.name)
        if current is None or all(s.setting_id != setting_id for s in current.settings):
            return None
        change = with_check(current, setting_id, report, now, world.policy)
        if second is not None:
            also = with_ed25519_check(change.identity, second, now, world.policy)
            change = Change(also.identity, change.events + also.events)
        before = tx.evidence.latest(setting_id)
        tx.evidence.save(setting_id, now, with_earlier(text, before[1] if before else None))
        return apply_change(tx, world, with_wanted_key(tx, world, change, now), now)

    try:
        after = await write_with_keys(world, unit, now)
    except ConcurrentModification:
        return None
    if after is not None and after.all_slots != identity.all_slots:
        world.wake_publisher()
    return after


def _judged(
    world: World, identity: Identity, setting_id: str, report: CheckReport, now: datetime
) -> CheckReport:
    """The report as it counts now: while the fault is likely ours, nothing is held against anybody."""
    setting = next(s for s in identity.settings if s.setting_id == setting_id)
    if setting.proof.status is DkimStatus.SUCCESS:
        key = (identity.account_id, identity.region, identity.name)
        note_look(world, key, report.check.evidence is not Evidence.POSITIVE, now)
    return replace(report, check=world.breaker.judged(report.check))
