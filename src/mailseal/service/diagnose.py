"""Use case: ask what else proves a mistake, and name it.

Rule: only where something is wrong, and within a budget of its own in questions and time; what a check could
not find out in that time stays unnamed.
References: docs/diagnosis.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mailseal.core.diagnosis import (
    Diagnosis,
    Facts,
    ProbePlan,
    diagnose,
    plan_probes,
    policy_question,
    with_own_fault,
)
from mailseal.core.observations import Observation
from mailseal.core.verification import CheckReport, Finding
from mailseal.service.reports import parse_diagnoses, picture_of, probe_members, with_second
from mailseal.service.world import Tx, World

_PROBES_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A check with what it comes to: the report, the mistakes by name, and what was asked to prove them."""

    report: CheckReport
    diagnoses: tuple[Diagnosis, ...] = ()
    probes: Sequence[Any] = ()
    """As they are kept."""


async def diagnosed(
    world: World, domain: str, report: CheckReport, second: CheckReport | None = None, *, asked_for: bool
) -> Diagnosed:
    """A check with its diagnoses, the second signature's records among them; where somebody waits for it,
    warnings about the domain too."""
    whole = with_second(report, second)
    facts = await world.store.read(lambda tx: _facts(tx, world, domain, whole))
    plan = plan_probes(whole, facts)
    if asked_for and report.records:
        plan = ProbePlan(plan.authorities, (*plan.outside, policy_question(domain)))
    probes = await _probe(world, domain, plan)
    diagnoses = diagnose(whole, facts, probes)
    return Diagnosed(with_own_fault(report, diagnoses), diagnoses, probe_members(probes))


async def diagnosed_once(
    world: World, domain: str, kept: str | None, report: CheckReport, second: CheckReport | None = None
) -> Diagnosed:
    """A check with its diagnoses; while the picture is that of the stored report, those of that."""
    whole = with_second(report, second)
    if all(record.verdict is Finding.MATCH for record in whole.records):
        return Diagnosed(report, diagnose(whole, Facts(domain, (world.hosted_zone,))))
    before = json.loads(kept) if kept else {}
    if before.get("picture") == picture_of(whole):
        diagnoses = parse_diagnoses(before["diagnoses"])
        return Diagnosed(with_own_fault(report, diagnoses), diagnoses, before["probes"])
    return await diagnosed(world, domain, report, second, asked_for=False)


async def _probe(world: World, domain: str, plan: ProbePlan) -> tuple[Observation, ...]:
    """What came of the questions in time."""
    seen: list[Observation] = []

    async def outside() -> None:
        seen.extend(await world.resolver.look_up(plan.outside))

    async def inside() -> None:
        if plan.authorities:
            seen.extend((await world.resolver.ask_authorities(domain, plan.authorities)).observations)

    try:
        async with asyncio.timeout(_PROBES_WITHIN_S):
            await asyncio.gather(outside(), inside())
    except TimeoutError:
        pass  # What has come until then is used; the rest stays unproven.
    return tuple(seen)


def _facts(tx: Tx, world: World, domain: str, report: CheckReport) -> Facts:
    zones = tuple(dict.fromkeys((world.hosted_zone, *tx.zone.zones())))
    facts = Facts(
        domain,
        zones,
        zone=report.zone,
        soa=report.check.soa,
        left_out=report.left_out,
        troubles=report.troubles,
        suffixes=world.suffixes,
    )
    targets = {o.chain[-1].lower() for record in report.records for o in record.seen if o.chain}
    known = {name for name in targets if facts.is_ours(name) and tx.slots.find(name) is not None}
    return replace(facts, known_targets=frozenset(known))
