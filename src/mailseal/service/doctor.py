"""Looks at everything that an installation stands on, and says of each how it is.

Rule: all is asked, whatever else fails; nothing is changed.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import ipaddress

from mailseal.core.doctor import (
    Health,
    Result,
    judge_breaker,
    judge_clock,
    judge_database,
    judge_delegation,
    judge_outside,
    judge_outward,
    judge_port,
    judge_resolvers,
    judge_secondaries,
    judge_servers,
    judge_signer,
    judge_stock,
)
from mailseal.core.observations import AuthorityReport, Observation, Question, RecordType
from mailseal.service.following import ask_standings
from mailseal.service.surroundings import Surroundings
from mailseal.service.world import Tx, World

_NEXT_HOP_S = 5.0
_ARRIVES_WITHIN_S = 1.0
"""After the answer: the query has come before it, unless something on the way answered."""


async def examine(world: World, around: Surroundings) -> tuple[Health, ...]:
    """How everything is, in the order in which it is to be repaired."""
    zone = world.hosted_zone
    ours = asyncio.gather(
        _ask_own_zone(world, around),
        _from_outside(world, around),
        ask_standings(world),
        _port(zone, around),
    )
    neighbours = asyncio.gather(
        world.resolver.ask_vantages([Question("", RecordType.SOA)]),
        around.prober.ask_roots() if around.asks_authorities else _nothing(),
        _next_hop(around),
    )
    (told, outside, standings, port), (roots, outward, hop) = await asyncio.gather(ours, neighbours)
    serial, identities, levels = await world.store.read(lambda tx: _stored(tx, zone))
    breaker = world.breaker
    return (
        _configuration(world),
        _master_key(world, around),
        judge_database(await asyncio.to_thread(around.free_bytes), identities),
        judge_clock(around.read_clock()),
        judge_stock(levels, world.stock_target),
        port,
        judge_delegation(zone, told, around.name_servers, around.addresses),
        judge_servers(zone, told, serial),
        judge_secondaries(standings, world.clock.now()),
        judge_outside(zone, *outside),
        judge_resolvers(roots),
        judge_outward(outward, around.asks_authorities),
        hop,
        judge_signer(around.signer()),
        judge_breaker(breaker.reason, breaker.canary, was_looked_at=breaker.canary_at is not None),
    )


def _stored(tx: Tx, zone: str) -> tuple[int, int, dict[int, int]]:
    return tx.zone.serial(zone), sum(tx.identities.count_by_status().values()), dict(tx.keys.stock_levels())


def _configuration(world: World) -> Health:
    regions = ", ".join(world.regions)
    return Health("configuration", Result.OK, f"no unknown key; {world.hosted_zone}, {regions}")


def _master_key(world: World, around: Surroundings) -> Health:
    risk = around.master_key_risk()
    if risk:
        advice = "Keep it where only Mailseal's user can read it, and away from the data."
        return Health("master key", Result.WARNING, f"{world.keyring.where}: {risk}", advice)
    return Health("master key", Result.OK, f"{world.keyring.where} opens the database")


async def _nothing() -> tuple[Observation, ...]:
    return ()


async def _ask_own_zone(world: World, around: Surroundings) -> AuthorityReport:
    """What our zone's servers say about it, found as a stranger finds them."""
    zone = world.hosted_zone
    if around.asks_authorities:
        return await world.resolver.ask_authorities(
            zone, [Question(zone, RecordType.SOA), Question(zone, RecordType.NS)]
        )
    seen = await world.resolver.ask_vantages([Question(zone, RecordType.NS)])
    apex = next((zone if one.names else one.zone for one in seen if one.names or one.zone), None)
    why = "the zone's servers are not asked, by configuration"
    return AuthorityReport(apex, None, seen, why if apex else seen[0].detail if seen else why)


async def _from_outside(world: World, around: Surroundings) -> tuple[tuple[Observation, ...], bool | None]:
    """What the resolvers say to a random name below our zone, and whether it came to our name server."""
    arrivals = around.arrivals
    if not arrivals.listening:
        return (), None
    owner = f"doctor-{world.new_id()[:16].lower()}.{world.hosted_zone}"
    arrived = arrivals.expect(owner)
    try:
        seen = await world.resolver.ask_vantages([Question(owner, RecordType.TXT)])
        try:
            await asyncio.wait_for(arrived.wait(), _ARRIVES_WITHIN_S)
        except TimeoutError:
            return seen, False
        return seen, True
    finally:
        arrivals.forget(owner)


async def _port(zone: str, around: Surroundings) -> Health:
    """Whether each address that we listen on answers, UDP and TCP."""
    listening = around.arrivals.listening
    ways = [(host, port, stream) for host, port in listening for stream in (False, True)]
    told = await asyncio.gather(
        *(
            around.prober.ask_server(_near(host), port, Question(zone, RecordType.SOA), stream=stream)
            for host, port, stream in ways
        )
    )
    silent = [
        f"{host} port {port} ({'TCP' if stream else 'UDP'})"
        for (host, port, stream), one in zip(ways, told, strict=True)
        if one.soa is None
    ]
    return judge_port(listening, silent)


def _near(host: str) -> str:
    """Where a listener is asked from here: one for all addresses answers on loopback too."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


async def _next_hop(around: Surroundings) -> Health:
    try:
        async with asyncio.timeout(_NEXT_HOP_S):
            problem = await around.next_hop_answers()
    except TimeoutError:
        problem = f"no answer within {_NEXT_HOP_S:g} s"
    if problem is None:
        return Health("next hop", Result.OK, f"{around.next_hop} answers")
    advice = "Start your mail server, or correct [nexthop] url; until then no mail is accepted."
    return Health("next hop", Result.FAULT, f"{around.next_hop}: {problem}", advice)
