"""How one header field may have been written before a program on the way wrote it anew.

Rule: pure; each form is a guess that its caller checks against a signature.
References: RFC 6376 §3.4.1, RFC 2045 §6.1, RFC 2047 §2, RFC 5322 §2.2.3.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from mailseal.dkim.changes import Change, ChangeKind
from mailseal.dkim.message import HeaderField

_FOLD = re.compile(rb"\r\n[ \t]+")
_ENCODED_WORD = re.compile(rb"=\?([A-Za-z0-9_-]+)\?([BbQq])\?([^?\s]*)\?=")
_ENCODINGS = (b"7bit", b"8bit", b"binary", b"quoted-printable", b"base64")
_MARKS_AT_MOST = 12
_LONGEST_CUT = 1000


class Form(NamedTuple):
    """A field in another form, and what makes it that, in words."""

    kind: ChangeKind
    undone: str
    field: HeaderField


def with_value(field: HeaderField, value: bytes) -> HeaderField:
    """The field with another value."""
    return HeaderField(field.name + b":" + value + b"\r\n", field.name)


def without_marks(field: HeaderField) -> Iterator[tuple[Change, HeaderField]]:
    """The field without what stands before one of its blanks, or behind: `[list]`, `Re:`, `(EXTERNAL)`."""
    value = field.value
    start = len(value) - len(value.lstrip())
    blanks = list(re.finditer(rb"\s+", value))
    for blank in blanks[:_MARKS_AT_MOST]:
        if blank.end() > start:
            yield _cut(field, start, blank.end(), ChangeKind.PREFIX_ADDED)
    for blank in reversed(blanks[-_MARKS_AT_MOST:]):
        if blank.start() > start and value[blank.start() :].strip():
            yield _cut(field, blank.start(), len(value), ChangeKind.SUFFIX_ADDED)


def cuts(field: HeaderField) -> Iterator[tuple[Change, HeaderField]]:
    """The field without some of its first or last octets."""
    value = field.value
    start = len(value) - len(value.lstrip())
    for at in range(start + 1, min(len(value), _LONGEST_CUT)):
        yield _cut(field, start, at, ChangeKind.PREFIX_ADDED)
        yield _cut(field, at, len(value), ChangeKind.SUFFIX_ADDED)


def _cut(field: HeaderField, start: int, end: int, kind: ChangeKind) -> tuple[Change, HeaderField]:
    value, shown = field.value, field.name.decode()
    taken = b" ".join(value[start:end].split()).decode("utf-8", "replace")
    where = "start" if kind is ChangeKind.PREFIX_ADDED else "end"
    change = Change(kind, f'"{taken}" at the {where} of {shown} is taken away', shown, start, end - start)
    return change, with_value(field, value[:start] + value[end:])


def rewritten(field: HeaderField) -> Iterator[tuple[Change, HeaderField]]:
    """The field's words as they may have stood: encodings, quotation marks, angle brackets, commas."""
    value, shown = field.value, field.name.decode()
    tried = [
        ("encoded words are written in UTF-8 again", _ENCODED_WORD.sub(_word, value)),
        ("quotation marks are taken away", value.replace(b'"', b"")),
        ("parameters get their quotation marks back", re.sub(rb'=([^\s";]+)', rb'="\1"', value)),
        ("angle brackets are taken away", re.sub(rb"<([^<>]*)>", rb"\1", value)),
        ("the address gets its angle brackets back", re.sub(rb"([^\s,<>]+@[^\s,<>]+)", rb"<\1>", value)),
        ("blanks behind commas are taken away", re.sub(rb",\s+", b",", value)),
        ("a blank stands behind each comma again", re.sub(rb",(?=\S)", b", ", value)),
        ("capital letters become small ones", value.lower()),
    ]
    if field.name.lower() == b"content-transfer-encoding":
        tried += [(f"{each.decode()} stands again", b" " + each) for each in _ENCODINGS]
    for undone, instead in tried:
        if instead != value:
            change = Change(ChangeKind.REWRITTEN, f"in {shown} {undone}", shown)
            yield change, with_value(field, instead)


def simple_forms(field: HeaderField, spelled: bytes) -> Iterator[Form]:
    """The field folded, spaced or spelled in other ways, always as many; `spelled` is its name in h=."""
    value = field.value
    for undone, instead in (
        ("the lines are joined again", _FOLD.sub(b" ", value)),
        ("the lines are joined again, without a blank", _FOLD.sub(b"", value)),
        ("the lines begin with a tab again", _FOLD.sub(b"\r\n\t", value)),
        ("the lines begin with a blank again", _FOLD.sub(b"\r\n ", value)),
        ("the lines begin with eight blanks again", _FOLD.sub(b"\r\n        ", value)),
        ("lines end behind commas again", re.sub(rb",[ \t]+", b",\r\n ", value)),
        ("lines end behind commas again, then a tab", re.sub(rb",[ \t]+", b",\r\n\t", value)),
        ("lines end behind semicolons again", re.sub(rb";[ \t]+", b";\r\n ", value)),
        ("lines end behind semicolons again, then a tab", re.sub(rb";[ \t]+", b";\r\n\t", value)),
    ):
        yield Form(ChangeKind.REWRAPPED, undone, with_value(field, instead))
    for undone, instead in (
        ("the blank behind the colon is taken away", value.lstrip(b" \t")),
        ("a blank stands behind the colon again", b" " + value.lstrip(b" \t")),
        ("blanks at the end are taken away", value.rstrip(b" \t")),
        ("runs of blanks become one", re.sub(rb"[ \t]+", b" ", value)),
        ("a tab becomes a blank again", value.replace(b"\t", b" ")),
    ):
        yield Form(ChangeKind.BLANKS_CHANGED, undone, with_value(field, instead))
    for name in (spelled, field.name.title(), _with_capitals(field.name), field.name.lower()):
        again = HeaderField(name + field.raw[len(name) :], name)
        yield Form(ChangeKind.NAME_SPELLED, f"the name is spelled {name.decode()} again", again)


def _with_capitals(name: bytes) -> bytes:
    """A name as most programs spell it: Message-ID, MIME-Version, DKIM-Signature."""
    words = name.title().split(b"-")
    return b"-".join(word.upper() if word in (b"Id", b"Mime", b"Dkim") else word for word in words)


def _word(found: re.Match[bytes]) -> bytes:
    """An encoded word as UTF-8; itself where it is damaged."""
    charset, how, text = found[1].decode(), found[2].upper(), found[3]
    try:
        octets = binascii.a2b_qp(text, header=True) if how == b"Q" else binascii.a2b_base64(text)
        return octets.decode(charset).encode()
    except (binascii.Error, LookupError, UnicodeError):
        return found[0]
