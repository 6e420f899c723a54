"""compare(message, original, signature): where a message differs from what was sent, for its signature.

Rule: pure; differences that canonicalization takes away, and fields that are not signed, are none.
References: RFC 6376 §3.4, RFC 6376 §5.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from mailseal.dkim.canonicalization import canonical_body, canonical_field
from mailseal.dkim.message import Message
from mailseal.dkim.signature import Signature
from mailseal.dkim.verify import signed_fields


@dataclass(frozen=True, slots=True)
class Difference:
    """One place: a field by its name, or the body's lines from `line` on; None where nothing was or is."""

    was: bytes | None
    now: bytes | None
    field: str = ""
    line: int = 0
    octet: int = 0
    """Where in `was` and `now` the first octet differs, counted from one."""


def compare(message: Message, original: Message, signature: Signature) -> tuple[Difference, ...]:
    """The signed fields and the lines of the body that are not what they were."""
    return (*_of_fields(message, original, signature), *_of_body(message, original, signature))


def _of_fields(message: Message, original: Message, signature: Signature) -> list[Difference]:
    how, names = signature.header_canonicalization, signature.header_names
    now_fields, was_fields = signed_fields(message.fields, names), signed_fields(original.fields, names)
    found = []
    for name, now_field, was_field in zip(names, now_fields, was_fields, strict=True):
        now = canonical_field(now_field.name, now_field.raw, how) if now_field else None
        was = canonical_field(was_field.name, was_field.raw, how) if was_field else None
        if now != was:
            found.append(Difference(was, now, name.decode(), 0, _first(was or b"", now or b"")))
    return found


def _of_body(message: Message, original: Message, signature: Signature) -> list[Difference]:
    how, length = signature.body_canonicalization, signature.body_length
    now = canonical_body(message.body, how)[:length].split(b"\r\n")
    was = canonical_body(original.body, how)[:length].split(b"\r\n")
    if now == was:
        return []
    same = _same(now, was)
    tail = _same(now[same:][::-1], was[same:][::-1])
    gone = b"\r\n".join(was[same : len(was) - tail])
    come = b"\r\n".join(now[same : len(now) - tail])
    return [
        Difference(
            gone if len(was) - tail > same else None,
            come if len(now) - tail > same else None,
            "",
            same + 1,
            _first(gone, come),
        )
    ]


def _same(first: list[bytes], second: list[bytes]) -> int:
    """How many lines at the start are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _first(was: bytes, now: bytes) -> int:
    pairs = zip(was, now, strict=False)
    return 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
