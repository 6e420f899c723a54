"""How an installation's surroundings stand: one value for each thing looked at, and the verdicts on them.

Rule: pure; what could not be asked is never a fault, and each fault says the one thing to do.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailseal.core.carriers import Following, Standing, described
from mailseal.core.observations import AuthorityReport, Observation, Outcome, RecordType


class Result(StrEnum):
    """What came of looking at one thing."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Health:
    """One thing that was looked at."""

    name: str
    result: Result
    seen: str
    advice: str = ""
    records: tuple[tuple[str, str, str], ...] = ()
    """Records to publish: name, type, value."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """What the kernel says about its clock; None where it says nothing."""

    is_synchronised: bool | None
    error_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Signer:
    """How RSA signatures are made: several at once, or one at a time and why."""

    one_at_a_time: str = ""
    is_distrusted: bool = False
    """Whether several were made at once until too many failed their check."""


_GIB = 1024**3
_NOT_SERVING = "mailseal serve does not run here"


def judge_clock(state: ClockState) -> Health:
    """Whether something keeps the clock right: a signed request is good for five minutes."""
    if state.is_synchronised is None:
        return Health("clock", Result.NOT_ASKED, "this kernel does not tell whether it is synchronised")
    if state.is_synchronised:
        return Health("clock", Result.OK, f"synchronised, within {round(state.error_s * 1000)} ms")
    advice = "Let an NTP client keep the clock: timedatectl set-ntp true, or start chrony."
    return Health("clock", Result.WARNING, "nothing keeps it synchronised", advice)


def judge_database(free_bytes: int, identities: int) -> Health:
    """Whether the database has room."""
    seen = f"{identities} {'identity' if identities == 1 else 'identities'}, {free_bytes / _GIB:.1f} GiB free"
    if free_bytes >= _GIB:
        return Health("database", Result.OK, seen)
    result = Result.FAULT if free_bytes < _GIB // 10 else Result.WARNING
    return Health("database", result, seen, "Make room: a full disk stops every change and every mail.")


def judge_stock(levels: Mapping[int, int], target: Mapping[int, int]) -> Health:
    """Whether keys are ready before they are needed."""
    seen = ", ".join(
        f"{levels.get(bits, 0)} of {wanted} RSA {bits}" for bits, wanted in sorted(target.items())
    )
    if any(wanted and not levels.get(bits, 0) for bits, wanted in target.items()):
        advice = "It fills by itself while mailseal serve runs; until then a new domain waits for its key."
        return Health("key stock", Result.WARNING, seen, advice)
    return Health("key stock", Result.OK, seen)


def judge_port(listening: Sequence[tuple[str, int]], silent: Sequence[str]) -> Health:
    """Whether our name server answers where it listens; `silent` says in which ways it does not."""
    if not listening:
        return Health("port 53", Result.NOT_ASKED, _NOT_SERVING)
    if silent:
        advice = "Look at the log of mailseal serve, and at what filters packets on this machine."
        return Health("port 53", Result.FAULT, "no answer on " + ", ".join(silent), advice)
    seen = ", ".join(f"{host} port {port}" for host, port in listening) + ", UDP and TCP"
    if all(port != 53 for _, port in listening):
        advice = "Resolvers ask on port 53: [dns] listen, or a redirection or server of yours in front."
        return Health("port 53", Result.WARNING, seen, advice)
    return Health("port 53", Result.OK, seen)


def judge_delegation(
    zone: str, told: AuthorityReport, names: Sequence[str], addresses: Mapping[str, Sequence[str]]
) -> Health:
    """Whether the zone above delegates ours to the servers that the configuration names."""
    if not names:
        advice = f'Name them: [dns] name_servers = ["ns1.{zone}"].'
        return Health("delegation", Result.FAULT, "our zone has no name servers", advice)
    if told.zone is None:
        advice = "Without an answer nothing is known; look at the resolvers and at port 53 to the outside."
        return Health("delegation", Result.NOT_ASKED, told.detail, advice)
    if told.zone != zone:
        records = tuple((zone, "NS", name) for name in names) + tuple(
            (name, "AAAA" if ":" in address else "A", address)
            for name in names
            for address in addresses.get(name, ())
        )
        above = told.zone or "the root"
        seen = f"{above} does not delegate {zone}"
        return Health("delegation", Result.FAULT, seen, f"Nobody can fetch a key. Add to {above}:", records)
    found = {name for one in told.observations if one.question.type is RecordType.NS for name in one.names}
    if found and found != set(names):
        seen = f"{zone} is served by {', '.join(sorted(found))}; configured: {', '.join(sorted(names))}"
        return Health("delegation", Result.WARNING, seen, "Make [dns] name_servers say what the servers say.")
    return Health("delegation", Result.OK, f"{zone} is delegated to {', '.join(names)}")


def judge_servers(zone: str, told: AuthorityReport, serial: int) -> Health:
    """Whether every server of our zone that was asked answers as we do, with our serial."""
    seen = [one for one in told.observations if one.question.type is RecordType.SOA]
    if told.zone != zone or not seen:
        return Health("name servers", Result.NOT_ASKED, told.detail or "needs the delegation")
    wrong = [f"{one.asked.server}: {one.detail or one.rcode}" for one in seen if one.soa is None]
    if wrong:
        advice = (
            "A resolver that asks such a server finds no key: repair it, or take it out of the delegation."
        )
        return Health("name servers", Result.FAULT, "; ".join(wrong), advice)
    behind = [
        f"{one.asked.server} has serial {one.soa.serial}"
        for one in seen
        if one.soa and one.soa.serial != serial
    ]
    if behind:
        advice = "It follows by itself within minutes; if not, look at its log for NOTIFY and transfers."
        return Health("name servers", Result.WARNING, f"{'; '.join(behind)}, we {serial}", advice)
    if told.detail:
        return Health("name servers", Result.WARNING, told.detail, "Give every name server a public address.")
    return Health("name servers", Result.OK, f"{len(seen)} asked, serial {serial} on each")


def judge_outside(zone: str, seen: Sequence[Observation], arrived: bool | None) -> Health:
    """Whether a random name below our zone, asked for through the resolvers, comes to our name server."""
    if arrived is None:
        return Health("from outside", Result.NOT_ASKED, _NOT_SERVING)
    if not seen:
        return Health("from outside", Result.NOT_ASKED, "no resolver is configured")
    if arrived:
        return Health(
            "from outside", Result.OK, "a random name below our zone was asked for, and arrived here"
        )
    if any(one.outcome in (Outcome.NXDOMAIN, Outcome.NODATA) and one.zone == zone for one in seen):
        advice = "That is right where other servers answer for the zone; look at their serials above."
        return Health("from outside", Result.WARNING, "answered for our zone, but not by this server", advice)
    told = "; ".join(f"{one.asked.server}: {one.detail or one.rcode or one.outcome}" for one in seen)
    advice = "Keys cannot be fetched: repair the delegation first, then what filters port 53, UDP and TCP."
    return Health("from outside", Result.FAULT, f"it did not arrive; {told}", advice)


def judge_resolvers(roots: Sequence[Observation]) -> Health:
    """Whether the vantages answer and validate: each was asked for the root's SOA, which is signed."""
    if not roots:
        advice = 'Only a resolver can prove a record: [resolver] vantages = ["udp://127.0.0.1:53"].'
        return Health("resolvers", Result.FAULT, "none is configured", advice)
    silent = [one.asked.server for one in roots if not one.rcode]
    own_silent = [one for one in roots if not one.rcode and not one.asked.is_remote]
    if silent:
        advice = "Start it, or correct [resolver] vantages; an unbound on this machine is enough."
        result = Result.FAULT if own_silent else Result.WARNING
        return Health("resolvers", result, f"no answer from {', '.join(silent)}", advice)
    blind = [one.asked.server for one in roots if one.outcome is Outcome.ANSWER and not one.authenticated]
    if blind:
        advice = (
            "A forged record could pass: switch on DNSSEC validation there (unbound: auto-trust-anchor-file)."
        )
        return Health("resolvers", Result.WARNING, f"{', '.join(blind)} does not validate DNSSEC", advice)
    lost = [one.asked.server for one in roots if one.outcome is not Outcome.ANSWER]
    if lost:
        advice = "It answers but does not reach the root servers: whether it validates is not known."
        return Health("resolvers", Result.WARNING, f"{', '.join(lost)} cannot resolve the root", advice)
    return Health("resolvers", Result.OK, f"{len(roots)} of {len(roots)} answer and validate DNSSEC")


