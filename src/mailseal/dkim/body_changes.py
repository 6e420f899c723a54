"""What was done to a body behind its signature: the transformations that are common, each undone.

Rule: pure; a transformation is named only where the body hash is right without it; the work has a limit.
References: RFC 6376 §3.4.3, RFC 6376 §3.4.4, RFC 2045 §6.7, RFC 2045 §6.8, RFC 5321 §4.5.2.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from itertools import islice

from mailseal.dkim.canonicalization import Canonicalization, canonical_body, relaxed_lines
from mailseal.dkim.changes import Change, ChangeKind, counted, find_octet, said_of
from mailseal.dkim.message import HeaderField
from mailseal.dkim.signature import Signature
from mailseal.dkim.verify import signed_body_hash

_WORK_OCTETS = 128 * 1024 * 1024
_LONGEST_BODY = 4 * 1024 * 1024
_MOST_LINES = 50_000
_MOST_PARTS = 100
_ENCODED = re.compile(rb"^content-transfer-encoding:[ \t]*(quoted-printable|base64)[ \t]*\r\n", re.I | re.M)
_TRAILING = re.compile(rb"[ \t]+(?=\r\n)")
_BOUNDARY = re.compile(rb"^--[^\r]", re.M)

_Tried = tuple[ChangeKind, str, bytes]


def find_body_change(
    body: bytes, fields: tuple[HeaderField, ...], signature: Signature
) -> tuple[Change, ...]:
    """The changes without which the body's hash is bh= again; none where they are not found."""
    if len(body) > _LONGEST_BODY:
        return ()
    for kind, undone, tried in _transformed(body, fields):
        if signed_body_hash(tried, signature) == signature.body_hash:
            return (Change(kind, undone),)
    block = _find_block(body, signature)
    if block:
        return (block,)
    for kind, undone, tried in _transformed(body, fields):
        appended = _find_appended(tried, signature)
        if appended:
            return (Change(kind, undone), appended)
    return _find_small(body, signature)


def _transformed(body: bytes, fields: tuple[HeaderField, ...]) -> Iterator[_Tried]:
    """The body without each transformation that may have been done to it, where that makes a difference."""
    for kind, undone, tried in _every(body, fields):
        if tried != body:
            yield kind, undone, tried


def _every(body: bytes, fields: tuple[HeaderField, ...]) -> Iterator[_Tried]:
    yield (
        ChangeKind.FROM_ESCAPED,
        'the ">" before "From " at the start of a line is taken away',
        re.sub(rb"^>From ", b"From ", body, flags=re.M),
    )
    yield (
        ChangeKind.DOTS_DOUBLED,
        "the second dot at the start of a line is taken away",
        re.sub(rb"^\.\.", b".", body, flags=re.M),
    )
    yield (
        ChangeKind.TRAILING_BLANKS,
        "blanks at the end of lines are taken away",
        _TRAILING.sub(b"", body),
    )
    yield (
        ChangeKind.TRAILING_BLANKS,
        'the blank behind the line "--" is put back',
        re.sub(rb"^--\r$", b"-- \r", body, flags=re.M),
    )
    for width in (8, 4, 1):
        blanks = "a blank" if width == 1 else f"{width} blanks"
        yield ChangeKind.TABS, f"{blanks} become a tab again", body.replace(b" " * width, b"\t")
        yield ChangeKind.TABS, f"a tab becomes {blanks} again", body.replace(b"\t", b" " * width)
    for broken in (b"!\r\n ", b"\r\n "):
        joined = re.sub(rb"^([^\r]{900,998})" + broken, rb"\1", body, flags=re.M)
        yield ChangeKind.LONG_LINES_BROKEN, "lines that were too long and were cut are joined", joined
    yield from _decoded(body, fields)
    yield from _recoded(body)


def _decoded(body: bytes, fields: tuple[HeaderField, ...]) -> Iterator[_Tried]:
    """The body, or each of its parts, as it was before an encoding for seven bits was put on."""
    for field in fields:
        if field.name.lower() == b"content-transfer-encoding":
            how = field.value.strip().lower()
            plain = _plain(body, how)
            if plain is not None:
                yield ChangeKind.TRANSFER_ENCODED, f"the {how.decode()} of the body is taken off", plain
    for value in (b"8bit", b"binary"):
        yield (
            ChangeKind.TRANSFER_ENCODED,
            f"the encoding of its parts for seven bits is taken off ({value.decode()} before)",
            _decoded_parts(body, value),
        )


def _decoded_parts(body: bytes, value: bytes) -> bytes:
    pieces, at = [], 0
    for found in islice(_ENCODED.finditer(body), _MOST_PARTS):
        begin = body.find(b"\r\n\r\n", found.end() - 2) + 4
        boundary = _BOUNDARY.search(body, begin)
        if begin < 4 or boundary is None or begin < at:
            continue
        end = boundary.start() - 2
        plain = _plain(body[begin:end], found[1].lower())
        if plain is not None:
            pieces += [body[at : found.start(1)], value, body[found.end(1) : begin], plain]
            at = end
    return b"".join(pieces) + body[at:]


