"""The records to publish as they are copied, and who sees what of them.

Rule: pure; a copied name is what belongs in the box of the DNS host, so that copying never makes the mistake
that the page explains. What could not be asked is grey.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailseal.console.evidence import NOT_LOOKED, Report, finding_of, records_of
from mailseal.console.words import Sign
from mailseal.core.providers import Provider, provider_of
from mailseal.core.suffixes import PublicSuffixes
from mailseal.core.verification import ExpectedRecord

_UNKNOWN = "Most DNS hosts add the grey part of a name by themselves. Copy takes what belongs in the box."
_KEEPS = "{} takes each name with or without the grey part. Copy takes what stands before it."
_ADDS = "{} adds the grey part of each name by itself. Copy takes only what belongs in the box."


@dataclass(frozen=True, slots=True)
class Card:
    """One record: what belongs in the boxes, and how it stands."""

    number: int
    type: str
    name: str
    added: str
    """The end of the name that the host adds."""
    value: str
    sign: Sign
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """What one server said of one record."""

    sign: Sign
    aside: str


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who was asked, and what they said of each record; None where they were not asked for it."""

    who: str
    aside: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Everybody who was asked."""

    authorities: tuple[Witness, ...]
    resolvers: tuple[Witness, ...]


def host_of(report: Report | None) -> Provider | None:
    """The DNS host by the name servers that answered; None where it is none that we know."""
    servers = [one["by"].partition(" ")[0] for one in _seen(report) if one["stage"] == "AUTHORITY"]
    return provider_of(servers)


def told_boxes(host: Provider | None) -> str:
    """What to know about the boxes that names are typed into."""
    if host is None:
        return _UNKNOWN
    return (_ADDS if host.adds_domain else _KEEPS).format(host.name)


def cards_of(
    expected: Sequence[ExpectedRecord], report: Report | None, domain: str, suffixes: PublicSuffixes
) -> tuple[Card, ...]:
    """The records to publish, each with its state."""
    found = {one["name"]: one for one in records_of(report)}
    zone = zone_of(report, domain, suffixes)
    host = host_of(report)
    dot = "." if host is not None and host.wants_final_dot else ""
    cards = []
    for number, one in enumerate(expected, 1):
        seen = found.get(one.owner)
        sign = NOT_LOOKED if seen is None else finding_of(seen)
        name, added = _cut(one.owner, zone)
        value = one.value + (dot if one.type.value == "CNAME" else "")
        is_wrong = sign.tone == "bad" and seen is not None and seen["diagnosis"] != "RECORD_MISSING"
        cards.append(Card(number, one.type.value, name, added, value, sign, is_wrong))
    return tuple(cards)


def _cut(owner: str, zone: str) -> tuple[str, str]:
    """The name as it is typed, and the rest of it that the host adds."""
    return (owner.removesuffix(f".{zone}"), f".{zone}") if owner.endswith(f".{zone}") else (owner, "")


def zone_of(report: Report | None, domain: str, suffixes: PublicSuffixes) -> str:
    """The zone that the records go into: the one whose servers answered, else the registered domain."""
    zone = str(report.get("zone") or "") if report else ""
    is_above = domain == zone or domain.endswith(f".{zone}")
    if is_above and "." in zone and not suffixes.has(zone):
        return zone
    return suffixes.registrable(domain)


def witnesses_of(report: Report | None) -> Witnesses:
    """Who said what: the domain's own servers, then resolvers."""
    records = records_of(report)
    told: dict[tuple[str, str], list[Cell | None]] = {}
    serials: dict[str, int] = {}
    for at, record in enumerate(records):
        for one in record["seen"]:
            cells = told.setdefault((one["stage"], one["by"]), [None] * len(records))
            cells[at] = _cell(record, one)
            if one["serial"] is not None:
                serials[one["by"]] = one["serial"]
    return Witnesses(
        tuple(_authority(by, cells, serials.get(by)) for (s, by), cells in told.items() if s == "AUTHORITY"),
        tuple(_resolver(by, cells) for (s, by), cells in told.items() if s != "AUTHORITY"),
    )


def _authority(by: str, cells: Sequence[Cell | None], serial: int | None) -> Witness:
    name, _, address = by.partition(" ")
    aside = address + (f" · serial {serial}" if serial is not None else "")
    return Witness(name, aside, tuple(cells))


def _resolver(by: str, cells: Sequence[Cell | None]) -> Witness:
    scheme, _, address = by.partition("://")
    kind = {"udp": "Resolver", "tls": "Resolver, over TLS", "https": "Resolver, over HTTPS"}
    return Witness(kind.get(scheme, "Resolver"), address or by, tuple(cells))


def _cell(record: Mapping[str, Any], one: Mapping[str, Any]) -> Cell:
    """What one answer says of a record."""
    took = f"{one['took_ms']} ms"
    outcome = one["outcome"]
    if outcome == "TEMPORARY":
        return Cell(Sign("none", "none", "No answer"), one["detail"] or one["rcode"] or took)
    if outcome == "BOGUS":
        return Cell(Sign("bad", "bad", "Not believed"), "DNSSEC does not hold")
    if _is_it(record, one):
        return Cell(Sign("ok", "ok", "Matches"), took)
    if outcome in ("NXDOMAIN", "NODATA") and not one["chain"]:
        ttl = one["negative_ttl"]
        aside = took if ttl is None or one["stage"] == "AUTHORITY" else f"may repeat this for {ttl} s"
        word = "No such name" if outcome == "NXDOMAIN" else "No such record"
        return Cell(Sign("bad", "bad", word), aside)
    return Cell(Sign("bad", "bad", "Another value"), took)


def _is_it(record: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    if record["type"] == "CNAME":
        return record["value"].lower() in [name.lower() for name in one["chain"]]
    return record["finding"] == "MATCH" and bool(one["texts"])


def _seen(report: Report | None) -> list[Mapping[str, Any]]:
    return [one for record in records_of(report) for one in record["seen"]]