def judge_outward(roots: Sequence[Observation], asks_authorities: bool) -> Health:
    """Whether other name servers can be asked directly."""
    name = "port 53 out"
    if not asks_authorities:
        return Health(name, Result.NOT_ASKED, "domains' own servers are not asked, by configuration")
    if not roots:
        return Health(name, Result.NOT_ASKED, 'needs [resolver] roots = ["iana"]')
    if any(one.outcome is Outcome.ANSWER for one in roots):
        return Health(name, Result.OK, "root servers answer")
    advice = (
        "Open port 53 to the outside, UDP and TCP; or set [resolver] authorities = false: then new records "
        "are seen as late as the resolver's negative answers expire."
    )
    return Health(
        name, Result.WARNING, f"no root server answers: {roots[0].detail or roots[0].rcode}", advice
    )


def judge_breaker(reason: str, canary: str, *, was_looked_at: bool) -> Health:
    """Whether checks count, or are held back because the fault is likely ours."""
    if reason:
        advice = "No status moves down meanwhile; it closes by itself when the reason is gone."
        return Health("checks", Result.FAULT, f"held back: {reason}", advice)
    if canary:
        return Health("checks", Result.WARNING, canary, "If it stays, checks are held back.")
    if not was_looked_at:
        return Health("checks", Result.NOT_ASKED, "the first look comes seconds after the start")
    return Health("checks", Result.OK, "they count; our own zone is seen through the resolvers")


