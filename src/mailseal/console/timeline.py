"""Events as the console tells them: a mark, a headline and a detail.

Rule: pure; the log's own words stay, and nothing of them is guessed at.
References: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailseal.console import times
from mailseal.core.observations import printable
from mailseal.core.stored import StoredEvent

_STATUS: Mapping[str, tuple[str, str, str]] = {
    "SUCCESS": ("ok", "ok", "Verified"),
    "PENDING": ("wait", "wait", "Search for the records begun"),
    "TEMPORARY_FAILURE": ("", "warn", "The records can't be seen any more"),
    "FAILED": ("bad", "bad", "The search ended without success"),
    "NOT_STARTED": ("", "none", "No keys set up"),
}
_KINDS: Mapping[str, tuple[str, str, str]] = {
    "created": ("wait", "wait", "Identity created"),
    "restart": ("wait", "wait", "Search begun again"),
    "setting": ("", "turn", "Setting changed"),
    "rotation": ("", "turn", "Rotation"),
    "key": ("", "key", "New key placed"),
    "switch": ("ok", "turn", "Signing switched"),
    "signing": ("ok", "key", "Signing"),
    "ed25519": ("", "key", "Ed25519"),
    "cache": ("", "clock", "Caches may keep the older record"),
    "mail": ("", "mail", "Mail with the link"),
    "mail-from": ("", "mail", "MAIL FROM domain"),
    "deleted": ("bad", "bad", "Identity deleted"),
    "alarm": ("bad", "warn", "Alarm"),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline."""

    tone: str
    icon: str
    at: str
    what: str
    detail: str
    name: str = ""
    exact: str = ""


def moments(events: Sequence[StoredEvent], now: datetime) -> tuple[Moment, ...]:
    """The events, newest first."""
    return tuple(moment_of(event, now) for event in events)


def moment_of(event: StoredEvent, now: datetime, name: str = "") -> Moment:
    """One event."""
    text = printable(event.text, at_most=400)
    tone, icon, what = _KINDS.get(event.kind, ("", "info", event.kind.capitalize()))
    if event.kind == "status":
        after = text.partition(" → ")[2].partition(";")[0].strip()
        tone, icon, what = _STATUS.get(after, ("", "info", "Status changed"))
    at = times.moment(event.at, now)
    return Moment(tone, icon, at, what, text[:1].upper() + text[1:], name, times.stamp(event.at))
