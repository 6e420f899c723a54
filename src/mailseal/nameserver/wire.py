"""DNS messages as our name server reads and writes them: the usual by hand, the unusual by dnspython.

Rule: pure, and nothing it returns depends on more than the bytes it was given.
References: RFC 1035 §4.1, RFC 6891 §6.1 (EDNS), RFC 8945 §5.2 (TSIG).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype

HEADER_BYTES = 12
OUR_PAYLOAD_BYTES = 1232
"""What fits any path unfragmented; offered to clients and never exceeded over UDP."""
PLAIN_PAYLOAD_BYTES = 512
"""RFC 1035 §2.3.4: what a client without EDNS takes."""

_OPT = 41
_HEADER = struct.Struct("!HBBHHHH")
_TYPE_CLASS = struct.Struct("!HH")
_OPT_FIXED = struct.Struct("!BHHBBHH")
_OPT_FIXED_BYTES = 11
_RECORD_FIXED = struct.Struct("!HHIH")
_OPTION = struct.Struct("!HH")
_COUNT = struct.Struct("!H")


class Rcode(IntEnum):
    """The response codes we give (RFC 1035 §4.1.1, RFC 6891 §9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9
    BADVERS = 16


class Query(NamedTuple):
    """A query with exactly one question."""

    qname: bytes
    """The wire form as it was sent, with its case."""
    qtype: int
    qclass: int
    payload_bytes: int
    """What the client takes over UDP; 0 where it spoke no EDNS."""
    dnssec_ok: bool = False
    edns_version: int = 0


class Declined(NamedTuple):
    """A message that gets a bare response code: the question is not repeated."""

    rcode: Rcode


def is_answerable(message: bytes) -> bool:
    """Whether any reply may be sent: a whole header, and no response (two servers would talk for ever)."""
    return len(message) >= HEADER_BYTES and not message[2] & 0x80


def parse_query(message: bytes) -> Query | Declined:
    """The question of a message that is answerable, or the code to decline it with."""
    usual = _parse_usual(message)
    return usual if usual is not None else _parse_unusual(message)


def _parse_usual(message: bytes) -> Query | None:
    """The query if it is one plain question with at most a well-formed OPT; None for everything else."""
    _, high, _, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if high & 0xF8 or questions != 1 or answers or authorities or additionals > 1:
        return None
    size = len(message)
    at = HEADER_BYTES
    while at < size and 0 < (length := message[at]) < 64:
        at += length + 1
    at += 1
    if at + 4 > size or message[at - 1] or at - HEADER_BYTES > 255:
        return None
    qname = message[HEADER_BYTES:at]
    qtype, qclass = _TYPE_CLASS.unpack_from(message, at)
    at += 4
    if not additionals:
        return Query(qname, qtype, qclass, 0) if at == size else None
    return _with_opt(Query(qname, qtype, qclass, 0), message, at)


def _with_opt(query: Query, message: bytes, at: int) -> Query | None:
    if at + _OPT_FIXED_BYTES > len(message):
        return None
    root, rtype, payload, extended, version, flags, length = _OPT_FIXED.unpack_from(message, at)
    at += _OPT_FIXED_BYTES
    if root or rtype != _OPT or extended or version or at + length != len(message):
        return None
    while at + 4 <= len(message):
        at += 4 + _OPTION.unpack_from(message, at)[1]
    if at != len(message):
        return None
    return query._replace(payload_bytes=max(payload, PLAIN_PAYLOAD_BYTES), dnssec_ok=bool(flags & 0x8000))


def _parse_unusual(message: bytes) -> Query | Declined:
    """What dnspython makes of a message that is not the usual one."""
    if (message[2] >> 3) & 0xF != dns.opcode.QUERY:
        return Declined(Rcode.NOTIMP)
    try:
        parsed = dns.message.from_wire(message, question_only=False)
    except dns.message.UnknownTSIGKey:
        return Declined(Rcode.NOTAUTH)
    except (dns.exception.DNSException, ValueError, struct.error):
        return Declined(Rcode.FORMERR)
    if len(parsed.question) != 1 or parsed.answer:
        return Declined(Rcode.FORMERR)
    asked = parsed.question[0]
    # Only who asks for an incremental transfer says what it has (RFC 1995 §3).
    if parsed.authority and asked.rdtype != dns.rdatatype.IXFR:
        return Declined(Rcode.FORMERR)
    qname = asked.name.to_wire()
    if qname is None or message[HEADER_BYTES : HEADER_BYTES + len(qname)] != qname:
        return Declined(Rcode.FORMERR)
    return Query(
        qname=qname,
        qtype=int(asked.rdtype),
        qclass=int(asked.rdclass),
        payload_bytes=max(parsed.payload, PLAIN_PAYLOAD_BYTES) if parsed.edns >= 0 else 0,
        dnssec_ok=bool(parsed.ednsflags & dns.flags.DO),
        edns_version=max(parsed.edns, 0),
    )


def skip_question(message: bytes) -> int | None:
    """Where the first record begins; None where there is not one plain question."""
    at = HEADER_BYTES
    while at < len(message) and 0 < (length := message[at]) < 64:
        at += length + 1
    at += 5
    return at if message[4:6] == b"\0\1" and at <= len(message) and not message[at - 5] else None


def last_record_at(message: bytes) -> int:
    """Where the last record of a well-formed message with one question begins: its signature, as a rule."""
    at = skip_question(message) or len(message)
    last = at
    while at < len(message):
        last = at
        while 0 < (length := message[at]) < 64:
            at += length + 1
        at += 2 if message[at] else 1
        at += 10 + _COUNT.unpack_from(message, at + 8)[0]
    return last


def soa_serial_in_authority(message: bytes) -> int | None:
    """The serial that a client says it has (RFC 1995 §3); None where it says none."""
    try:
        parsed = dns.message.from_wire(message, continue_on_error=True)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    for rrset in parsed.authority:
        if rrset.rdtype == dns.rdatatype.SOA and rrset:
            return int(rrset[0].serial)
    return None


class Record(NamedTuple):
    """One resource record of class IN, its owner already in wire form (a compression pointer, as a rule)."""

    owner: bytes
    rtype: int
    ttl: int
    rdata: bytes


def pointer(offset: int) -> bytes:
    """A compression pointer to a name at `offset` of the message (RFC 1035 §4.1.4)."""
    return struct.pack("!H", 0xC000 | offset)


def format_decline(message: bytes, rcode: Rcode) -> bytes:
    """A response that is nothing but a header: for messages whose question can't be trusted."""
    high = 0x80 | (message[2] & 0x79)
    return message[:2] + bytes((high, rcode & 0xF)) + bytes(8)


def format_response(
    message: bytes,
    query: Query,
    rcode: Rcode,
    *,
    authoritative: bool,
    answers: tuple[Record, ...] = (),
    authorities: tuple[Record, ...] = (),
    additionals: tuple[Record, ...] = (),
    over_tcp: bool,
) -> bytes:
    """The response's bytes; over UDP emptied and marked TC where it is larger than the client takes."""
    head = message[:2]
    flags = 0x8000 | (message[2] & 0x01) << 8 | (0x0400 if authoritative else 0) | (rcode & 0xF)
    question = query.qname + _TYPE_CLASS.pack(query.qtype, query.qclass)
    opt = _format_opt(query, rcode)
    body = b"".join(_format_record(r) for part in (answers, authorities, additionals) for r in part)
    limit = min(query.payload_bytes or PLAIN_PAYLOAD_BYTES, OUR_PAYLOAD_BYTES)
    if not over_tcp and HEADER_BYTES + len(question) + len(body) + len(opt) > limit:
        flags |= 0x0200
        body, answers, authorities, additionals = b"", (), (), ()
    counts = (1, len(answers), len(authorities), len(additionals) + (1 if opt else 0))
    return head + struct.pack("!5H", flags, *counts) + question + body + opt


def _format_opt(query: Query, rcode: Rcode) -> bytes:
    """Our OPT, in answer to theirs only; DO is repeated as RFC 3225 §3 asks, and means nothing here."""
    if not query.payload_bytes:
        return b""
    flags = 0x8000 if query.dnssec_ok else 0
    return _OPT_FIXED.pack(0, _OPT, OUR_PAYLOAD_BYTES, rcode >> 4, 0, flags, 0)


def _format_record(record: Record) -> bytes:
    return record.owner + _RECORD_FIXED.pack(record.rtype, 1, record.ttl, len(record.rdata)) + record.rdata


def format_name(name: str) -> bytes:
    """A name's wire form, uncompressed.

    >>> format_name("ns1.example.net")
    b'\\x03ns1\\x07example\\x03net\\x00'
    """
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")] if name.rstrip(".") else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError("a label is empty or longer than 63 octets")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > 255:
        raise ValueError("the name is longer than 255 octets")
    return wire


def format_character_strings(text: bytes) -> bytes:
    """A TXT record's data: the text in character-strings of at most 255 octets (RFC 1035 §3.3.14)."""
    if not text:
        return b"\0"
    cuts = (text[at : at + 255] for at in range(0, len(text), 255))
    return b"".join(bytes((len(cut),)) + cut for cut in cuts)