def judge_signer(signer: Signer) -> Health:
    """How signatures are made, which is never a fault: each way gives the same ones."""
    if signer.is_distrusted:
        seen = "one at a time by OpenSSL, since too many made at once failed their check"
        advice = "None of those went out; look for a failing processor or memory, then restart Mailseal."
        return Health("signer", Result.WARNING, seen, advice)
    if signer.one_at_a_time:
        return Health("signer", Result.OK, f"one at a time by OpenSSL: {signer.one_at_a_time}")
    return Health("signer", Result.OK, "up to eight at once by crypto_mb, each checked")


def judge_secondaries(standings: Sequence[Standing], now: datetime) -> Health:
    """Whether the servers that carry our zones have what we have; each was asked."""
    if not standings:
        return Health("secondaries", Result.NOT_ASKED, "no other server is to carry our zones")
    many = len({standing.zone for standing in standings}) > 1
    late = {
        standing: following
        for standing in standings
        if (following := standing.following(now)) in (Following.SILENT, Following.BEHIND)
    }
    if not late:
        servers = len({standing.server for standing in standings})
        return Health("secondaries", Result.OK, f"{servers} of {servers} follow")
    seen = "; ".join(f"{one.server}{f' ({one.zone})' if many else ''}: {described(one, now)}" for one in late)
    if Following.SILENT in late.values():
        advice = (
            "No new key signs until it has followed: start it and let it answer us, or take it out of "
            "[dns] secondaries and of the delegation."
        )
        return Health("secondaries", Result.FAULT, seen, advice)
    advice = "No new key signs until it has followed: look at its log for NOTIFY, transfers and TSIG."
    return Health("secondaries", Result.WARNING, seen, advice)
