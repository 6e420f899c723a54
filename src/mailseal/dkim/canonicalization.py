"""Simple and relaxed canonicalization of header fields and bodies, and the body hash.

Rule: a body hash depends on the body's octets alone, never on how they were cut into pieces. Bodies have
been through `parse_message`: CR and LF come only as pairs.
References: RFC 6376 §3.4.1, RFC 6376 §3.4.2, RFC 6376 §3.4.3, RFC 6376 §3.4.4, RFC 6376 §3.7.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

_PIECE_BYTES = 128 * 1024
_BLANKS = re.compile(rb"[ \t]+")


class Canonicalization(StrEnum):
    """The two algorithms of RFC 6376 §3.4."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """The field in relaxed form, without the final CRLF (RFC 6376 §3.4.2)."""
    if b"\x0b" in value or b"\x0c" in value:  # bytes.split takes these for blanks, RFC 6376 does not
        unfolded = value.replace(b"\r\n", b"")
        return name.rstrip(b" \t").lower() + b":" + _BLANKS.sub(b" ", unfolded).strip(b" \t")
    return name.rstrip(b" \t").lower() + b":" + b" ".join(value.split())


def relaxed_fields(fields: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    """The relaxed forms of whole fields, given as (raw, name in lower case, name) without VT or FF.

    The same as `relaxed_field` of each, in half the time; it is what signing spends its time on.
    """
    return [name + b":" + b" ".join(raw[len(name) + 1 :].split()) for raw, name, _ in fields]


def canonical_field(name: bytes, raw: bytes, how: Canonicalization) -> bytes:
    """The field in its canonical form, without the final CRLF; `raw` is the whole field with it."""
    if how is Canonicalization.SIMPLE:
        return raw[:-2]
    return relaxed_field(name, raw[len(name) + 1 : -2])


def body_hash(body: bytes | memoryview, how: Canonicalization) -> bytes:
    """SHA-256 of the whole canonical body, 32 octets."""
    if how is Canonicalization.SIMPLE:
        return hashlib.sha256(simple_body(body)).digest()
    if len(body) <= _PIECE_BYTES:
        return hashlib.sha256(canonical_body(body, how)).digest()
    hasher = BodyHasher(how)
    for piece in _pieces(body):
        hasher.update(piece)
    return hasher.digest()


def simple_body(body: bytes | memoryview) -> bytes | memoryview:
    """The body with its trailing empty lines reduced to one CRLF; no copy unless a CRLF must be added."""
    end = len(body)
    if body[end - 4 :] == b"\r\n\r\n":
        end = _end_without_empty_lines(body)
    if end >= 2 and body[end - 2 : end] == b"\r\n":
        return body[:end]
    return bytes(body[:end]) + b"\r\n"


def canonical_body(body: bytes | memoryview, how: Canonicalization) -> bytes:
    """The whole canonical body, for a signature that covers only a part of it (l=)."""
    if how is Canonicalization.SIMPLE:
        return bytes(simple_body(body))
    octets = bytes(body)
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    lines = relaxed_lines(octets)
    return b"" if not lines.strip(b"\r\n") else bytes(simple_body(lines))


def relaxed_lines(lines: bytes) -> bytes:
    """Whole lines, each with its blanks reduced; empty lines stay (RFC 6376 §3.4.4 a).

    Halving runs of blanks by `replace` is linear times the logarithm of the longest run; the obvious
    regular expression for trailing blanks is quadratic on a long run that no CRLF follows.
    """
    if b"\t" in lines:
        lines = lines.replace(b"\t", b" ")
    if b" " not in lines:
        return lines
    while b"  " in lines:
        lines = lines.replace(b"  ", b" ")
    return lines.replace(b" \r\n", b"\r\n")


class BodyHasher:
    """The body hash of a body that comes in pieces of any size."""

    def __init__(self, how: Canonicalization) -> None:
        self._relaxed = how is Canonicalization.RELAXED
        self._hash = hashlib.sha256()
        self._rest: list[bytes] = []  # what follows the last CRLF seen, not joined before its line ends
        self._held_lines = 0  # empty lines that are hashed only if something follows them
        self._empty = True

    def update(self, piece: bytes) -> None:
        """Take the next octets of the body."""
        if b"\n" not in piece:
            self._rest.append(piece)
            return
        data = b"".join((*self._rest, piece)) if self._rest else piece
        cut = data.rfind(b"\r\n") + 2
        if cut < 2:
            self._rest = [data]
            return
        self._rest = [data[cut:]] if cut < len(data) else []
        self._take_lines(data[:cut])

    def digest(self) -> bytes:
        """SHA-256 of the canonical form of all octets taken; call it once."""
        rest = b"".join(self._rest)
        if rest:
            self._take_lines(rest + b"\r\n")
        if self._empty and not self._relaxed:
            self._hash.update(b"\r\n")  # RFC 6376 §3.4.3: an empty body is one CRLF; relaxed leaves it empty
        return self._hash.digest()

    def _take_lines(self, lines: bytes) -> None:
        if self._relaxed:
            lines = relaxed_lines(lines)
        kept = len(lines.rstrip(b"\r\n"))
        if not kept:
            self._held_lines += len(lines) // 2
            return
        if self._held_lines:
            self._hash.update(b"\r\n" * self._held_lines)
        end = lines.index(b"\r\n", kept) + 2
        self._hash.update(lines[:end])
        self._held_lines = (len(lines) - end) // 2
        self._empty = False


def _end_without_empty_lines(body: bytes | memoryview) -> int:
    """Where the body ends once its trailing empty lines are one CRLF at most, looking at the tail only."""
    end, size = len(body), 4096
    while end:
        tail = bytes(body[max(0, end - size) : end]).rstrip(b"\r\n")
        if tail:
            kept = max(0, end - size) + len(tail)
            return kept + 2
        end, size = max(0, end - size), size * 2
    return min(2, len(body))


def _pieces(body: bytes | memoryview) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield bytes(body[start : start + _PIECE_BYTES])