def _plain(encoded: bytes, how: bytes) -> bytes | None:
    """What was encoded; None where it was not, or is damaged."""
    if how == b"quoted-printable":
        return binascii.a2b_qp(encoded)
    if how != b"base64":
        return None
    try:
        octets = binascii.a2b_base64(encoded)
    except binascii.Error:
        return None
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _recoded(body: bytes) -> Iterator[_Tried]:
    for now, before in (("utf-8", "iso-8859-1"), ("utf-8", "cp1252"), ("cp1252", "utf-8")):
        try:
            recoded = body.decode(now).encode(before)
        except UnicodeError:
            continue
        yield ChangeKind.CHARSET_CHANGED, f"its letters are written in {before} and not in {now}", recoded


class _Lines:
    """A body by lines: as they are, in canonical form, and the hash up to each."""

    def __init__(self, body: bytes, signature: Signature) -> None:
        whole = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
        relaxed = signature.body_canonicalization is Canonicalization.RELAXED
        self.raw = _by_crlf(whole)
        self.lines = _by_crlf(relaxed_lines(whole)) if relaxed else self.raw
        self.empty = b"" if relaxed else b"\r\n"
        self.right = signature.body_hash
        self.size = len(body)
        self.offsets = [0]
        for line in self.raw:
            self.offsets.append(self.offsets[-1] + len(line))
        self.upto = [hashlib.sha256()]
        for line in self.lines:
            following = self.upto[-1].copy()
            following.update(line)
            self.upto.append(following)
        self._full = len(self.lines)
        while self._full and self.lines[self._full - 1] == b"\r\n":
            self._full -= 1

    def tail(self, start: int) -> bytes:
        """The canonical lines from there on, without empty ones at the end."""
        return b"".join(self.lines[start : max(start, self._full)])

    def change(self, start: int, stop: int) -> Change:
        """That the lines from `start` up to `stop` were put in."""
        octets = min(self.offsets[stop], self.size) - self.offsets[start]
        lines = counted(stop - start, "line")
        if stop == len(self.lines):
            undone = f"the last {counted(octets, 'octet')} of the body ({lines}) are taken away"
            return Change(ChangeKind.APPENDED, undone, "", self.offsets[start], octets)
        if not start:
            undone = f"the first {counted(octets, 'octet')} of the body ({lines}) are taken away"
            return Change(ChangeKind.PREPENDED, undone, "", 0, octets)
        where = f"from line {start + 1} of the body"
        undone = f"{counted(octets, 'octet')} {where} ({lines}) are taken away"
        return Change(ChangeKind.INSERTED, undone, "", self.offsets[start], octets)


def _by_crlf(octets: bytes) -> list[bytes]:
    """The lines with their CRLF; bytes.splitlines would also cut at a CR alone."""
    return [line + b"\r\n" for line in octets.split(b"\r\n")[:-1]]


def _find_appended(body: bytes, signature: Signature) -> Change | None:
    """The lines at the end that were appended."""
    if signature.body_length is not None or body.count(b"\n") > _MOST_LINES:
        return None
    lines = _Lines(body, signature)
    nothing = hashlib.sha256(lines.empty).digest()
    for count in range(len(lines.lines) - 1, -1, -1):
        if count and lines.lines[count - 1] == b"\r\n":
            continue
        if (lines.upto[count].digest() if count else nothing) == lines.right:
            return lines.change(count, len(lines.lines))
    return None


def _find_block(body: bytes, signature: Signature) -> Change | None:
    """The lines that were put in somewhere: at the end first, then at the start, then between."""
    found = _find_appended(body, signature)
    if found or signature.body_length is not None or body.count(b"\n") > _MOST_LINES:
        return found
    lines = _Lines(body, signature)
    work, count = _WORK_OCTETS, len(lines.lines)
    ends = sorted(range(1, count), key=lambda at: not lines.lines[at].startswith(b"--"))
    for starts_at_top in (True, False):
        for stop in ends:
            tail = lines.tail(stop)
            for start in (0,) if starts_at_top else range(1, stop):
                tried = lines.upto[start].copy()
                tried.update(tail)
                if tried.digest() == lines.right:
                    return lines.change(start, stop)
                work -= len(tail) + 256
            if work < 0:
                return None
    return None


def _find_small(body: bytes, signature: Signature) -> tuple[Change, ...]:
    """An empty line that was taken away, or one octet."""
    lost = _find_lost_line(body, signature)
    if lost:
        return (lost,)
    canonical = canonical_body(body, signature.body_canonicalization)
    octet = find_octet(canonical, signature.body_hash, signature.body_length)
    if octet is None:
        return ()
    line = canonical.count(b"\r\n", 0, octet.position) + 1
    column = octet.position - canonical.rfind(b"\n", 0, octet.position)
    undone = f"in line {line} of the body, octet {column}, {said_of(octet)}"
    return (Change(ChangeKind.ONE_OCTET, undone, "", octet.position, 1),)


def _find_lost_line(body: bytes, signature: Signature) -> Change | None:
    if signature.body_length is not None or body.count(b"\n") > _MOST_LINES:
        return None
    lines, work = _Lines(body, signature), _WORK_OCTETS
    for at in range(len(lines.lines)):
        tried, tail = lines.upto[at].copy(), lines.tail(at)
        tried.update(b"\r\n" + tail)
        if tried.digest() == lines.right:
            return Change(ChangeKind.EMPTY_LINE_LOST, f"an empty line is put back before line {at + 1}")
        work -= len(tail)
        if work < 0:
            break
    return None
