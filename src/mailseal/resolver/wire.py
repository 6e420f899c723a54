"""DNS messages as our resolver writes and reads them, for the few record types that a check looks at.

Rule: pure; a response is read whole or refused with `MalformedResponse`, whatever the bytes.
References: RFC 1035 §4.1, RFC 2181 §8 (TTL), RFC 6891 §6.1 (EDNS), RFC 8914 §2 (extended errors).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from typing import NamedTuple

from mailseal.core.observations import RecordType, SoaRecord

HEADER_BYTES = 12
_PAYLOAD_BYTES = 1232
_OPT = 41
_OPTION_EDE = 15
_RECORDS_AT_MOST = 1000
_LONGEST_NAME = 255

TYPE_NUMBERS = {
    RecordType.A: 1,
    RecordType.NS: 2,
    RecordType.CNAME: 5,
    RecordType.SOA: 6,
    RecordType.MX: 15,
    RecordType.TXT: 16,
    RecordType.AAAA: 28,
}
_ADDRESS_BYTES = {1: 4, 28: 16}
_TYPES = {number: rtype for rtype, number in TYPE_NUMBERS.items()}

_HEADER = struct.Struct("!6H")
_FIXED = struct.Struct("!HHIH")
_OPTION = struct.Struct("!HH")
_ESCAPED_IN_LABEL = re.compile(r'[^!-~]|["().;\\@$]')
_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


class MalformedResponse(ValueError):
    """The bytes are no DNS message; the text says why, without any of them."""


class Record(NamedTuple):
    """One record; names in presentation form, lower-case, without the final dot."""

    owner: str
    type: RecordType | None
    ttl: int
    data: str | bytes | SoaRecord | None
    """A name, an address, a TXT's joined text or a SOA, by type; None for a type that no check looks at."""


class Response(NamedTuple):
    """What a server said, before anyone judges it."""

    rcode: int
    authoritative: bool
    truncated: bool
    authenticated: bool
    answers: tuple[Record, ...]
    authorities: tuple[Record, ...]
    extended_errors: tuple[tuple[int, str], ...]
    additionals: tuple[Record, ...] = ()
    """Addresses alone; of the rest nothing is used."""


def format_name(name: str) -> bytes:
    r"""A name's wire form, escapes of the presentation form resolved; ValueError where it is no name.

    >>> format_name(r"a\.b.example")
    b'\x03a.b\x07example\x00'
    """
    if "\\" in name:
        labels = [_unescape(label) for label in re.findall(r"(?:\\.|[^.\\])+", name)]
    else:
        labels = [label.encode("ascii") for label in name.split(".")] if name else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError("a label is empty or longer than 63 octets")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > _LONGEST_NAME:
        raise ValueError("the name is longer than 255 octets")
    return wire


