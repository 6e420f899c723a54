"""The response to a DNS query about our hosted zones.

Rule: pure; every message gets a response or, where a reply would be a weapon or noise, none.
References: RFC 1034 §4.3.2, RFC 2308 §2, RFC 6891 §6.1.3, RFC 8020 §2, RFC 8482 §4.2 (ANY).
"""

from __future__ import annotations

from collections.abc import Sequence

from mailseal.nameserver.wire import (
    HEADER_BYTES,
    Declined,
    Query,
    Rcode,
    Record,
    format_decline,
    format_response,
    is_answerable,
    parse_query,
    pointer,
)
from mailseal.nameserver.zone import NEGATIVE_TTL, TYPE_NS, TYPE_SOA, Served, Zone

_CLASS_IN = 1
_TYPE_HINFO = 13
_TYPE_ANY = 255
_TRANSFER_TYPES = frozenset((251, 252))
"""IXFR and AXFR."""

_ANY = Served(_TYPE_HINFO, 3600, b"\x07RFC8482\x00")
_QNAME = pointer(HEADER_BYTES)


def answer(message: bytes, zones: Sequence[Zone], *, over_tcp: bool) -> bytes | None:
    """The response's bytes, or None where the message gets none: too short, or itself a response."""
    if not is_answerable(message):
        return None
    query = parse_query(message)
    if isinstance(query, Declined):
        return format_decline(message, query.rcode)
    if query.edns_version:
        return format_response(message, query, Rcode.BADVERS, authoritative=False, over_tcp=over_tcp)
    found = _find_zone(query.qname.lower(), zones)
    if found is None or query.qclass != _CLASS_IN or query.qtype in _TRANSFER_TYPES:
        return format_response(message, query, Rcode.REFUSED, authoritative=False, over_tcp=over_tcp)
    zone, relative = found
    return _answer_within(message, query, zone, relative, over_tcp=over_tcp)


def failure(message: bytes) -> bytes | None:
    """SERVFAIL for a message whose answer could not be made: a resolver then asks another of our servers."""
    if not is_answerable(message):
        return None
    query = parse_query(message)
    if isinstance(query, Declined):
        return format_decline(message, query.rcode)
    return format_response(message, query, Rcode.SERVFAIL, authoritative=False, over_tcp=False)


def _find_zone(qname: bytes, zones: Sequence[Zone]) -> tuple[Zone, bytes] | None:
    """The deepest zone that holds the name, and the name relative to its apex."""
    best: Zone | None = None
    for zone in zones:
        if qname.endswith(zone.apex_wire) and (best is None or len(zone.apex_wire) > len(best.apex_wire)):
            cut = len(qname) - len(zone.apex_wire)
            if _is_label_boundary(qname, cut):
                best = zone
    return None if best is None else (best, qname[: len(qname) - len(best.apex_wire)])


def _is_label_boundary(qname: bytes, cut: int) -> bool:
    """Whether a label starts at `cut`: without this a label's content could pass for the end of a name."""
    at = 0
    while at < cut:
        at += qname[at] + 1
    return at == cut


def _answer_within(message: bytes, query: Query, zone: Zone, relative: bytes, *, over_tcp: bool) -> bytes:
    here = zone.records(relative)
    wanted: tuple[Served, ...] = ()
    if here is not None:
        wanted = (_ANY,) if query.qtype == _TYPE_ANY else tuple(r for r in here if r.rtype == query.qtype)
    if not wanted:
        rcode = Rcode.NXDOMAIN if here is None else Rcode.NOERROR
        soa = zone.soa()
        absence = Record(
            pointer(HEADER_BYTES + len(relative)), TYPE_SOA, min(soa.ttl, NEGATIVE_TTL), soa.rdata
        )
        return format_response(
            message, query, rcode, authoritative=True, authorities=(absence,), over_tcp=over_tcp
        )
    glue = zone.glue if query.qtype == TYPE_NS else ()
    return format_response(
        message,
        query,
        Rcode.NOERROR,
        authoritative=True,
        answers=tuple(Record(_QNAME, *served) for served in wanted),
        additionals=tuple(Record(owner, *served) for owner, served in glue),
        over_tcp=over_tcp,
    )
