"""From one server's response to an observation: the class of outcome, and what the answer shows.

Rule: pure; the class comes from the whole message, never from the response code alone: NXDOMAIN may come with
the alias whose target is missing.
References: RFC 1034 §3.6.2, RFC 2308 §2 and §5, RFC 8914 §4 (extended error codes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailseal.core.observations import (
    ENDLESS_ALIASES,
    Asked,
    Observation,
    Outcome,
    Question,
    RecordType,
    SoaRecord,
    Stage,
    Trouble,
    printable,
)
from mailseal.resolver.wire import Record, Response

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
_RCODES = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    9: "NOTAUTH",
    16: "BADVERS",
}
_LAME = "the server is lame: it does not answer as an authority for this zone"
_CHAIN_AT_MOST = 8
_EXTENDED_ERRORS = {
    6: "DNSSEC bogus",
    7: "signature expired",
    8: "signature not yet valid",
    9: "DNSKEY missing",
    10: "RRSIGs missing",
    11: "no zone key bit set",
    12: "NSEC missing",
    15: "blocked",
    16: "censored",
    17: "filtered",
    18: "prohibited",
    22: "no reachable authority",
    23: "network error",
}
_DNSSEC_ERRORS = frozenset(range(6, 13))


def observe(question: Question, asked: Asked, response: Response, took_ms: int) -> Observation:
    """What a response says about its question; a broken or evasive one is TEMPORARY with the reason."""
    chain, ends = _chain(question.name, response.answers)
    if not ends:
        told = _temporary(question, asked, response, took_ms, ENDLESS_ALIASES)
        return replace(told, chain=chain)
    end = chain[-1] if chain else question.name
    found = [r for r in response.answers if r.type is question.type and r.owner == end]
    outcome, detail = _outcome(question, asked, response, chain, found)
    if outcome in (Outcome.TEMPORARY, Outcome.BOGUS):
        told = _temporary(question, asked, response, took_ms, detail, outcome)
        return replace(told, trouble=Trouble.LAME) if detail == _LAME else told
    absence = next((r for r in response.authorities if r.type is RecordType.SOA), None)
    soa = next((r for r in found if r.type is RecordType.SOA), absence)
    on_the_way = [r for r in response.answers if r.type is RecordType.CNAME] + found
    negative = outcome is not Outcome.ANSWER and absence is not None
    return Observation(
        question,
        asked,
        outcome,
        rcode=format_rcode(response.rcode),
        chain=chain,
        texts=tuple(r.data for r in found if isinstance(r.data, bytes)),
        addresses=_strings(found, (RecordType.A, RecordType.AAAA)),
        names=_strings(found, (RecordType.NS, RecordType.MX)),
        soa=soa.data if soa and isinstance(soa.data, SoaRecord) else None,
        zone=soa.owner if soa else None,
        ttl=min((r.ttl for r in on_the_way), default=None),
        negative_ttl=_negative_ttl(absence) if negative and absence else None,
        authoritative=response.authoritative,
        authenticated=response.authenticated,
        detail=detail or format_extended_errors(response),
        took_ms=took_ms,
    )


def unanswered(
    question: Question, asked: Asked, detail: str, took_ms: int = 0, trouble: Trouble | None = None
) -> Observation:
    """The observation of a server that gave nothing to judge."""
    told = printable(detail)
    return Observation(question, asked, Outcome.TEMPORARY, detail=told, took_ms=took_ms, trouble=trouble)


def referral(question: Question, zone: str, response: Response) -> tuple[str, tuple[str, ...]] | None:
    """The child zone and its name servers where a server of `zone` points further down; None otherwise."""
    if response.authoritative or response.rcode != NOERROR or response.answers:
        return None
    pointing = [r for r in response.authorities if r.type is RecordType.NS]
    owners = {r.owner for r in pointing}
    if len(owners) != 1:
        return None
    child = owners.pop()
    if child == zone or not is_within(child, zone) or not is_within(question.name, child):
        return None
    return child, _strings(pointing, (RecordType.NS,))


def is_within(name: str, zone: str) -> bool:
    """Whether a name is a zone's apex or lies below it.

    >>> is_within("a.example.com", "example.com"), is_within("badexample.com", "example.com")
    (True, False)
    """
    return not zone or name == zone or name.endswith("." + zone)


def is_bogus(response: Response) -> bool:
    """Whether a validating resolver names DNSSEC as the reason for its SERVFAIL."""
    return response.rcode == SERVFAIL and any(code in _DNSSEC_ERRORS for code, _ in response.extended_errors)


def format_rcode(rcode: int) -> str:
    """A response code's name."""
    return _RCODES.get(rcode, f"RCODE{rcode}")


def format_extended_errors(response: Response) -> str:
    """What the server said beyond its response code, for a person."""
    told = []
    for code, text in response.extended_errors:
        name = _EXTENDED_ERRORS.get(code, f"extended error {code}")
        told.append(f"{name}: {printable(text)}" if text else name)
    return "; ".join(told)


def _outcome(
    question: Question, asked: Asked, response: Response, chain: tuple[str, ...], found: Sequence[Record]
) -> tuple[Outcome, str]:
    if response.rcode not in (NOERROR, NXDOMAIN):
        return (Outcome.BOGUS if is_bogus(response) else Outcome.TEMPORARY), ""
    if asked.stage is Stage.AUTHORITY and not response.authoritative:
        return Outcome.TEMPORARY, _LAME
    if response.rcode == NXDOMAIN:
        return Outcome.NXDOMAIN, ""
    if found or (chain and question.type is RecordType.CNAME):
        return Outcome.ANSWER, ""
    absent = any(r.type is RecordType.SOA for r in response.authorities)
    if chain and asked.stage is Stage.AUTHORITY and not absent:
        # The alias leads out of this server's zones: it has said all that it knows.
        return Outcome.ANSWER, ""
    if not absent and any(r.type is RecordType.NS for r in response.authorities):
        return Outcome.TEMPORARY, "the server points to others instead of answering"
    return Outcome.NODATA, ""


def _chain(name: str, answers: Sequence[Record]) -> tuple[tuple[str, ...], bool]:
    """The aliases from a name on, whatever order they stand in, and whether they have an end."""
    targets = {r.owner: r.data for r in answers if r.type is RecordType.CNAME and isinstance(r.data, str)}
    chain: list[str] = []
    while (target := targets.get(chain[-1] if chain else name)) is not None:
        if target == name or target in chain or len(chain) == _CHAIN_AT_MOST:
            return (*chain, target), False
        chain.append(target)
    return tuple(chain), True


def _strings(records: Sequence[Record], types: Sequence[RecordType]) -> tuple[str, ...]:
    return tuple(r.data for r in records if r.type in types and isinstance(r.data, str))


def _negative_ttl(absence: Record) -> int:
    minimum = absence.data.minimum if isinstance(absence.data, SoaRecord) else absence.ttl
    return min(absence.ttl, minimum)


def _temporary(
    question: Question,
    asked: Asked,
    response: Response,
    took_ms: int,
    detail: str,
    outcome: Outcome = Outcome.TEMPORARY,
) -> Observation:
    reasons = [reason for reason in (detail, format_extended_errors(response)) if reason]
    return Observation(
        question,
        asked,
        outcome,
        rcode=format_rcode(response.rcode),
        authoritative=response.authoritative,
        detail="; ".join(reasons) or f"the server answered {format_rcode(response.rcode)}",
        took_ms=took_ms,
    )
