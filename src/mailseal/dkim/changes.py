"""What was done to a message behind its signature, as values; and the search for one changed octet.

Rule: a change is named only where undoing it makes a hash or a signature right again; nothing is guessed.
References: RFC 6376 §3.4, RFC 6376 §3.7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto

LONGEST_FOR_OCTETS = 3072
"""Octets in which one changed octet is searched: about a second's work."""

_ALPHABET = bytes((9, *range(0x20, 0x7F)))


class ChangeKind(StrEnum):
    """The transformations that are known, by what was done to the message."""

    APPENDED = auto()
    PREPENDED = auto()
    INSERTED = auto()
    EMPTY_LINE_LOST = auto()
    TRAILING_BLANKS = auto()
    TABS = auto()
    FROM_ESCAPED = auto()
    DOTS_DOUBLED = auto()
    LONG_LINES_BROKEN = auto()
    TRANSFER_ENCODED = auto()
    CHARSET_CHANGED = auto()
    ONE_OCTET = auto()
    FIELD_ADDED = auto()
    FIELD_REMOVED = auto()
    FIELD_REPLACED = auto()
    PREFIX_ADDED = auto()
    SUFFIX_ADDED = auto()
    REWRAPPED = auto()
    BLANKS_CHANGED = auto()
    NAME_SPELLED = auto()
    REWRITTEN = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """One change, by what undoes it: "if" `undone`, the signature holds; `field` is empty for the body."""

    kind: ChangeKind
    undone: str
    field: str = ""
    start: int | None = None
    """Where in the body (or in the field's value) the octets begin that were added."""
    octets: int | None = None


@dataclass(frozen=True, slots=True)
class OctetChange:
    """One octet: where it is or was in the canonical form, what it was, and what stands there now."""

    position: int
    was: int | None
    now: int | None


def find_octet(data: bytes, is_right: bytes, cut: int | None = None) -> OctetChange | None:
    """The one octet whose replacement, removal or return gives the data the digest that is right.

    `cut` is l=, behind which nothing is covered. None too where the data is too long to try.
    """
    if len(data) > LONGEST_FOR_OCTETS or cut is not None:
        return None
    head, sha256 = hashlib.sha256(), hashlib.sha256
    for position in range(len(data) + 1):
        now, rest = data[position : position + 1], data[position + 1 :]
        for octet in _ALPHABET:
            tried = head.copy()
            tried.update(b"%c" % octet + rest)
            if now and tried.digest() == is_right:
                return OctetChange(position, octet, now[0])
            tried = head.copy()
            tried.update(b"%c" % octet + now + rest)
            if tried.digest() == is_right:
                return OctetChange(position, octet, None)
        if now and sha256(data[:position] + rest).digest() == is_right:
            return OctetChange(position, None, now[0])
        head.update(now)
    return None


def said_of(change: OctetChange) -> str:
    """What undoes the change, in words."""
    if change.was is None:
        return f"{_shown(change.now)} is taken away"
    if change.now is None:
        return f"{_shown(change.was)} is put back"
    return f"{_shown(change.now)} becomes {_shown(change.was)} again"


def counted(number: int, word: str) -> str:
    """A number and its word: `1 line`, `2 lines`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _shown(octet: int | None) -> str:
    named = {9: "a tab", 32: "a blank"}
    if octet is None or octet in named:
        return named.get(octet or 0, "nothing")
    return f'"{chr(octet)}"' if 32 < octet < 127 else f"the octet {octet:02X}"


Right = Callable[[bytes], bool]
"""Whether data is what was signed."""
