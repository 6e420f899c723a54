"""What changed in our zones from serial to serial, and which of the operator's servers has seen what.

Rule: a row of the journal is never changed once its serial is committed; the journal is bounded, and a reader
finds out where it begins by `begins_at` after having read.
References: RFC 1995 §2 (incremental transfer); RFC 1982 §3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.rotation import Answer
from mailseal.store.engine import Execute, from_ms, to_ms

KEPT = 20_000
"""Changes of one zone that are kept; a secondary that missed more takes the whole zone."""
_PRUNE_EVERY = 64

# zone_changes.add: what a serial changes; within one serial the oldest and the newest answer count.
_ADD = """
INSERT INTO zone_changes (zone, serial, owner, old_text, old_ttl, new_text, new_ttl)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (zone, serial, owner) DO UPDATE SET new_text = excluded.new_text, new_ttl = excluded.new_ttl
"""

# zone_changes.list: what serials after the first and up to the second changed, in their order.
_LIST = """
SELECT serial, owner, old_text, old_ttl, new_text, new_ttl FROM zone_changes
WHERE zone = ? AND serial > ? AND serial <= ? ORDER BY serial, owner
"""

# zone_changes.first_after: what a name gave at a serial, if anything has changed it since.
_FIRST_AFTER = """
SELECT old_text, old_ttl FROM zone_changes WHERE owner = ? AND serial > ? AND zone = ? ORDER BY serial LIMIT 1
"""

# zone_changes.oldest_kept: the serial of the newest change beyond those that are kept.
_OLDEST_KEPT = "SELECT serial FROM zone_changes WHERE zone = ? ORDER BY serial DESC LIMIT 1 OFFSET ?"

# zone_changes.drop: changes up to a serial.
_DROP = "DELETE FROM zone_changes WHERE zone = ? AND serial <= ?"

# zone_changes.clear: all of a zone.
_CLEAR = "DELETE FROM zone_changes WHERE zone = ?"

# zones.begin_journal: from this serial on the changes are known.
_BEGIN = "UPDATE zones SET journal_from = ? WHERE zone = ?"

# zones.journal: from where the changes are known.
_BEGINS_AT = "SELECT journal_from FROM zones WHERE zone = ?"

# served.page: names of a zone in their order, with the serial that last changed each.
_PAGE = "SELECT owner, text, ttl, serial FROM served WHERE zone = ? AND owner > ? ORDER BY owner LIMIT ?"

# zone_servers.put: a server has been seen with that serial.
_SEEN = """
INSERT INTO zone_servers (server, zone, serial, seen_at) VALUES (?, ?, ?, ?)
ON CONFLICT (zone, server) DO UPDATE SET serial = excluded.serial, seen_at = excluded.seen_at
"""

# zone_servers.list: what every server of a zone was seen with.
_SIGHTS = "SELECT server, serial, seen_at FROM zone_servers WHERE zone = ?"


@dataclass(frozen=True, slots=True)
class Change:
    """What one name gave before and gives after a serial."""

    owner: str
    old: Answer
    new: Answer


@dataclass(frozen=True, slots=True)
class Page:
    """Some names of a zone at one serial; `after` is where the next page begins, None after the last."""

    names: Sequence[tuple[str, Answer]]
    after: str | None


class Journal:
    """The table zone_changes, and reading `served` as it was at a serial."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def note(self, zone: str, serial: int, change: Change) -> None:
        """Notes what the zone's coming serial changes."""
        old, new = change.old, change.new
        self._execute(_ADD, (zone, serial, change.owner, old.text, old.ttl, new.text, new.ttl))

    def changes(self, zone: str, after: int, until: int) -> Sequence[tuple[int, Change]]:
        """What the serials after `after` and up to `until` changed, in their order."""
        return [
            (serial, Change(owner, Answer(old_text, old_ttl), Answer(new_text, new_ttl)))
            for serial, owner, old_text, old_ttl, new_text, new_ttl in self._execute(
                _LIST, (zone, after, until)
            )
        ]

    def page(self, zone: str, serial: int, after: str, limit: int) -> Page:
        """Names after `after` that the zone had at `serial`, with what they gave then.

        True if the journal still begins at that serial or before, which has to be asked afterwards.
        """
        rows = self._execute(_PAGE, (zone, after, limit))
        names = []
        for owner, text, ttl, changed_by in rows:
            answer = Answer(text, ttl)
            if changed_by > serial:
                for old_text, old_ttl in self._execute(_FIRST_AFTER, (owner, serial, zone)):
                    answer = Answer(old_text, old_ttl)
            if answer.text is not None:
                names.append((owner, answer))
        return Page(names, rows[-1][0] if len(rows) == limit else None)

    def begins_at(self, zone: str) -> int:
        """The oldest serial from which all changes are known."""
        rows = self._execute(_BEGINS_AT, (zone,))
        return int(rows[0][0]) if rows else 1

    def prune(self, zone: str, serial: int) -> None:
        """Drops, now and then, the oldest changes beyond those that are kept."""
        if serial % _PRUNE_EVERY:
            return
        for (oldest,) in self._execute(_OLDEST_KEPT, (zone, KEPT)):
            self._execute(_DROP, (zone, oldest))
            self._execute(_BEGIN, (oldest, zone))

    def clear(self, zone: str, serial: int) -> None:
        """Forgets all changes: the journal begins at `serial`."""
        self._execute(_CLEAR, (zone,))
        self._execute(_BEGIN, (serial, zone))


class ZoneServers:
    """The table zone_servers."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def save(self, server: str, zone: str, serial: int, now: datetime) -> None:
        """A server has been seen to serve that serial of a zone."""
        self._execute(_SEEN, (server, zone, serial, to_ms(now)))

    def sights(self, zone: str) -> dict[str, tuple[int, datetime]]:
        """The newest serial that each server has been seen with, and when; also of servers long gone."""
        return {server: (serial, from_ms(at)) for server, serial, at in self._execute(_SIGHTS, (zone,))}
