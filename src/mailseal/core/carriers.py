"""The operator's servers that carry our zones, and how far each has followed.

Rule: pure; a server that does not answer now is silent, whatever it gave before.
References: RFC 1982 §3.2 (serials); docs/operating.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailseal.core.zone import serials_behind

MOVES_WITHIN = timedelta(seconds=60)
"""A server that came to another serial this recently is on its way."""


class Following(StrEnum):
    """How a server follows."""

    CURRENT = "current"
    FOLLOWING = "following"
    BEHIND = "behind"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one server was last seen with, of one zone."""

    server: str
    zone: str
    serial: int
    """Ours."""
    seen_serial: int | None
    """None for a server that was never seen with this zone."""
    seen_at: datetime | None
    """When it came to that serial; for the newest one, when it was last seen with it."""
    given: int | None = None
    """What it gave just now; None where it did not answer, or was not asked."""

    @property
    def has_followed(self) -> bool:
        """Whether the server was seen to give what we give."""
        return self.seen_serial == self.serial

    @property
    def behind(self) -> int | None:
        """How many serials it lacks; None where nothing is known of it."""
        known = self.seen_serial if self.given is None else self.given
        return None if known is None else serials_behind(known, self.serial)

    def following(self, now: datetime) -> Following:
        """How it follows, after it was asked."""
        if self.given is None:
            return Following.SILENT
        if self.behind == 0:
            return Following.CURRENT
        has_moved = self.given != self.seen_serial or self.seen_at is None
        if has_moved or (self.seen_at is not None and now - self.seen_at < MOVES_WITHIN):
            return Following.FOLLOWING
        return Following.BEHIND


def described(standing: Standing, now: datetime) -> str:
    """How a server follows, in words."""
    since = f"since {standing.seen_at:%Y-%m-%d %H:%M} UTC" if standing.seen_at else ""
    unmoved = f"serial {standing.seen_serial}, {standing.behind} behind {since}"
    match standing.following(now):
        case Following.CURRENT:
            return f"serial {standing.serial}"
        case Following.FOLLOWING:
            return f"serial {standing.given}, {standing.behind} behind, on its way"
        case Following.BEHIND:
            return unmoved
        case Following.SILENT if standing.seen_serial is None:
            return "does not answer for this zone, and never has"
        case Following.SILENT:
            return f"does not answer; {unmoved if standing.behind else f'not seen {since}'}"
