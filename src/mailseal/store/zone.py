"""What our zones serve, which names have to be published anew, and the serials.

Rule: only `serve` changes what is served, and it alone writes what a slot has answered before.
References: RFC 1982 §3.1 (serials); RFC 2308 §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailseal.core.rotation import Answer
from mailseal.store.engine import Execute, to_ms
from mailseal.store.loaded import Loaded

_MARGIN = timedelta(seconds=2)
"""For clocks and roundings between our answer and the end of its TTL in a cache."""
_SERIALS = 2**32

# zone_marks.list: the names that changed, oldest mark first.
_MARKED = "SELECT owner FROM zone_marks ORDER BY number LIMIT ?"

# zone_marks.add: a name has to be published anew; an older mark stays where it is.
_MARK = """
INSERT INTO zone_marks (owner, number) SELECT ?, coalesce(max(number), 0) + 1 FROM zone_marks
WHERE true ON CONFLICT (owner) DO NOTHING
"""

# zone_marks.remove: the name is published as it ought to be.
_UNMARK = "DELETE FROM zone_marks WHERE owner = ?"

# served.load: what a name gives at this moment.
_SERVED = "SELECT text, ttl FROM served WHERE owner = ?"

# served.look_up: what a name of one zone gives, for the name server.
_LOOK_UP = "SELECT text, ttl FROM served WHERE owner = ? AND zone = ? AND text IS NOT NULL"

# served.put: the name gives this from now on.
_SERVE = """
INSERT INTO served (owner, zone, text, ttl) VALUES (?, ?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET text = excluded.text, ttl = excluded.ttl
"""

# earlier_answers.add: what the name gave until now may sit in caches until then.
_REMEMBER = "INSERT INTO earlier_answers (owner, expires_at, text) VALUES (?, ?, ?)"

# earlier_answers.prune: expired ones, and those that say what the name says now again.
_FORGET = "DELETE FROM earlier_answers WHERE owner = ? AND (expires_at <= ? OR text IS NOT DISTINCT FROM ?)"

# zones.list: every zone that was ever handed out.
_ZONES = "SELECT zone FROM zones ORDER BY zone"

# zones.add: a zone is known from now on.
_ADD_ZONE = "INSERT INTO zones (zone, serial) VALUES (?, 1) ON CONFLICT (zone) DO NOTHING"

# zones.serial: the zone's serial.
_SERIAL = "SELECT serial FROM zones WHERE zone = ?"

# zones.advance: the next serial, stored.
_ADVANCE = "UPDATE zones SET serial = ? WHERE zone = ?"


class Zone:
    """The tables zones, served, earlier_answers and zone_marks."""

    def __init__(self, execute: Execute, loaded: Loaded) -> None:
        self._execute = execute
        self._loaded = loaded
        self.is_changed = False
        """Whether a transaction has touched what is served since somebody last took notice."""

    def marked(self, limit: int) -> Sequence[str]:
        """Owner names that changed since they were last published, oldest first."""
        return [owner for (owner,) in self._execute(_MARKED, (limit,))]

    def mark(self, owner: str) -> None:
        """Marks an owner name for publication."""
        self._execute(_MARK, (owner,))

    def serve(self, zone: str, owner: str, answer: Answer, now: datetime) -> None:
        """Serves an answer from `now` on and removes the name's mark.

        The answer given until now is kept as an earlier one until a cache that was filled a moment ago has
        dropped it. An answer that says the same as the new one is no earlier answer.
        """
        served = self._execute(_SERVED, (owner,))
        if served and served[0][0] != answer.text:
            text, ttl = served[0]
            self._execute(_REMEMBER, (owner, to_ms(now + timedelta(seconds=ttl) + _MARGIN), text))
        self._execute(_FORGET, (owner, to_ms(now), answer.text))
        self._execute(_SERVE, (owner, zone, answer.text, answer.ttl))
        self._execute(_UNMARK, (owner,))
        self._loaded.forget_served()
        self.is_changed = True

    def add(self, zone: str) -> None:
        """Makes a zone known, with serial 1."""
        self._execute(_ADD_ZONE, (zone,))

    def advance(self, zone: str) -> int:
        """The zone's next serial, stored; never 0, which some software takes for "none"."""
        self.add(zone)
        following = (self.serial(zone) + 1) % _SERIALS or 1
        self._execute(_ADVANCE, (following, zone))
        self.is_changed = True
        return following

    def serial(self, zone: str) -> int:
        """The zone's serial, 1 for a zone that was never numbered."""
        rows = self._execute(_SERIAL, (zone,))
        return int(rows[0][0]) if rows else 1

    def zones(self) -> Sequence[str]:
        """Every zone that was ever handed out, in the order of their names."""
        return [zone for (zone,) in self._execute(_ZONES)]

    def look_up(self, zone: str, owner: str) -> Answer | None:
        """What the name gives, or None where there is no such name in that zone."""
        for text, ttl in self._execute(_LOOK_UP, (owner, zone)):
            return Answer(text, ttl)
        return None