def _unescape(label: str) -> bytes:
    def octet(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return bytes((int(escaped),)) if len(escaped) == 3 else escaped

    return _ESCAPE.sub(octet, label.encode("ascii"))


def format_query(
    name: bytes,
    rtype: RecordType,
    *,
    identity: bytes,
    recursion: bool,
    checking_disabled: bool = False,
    edns: bool = True,
) -> bytes:
    """A query for `name` (wire form, in the case that the answer must repeat).

    With recursion AD is set, which asks a validating resolver to say what it found (RFC 6840 §5.7).
    """
    high = 0x01 if recursion else 0
    low = (0x20 if recursion else 0) | (0x10 if checking_disabled else 0)
    counts = b"\0\1\0\0\0\0\0\1" if edns else b"\0\1\0\0\0\0\0\0"
    opt = struct.pack("!BHHIH", 0, _OPT, _PAYLOAD_BYTES, 0, 0) if edns else b""
    question = name + struct.pack("!HH", TYPE_NUMBERS[rtype], 1)
    return identity + bytes((high, low)) + counts + question + opt


def with_mixed_case(name: bytes, chance: int) -> bytes:
    """The name with each letter's case taken from a bit of `chance`: an answer must repeat it (0x20)."""
    # Length octets are below 0x40 and are never taken for letters.
    mixed = bytearray(name)
    for at, octet in enumerate(mixed):
        if 0x61 <= (octet | 0x20) <= 0x7A:
            mixed[at] = octet | 0x20 if chance & 1 else octet & ~0x20
        chance >>= 1
    return bytes(mixed)


def is_reply_to(message: bytes, query: bytes) -> bool:
    """Whether id, opcode and question are those of the query, the case of the name included."""
    end = _question_end(query)
    return (
        message[:2] == query[:2]
        and message[2:3] != b""
        and message[2] & 0xF8 == 0x80
        and message[4:6] == b"\0\1"
        and message[HEADER_BYTES:end] == query[HEADER_BYTES:end]
    )


def is_bare_error(message: bytes, query: bytes) -> bool:
    """Whether a server says that it did not understand or won't answer, and leaves the question out."""
    return (
        len(message) == HEADER_BYTES
        and message[:2] == query[:2]
        and message[2] & 0xF8 == 0x80
        and message[3] & 0xF in {1, 2, 4, 5}
        and message[4:] == bytes(8)
    )


def _question_end(query: bytes) -> int:
    at = HEADER_BYTES
    while query[at]:
        at += query[at] + 1
    return at + 5


def parse_response(message: bytes) -> Response:
    """The response in a message; MalformedResponse where any part of it can't be read."""
    try:
        return _Reader(message).response()
    except (struct.error, IndexError) as broken:
        raise MalformedResponse("the message ends too early") from broken


class _Reader:
    """A position in a message, and the names already read."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._at = HEADER_BYTES
        self._names: dict[int, tuple[str, int]] = {}

    def response(self) -> Response:
        _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(self._message)
        if questions > 1 or answers + authorities + additionals > _RECORDS_AT_MOST:
            raise MalformedResponse("more questions or records than any honest answer has")
        for _ in range(questions):
            self._name()
            self._at += 4
        sections = [self._section(count) for count in (answers, authorities)]
        extended, errors, addresses = self._additional(additionals)
        if self._at != len(self._message):
            raise MalformedResponse("bytes are left over after the last record")
        return Response(
            rcode=extended << 4 | flags & 0xF,
            authoritative=bool(flags & 0x0400),
            truncated=bool(flags & 0x0200),
            authenticated=bool(flags & 0x0020),
            answers=sections[0],
            authorities=sections[1],
            extended_errors=errors,
            additionals=addresses,
        )

    def _section(self, count: int) -> tuple[Record, ...]:
        records = []
        for _ in range(count):
            owner = self._name()
            number, rclass, ttl, length = self._fixed()
            start = self._at
            rtype = _TYPES.get(number) if rclass == 1 else None
            data = self._data(rtype, start + length) if rtype else None
            self._at = start + length
            if self._at > len(self._message):
                raise MalformedResponse("a record is longer than the message")
            # RFC 2181 §8: a TTL with the top bit set counts as zero.
            records.append(Record(owner, rtype, ttl if ttl < 0x80000000 else 0, data))
        return tuple(records)

    def _additional(self, count: int) -> tuple[int, tuple[tuple[int, str], ...], tuple[Record, ...]]:
        """The OPT's part of the response code, the extended errors, and addresses; the rest is skipped."""
        extended = 0
        errors: tuple[tuple[int, str], ...] = ()
        addresses = []
        for _ in range(count):
            owner = self._name()
            number, rclass, ttl, length = self._fixed()
            end = self._at + length
            if end > len(self._message):
                raise MalformedResponse("a record is longer than the message")
            if number == _OPT:
                extended, errors = ttl >> 24, self._extended_errors(end)
            elif rclass == 1 and length == _ADDRESS_BYTES.get(number):
                address = str(ipaddress.ip_address(self._message[self._at : end]))
                addresses.append(Record(owner, _TYPES[number], ttl if ttl < 0x80000000 else 0, address))
            self._at = end
        return extended, errors, tuple(addresses)

    def _extended_errors(self, end: int) -> tuple[tuple[int, str], ...]:
        errors = []
        at = self._at
        while at + 4 <= end:
            code, length = _OPTION.unpack_from(self._message, at)
            at += 4
            if code == _OPTION_EDE and length >= 2:
                info = int.from_bytes(self._message[at : at + 2])
                errors.append((info, self._message[at + 2 : at + length].decode("utf-8", "replace")))
            at += length
        if at != end:
            raise MalformedResponse("an EDNS option is longer than its record")
        return tuple(errors)

    def _fixed(self) -> tuple[int, int, int, int]:
        fields: tuple[int, int, int, int] = _FIXED.unpack_from(self._message, self._at)
        self._at += _FIXED.size
        return fields

    def _data(self, rtype: RecordType, end: int) -> str | bytes | SoaRecord:
        data: str | bytes | SoaRecord
        match rtype:
            case RecordType.TXT:
                return self._text(end)
            case RecordType.A | RecordType.AAAA:
                packed = self._message[self._at : end]
                if len(packed) != (4 if rtype is RecordType.A else 16):
                    raise MalformedResponse("an address has the wrong length")
                return str(ipaddress.ip_address(packed))
            case RecordType.SOA:
                primary, admin = self._name(), self._name()
                serial, _, _, _, minimum = struct.unpack_from("!5I", self._message, self._at)
                self._at += 20
                data = SoaRecord(primary, admin, serial, minimum)
            case RecordType.MX:
                self._at += 2
                data = self._name()
            case RecordType.CNAME | RecordType.NS:
                data = self._name()
        if self._at != end:
            raise MalformedResponse(f"a {rtype} record has the wrong length")
        return data

    def _text(self, end: int) -> bytes:
        pieces = []
        at = self._at
        while at < end:
            length = self._message[at]
            pieces.append(self._message[at + 1 : at + 1 + length])
            at += 1 + length
        if at != end or not pieces:
            raise MalformedResponse("a TXT record's character-strings do not fill it")
        return b"".join(pieces)

    def _name(self) -> str:
        """The name at the position, which moves past it."""
        name, self._at = self._name_at(self._at)
        return name

    def _name_at(self, start: int) -> tuple[str, int]:
        known = self._names.get(start)
        if known is not None:
            return known
        message, labels, at, end, size, limit = self._message, [], start, 0, 1, start
        while length := message[at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | message[at + 1]
                end = end or at + 2
                # Each pointer must lead further back than all before it, so no chain of them can loop.
                if target >= limit or target < HEADER_BYTES:
                    raise MalformedResponse("a compression pointer does not point back")
                at = limit = target
                continue
            if length >= 0x40:
                raise MalformedResponse("a label is of an unknown kind")
            label = message[at + 1 : at + 1 + length]
            size += length + 1
            if len(label) != length or size > _LONGEST_NAME:
                raise MalformedResponse("a name is cut short or longer than 255 octets")
            labels.append(_format_label(label))
            at += length + 1
        name = ".".join(labels)
        self._names[start] = name, end or at + 1
        return name, end or at + 1


def _format_label(label: bytes) -> str:
    text = label.lower().decode("latin-1")
    if _ESCAPED_IN_LABEL.search(text):
        return _ESCAPED_IN_LABEL.sub(_escape, text)
    return text


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return f"\\{character}" if "!" <= character <= "~" else f"\\{ord(character):03d}"
