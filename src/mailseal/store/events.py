"""The event log and the evidence of checks: what happened to an identity, and what was seen.

Rule: an event is appended in the transaction of the change that it tells of, and never altered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from mailseal.core.identity import Event
from mailseal.core.stored import EventPlace, StoredEvent
from mailseal.store.engine import Execute, from_ms, to_ms

_LATEST_MS = 2**62

# events.append: one line more, under the next number of its timeline.
_APPEND = """
INSERT INTO events (account_id, region, name, number, happened_at, kind, text)
SELECT ?, ?, ?, coalesce(max(number), 0) + 1, ?, ?, ? FROM events
WHERE account_id = ? AND region = ? AND name = ?
"""

# events.list: the newest lines, newest first.
_LIST = """
SELECT happened_at, kind, text FROM events WHERE account_id = ? AND region = ? AND name = ?
ORDER BY number DESC LIMIT ?
"""

# events.newest: the newest lines of all identities of an account and region, behind a moment of a name.
_NEWEST = """
SELECT name, number, happened_at, kind, text FROM events
WHERE account_id = ? AND region = ? AND (happened_at, name, number) < (?, ?, ?)
ORDER BY happened_at DESC, name DESC, number DESC LIMIT ?
"""

# evidence.put: what the last check of a setting saw; nothing where the setting has ended meanwhile.
_PUT_EVIDENCE = """
INSERT INTO evidence (setting_id, seen_at, report)
SELECT setting_id, ?, ? FROM settings WHERE setting_id = ?
ON CONFLICT (setting_id) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report
"""

# evidence.load: the last report of a setting.
_EVIDENCE = "SELECT seen_at, report FROM evidence WHERE setting_id = ?"


class Events:
    """The table events."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def append(
        self, account_id: str, region: str, name: str, at: datetime, events: Collection[Event]
    ) -> None:
        """Adds lines to an identity's timeline, in their order."""
        if not events:
            return
        place = (account_id, region, name)
        for event in events:
            self._execute(_APPEND, (*place, to_ms(at), event.kind, event.text, *place))

    def list(self, account_id: str, region: str, name: str, limit: int) -> Sequence[StoredEvent]:
        """The newest events of an identity, newest first."""
        rows = self._execute(_LIST, (account_id, region, name, limit))
        return [StoredEvent(from_ms(at), kind, text) for at, kind, text in rows]

    def newest(
        self, account_id: str, region: str, before: EventPlace | None, limit: int
    ) -> Sequence[tuple[EventPlace, StoredEvent]]:
        """The newest events of all identities, newest first, behind `before`."""
        behind = (_LATEST_MS, "", 0) if before is None else (to_ms(before.at), before.name, before.number)
        return [
            (EventPlace(from_ms(at), name, number), StoredEvent(from_ms(at), kind, text))
            for name, number, at, kind, text in self._execute(_NEWEST, (account_id, region, *behind, limit))
        ]


class EvidenceReports:
    """The table evidence."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def save(self, setting_id: str, at: datetime, report: str) -> None:
        """Keeps the report of a setting's last check; one of a setting that has ended is dropped."""
        self._execute(_PUT_EVIDENCE, (to_ms(at), report, setting_id))

    def latest(self, setting_id: str) -> tuple[datetime, str] | None:
        """When a setting was last looked at, and the report; None where it never was."""
        for seen_at, report in self._execute(_EVIDENCE, (setting_id,)):
            return from_ms(seen_at), report
        return None
