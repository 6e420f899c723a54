"""The records of an identity in the formats that DNS is fed with, as tabs of its page.

Rule: pure; the formats are those of the hand-off, and the page has none of its own.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailseal.core.verification import ExpectedRecord
from mailseal.handoff.formats import FORMATS
from mailseal.handoff.records import Record, Sheet

_TTL = 1800


def tabs() -> list[tuple[str, str]]:
    """The tabs' words in URLs, and for people; the first is the form's fields."""
    return [("", "Form fields"), *((word, one.title) for word, one in FORMATS.items())]


def written(form: str, identity: str, zone: str, expected: Sequence[ExpectedRecord]) -> str:
    """The records in a format; empty where that is none."""
    if form not in FORMATS:
        return ""
    records = tuple(Record(one.owner, one.type.value, one.value, _TTL) for one in expected)
    return FORMATS[form].head + FORMATS[form].write(Sheet(identity, zone, records))
