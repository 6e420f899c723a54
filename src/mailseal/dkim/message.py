"""A raw message cut into header fields and body, not a byte changed.

Rule: bytes that verifiers read in different ways never get past `parse_message`; nothing is repaired here.
References: RFC 5322 §2.1, RFC 5322 §2.2, RFC 5321 §4.5.3.1.6, RFC 6376 §5.3.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

MAX_LINE_OCTETS = 998  # without CRLF, RFC 5322 §2.1.1
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADER_FIELDS = 1000
MAX_FIELD_BYTES = 64 * 1024
MAX_WIRE_LINE = MAX_LINE_OCTETS + 2

# Large messages are looked at in pieces that fit the processor's cache; any cut directly after LF will do.
_PIECE_BYTES = 64 * 1024

# Anchored at line starts, so that 256 KB without a colon cost one pass and not a search from each octet.
# A continuation line holds more than blanks: verifiers disagree about one that does not.
_FIELD = re.compile(rb"^(([!-9;-~]+):[^\r]*\r\n(?:[ \t]++[^\r][^\r]*\r\n)*)", re.MULTILINE)
_BLANK_LINE = re.compile(rb"^[ \t]+\r\n", re.MULTILINE)
_BLANK_BEFORE_COLON = re.compile(rb"^[!-9;-~]+[ \t]+:", re.MULTILINE)


class MessageRefused(ValueError):
    """The bytes are not a message that every verifier reads alike; `code` names the reason."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class HeaderField(NamedTuple):
    """One header field as it stands in the message; a named tuple, because it is made in half the time."""

    raw: bytes  # the whole field, folding and final CRLF included
    name: bytes  # in its original case

    @property
    def value(self) -> bytes:
        """What follows the colon, folding included, without the final CRLF."""
        return self.raw[len(self.name) + 1 : -2]


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose octets have been checked; `body` is a view into `raw`, not a copy."""

    fields: tuple[HeaderField, ...]
    body: memoryview
    raw: bytes

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """The values of all fields of this name, in the message's order; the name's case does not matter."""
        wanted = name.lower()
        return tuple(field.value for field in self.fields if field.name.lower() == wanted)


def parse_message(raw: bytes) -> Message:
    """The message's header fields and body, or MessageRefused.

    A last line without CRLF is let through, because a verifier meets it; `sign` refuses it.
    """
    check_lines(raw)
    end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES + 4) + 2
    if end < 2:
        raise _no_end_of_header(raw)
    block = raw[:end]
    if b"\x0b" in block or b"\x0c" in block:
        raise MessageRefused("control_in_header", "The header contains a vertical tab or a form feed.")
    new = tuple.__new__
    fields = tuple([new(HeaderField, pair) for pair in _FIELD.findall(block)])
    if sum([len(field[0]) for field in fields]) != end:
        raise _bad_header(block)
    if end > MAX_FIELD_BYTES and max([len(field[0]) for field in fields]) > MAX_FIELD_BYTES:
        raise MessageRefused("field_too_large", f"A header field exceeds {MAX_FIELD_BYTES // 1024} KB.")
    if len(fields) > MAX_HEADER_FIELDS:
        raise MessageRefused("too_many_fields", f"The header has more than {MAX_HEADER_FIELDS} fields.")
    return Message(fields, memoryview(raw)[end + 2 :], raw)


def with_final_crlf(raw: bytes) -> bytes:
    """The same bytes, ending in CRLF: verifiers disagree about a last line that does not end."""
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def check_lines(raw: bytes) -> None:
    """Raises MessageRefused for octets that no message has: a CR or LF alone, a line too long, a NUL."""
    _check_line_ends(raw)
    _check_line_lengths(raw)
    if b"\0" in raw:
        raise MessageRefused("nul", "The message contains a NUL octet.")


def _check_line_ends(raw: bytes) -> None:
    """Refuse a CR without LF and an LF without CR.

    Taking every CR out and putting one before every LF gives the same bytes exactly when both come only in
    pairs; it is four times as fast as counting pairs, because `replace` of a single octet runs on memchr.
    """
    if len(raw) <= _PIECE_BYTES:
        if raw.replace(b"\r", b"").replace(b"\n", b"\r\n") != raw:
            raise _stray_line_end(raw)
        return
    start, size = 0, len(raw)
    while start < size:
        stop = raw.rfind(b"\n", start, start + _PIECE_BYTES) + 1
        if stop <= start or stop > size - _PIECE_BYTES:
            stop = size
        piece = raw[start:stop]
        if piece.replace(b"\r", b"").replace(b"\n", b"\r\n") != piece:
            raise _stray_line_end(raw)
        start = stop


def _check_line_lengths(raw: bytes) -> None:
    """Refuse a line over 998 octets, by hops: from a line's start the last LF within 1,000 octets is always
    another line's end, so a thousand octets cost one search."""
    start, size, find = 0, len(raw), raw.rfind
    while size - start > MAX_WIRE_LINE:
        stop = find(b"\n", start, start + MAX_WIRE_LINE) + 1
        if not stop:
            raise MessageRefused("line_too_long", f"A line is longer than {MAX_LINE_OCTETS} octets.")
        start = stop
    if not raw.endswith(b"\n") and size - raw.rfind(b"\n") - 1 > MAX_LINE_OCTETS:
        raise MessageRefused("line_too_long", f"A line is longer than {MAX_LINE_OCTETS} octets.")


def _stray_line_end(raw: bytes) -> MessageRefused:
    if raw.replace(b"\r\n", b"").find(b"\n") >= 0:
        return MessageRefused("bare_lf", "A line ends in LF alone: lines must end in CRLF.")
    return MessageRefused("bare_cr", "The message contains a CR that no LF follows: lines must end in CRLF.")


def _no_end_of_header(raw: bytes) -> MessageRefused:
    if len(raw) > MAX_HEADER_BYTES:
        return MessageRefused("header_too_large", f"The header exceeds {MAX_HEADER_BYTES // 1024} KB.")
    return MessageRefused("no_separator", "No empty line separates the header from the body.")


def _bad_header(block: bytes) -> MessageRefused:
    if block == b"\r\n" or block.startswith(b"\r\n"):
        return MessageRefused("no_header", "The message begins with an empty line: it has no header.")
    if block.startswith((b"From ", b">From ")):
        return MessageRefused("mbox_from", "The message begins with an mbox 'From ' line, not a field.")
    if _BLANK_BEFORE_COLON.search(block):
        return MessageRefused("blank_before_colon", "A header field has a blank before its colon.")
    if _BLANK_LINE.search(block):
        return MessageRefused("blank_header_line", "A line of the header is made of blanks only.")
    if block.startswith((b" ", b"\t")):
        return MessageRefused("leading_fold", "The header begins with a continuation line.")
    return MessageRefused("not_a_field", "A line of the header is neither a field nor its continuation.")
