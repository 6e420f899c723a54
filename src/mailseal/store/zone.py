"""What our zones serve, which names have to be published anew, and the serials.

Rule: only `serve` changes what is served, and it alone writes what a slot has answered before. What it
changes belongs to the serial that `advance` gives next, in the same transaction.
References: RFC 1982 §3.1 (serials); RFC 2308 §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailseal.core.rotation import STILL_GIVEN, Answer
from mailseal.core.zone import next_serial
from mailseal.store.engine import Execute, to_ms
from mailseal.store.journal import Change, Journal
from mailseal.store.loaded import Loaded

_MARGIN = timedelta(seconds=2)
"""For clocks and roundings between our answer and the end of its TTL in a cache."""

# marked_names.list: the names that changed, oldest mark first.
_MARKED = "SELECT owner FROM marked_names ORDER BY number LIMIT ?"

# marked_names.add: a name has to be published anew; an older mark stays where it is. Its row is written all
# the same, so that of this unit and a publisher that removes the mark meanwhile one has to run again.
_MARK = "INSERT INTO marked_names (owner) VALUES (?) ON CONFLICT (owner) DO UPDATE SET owner = excluded.owner"

# marked_names.remove: the name is published as it ought to be.
_UNMARK = "DELETE FROM marked_names WHERE owner = ?"

# served.load: what a name gives at this moment.
_SERVED = "SELECT text, ttl FROM served WHERE owner = ?"

_NEVER_SERVED = (None, 0)

# served.look_up: what a name of one zone gives, for the name server.
_LOOK_UP = "SELECT text, ttl FROM served WHERE owner = ? AND zone = ? AND text IS NOT NULL"

# served.put: the name gives this from now on.
_SERVE = """
INSERT INTO served (owner, zone, text, ttl, serial) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET text = excluded.text, ttl = excluded.ttl, serial = excluded.serial
"""

# earlier_answers.add: what the name gave until now may sit in caches until then.
_REMEMBER = """
INSERT INTO earlier_answers (owner, expires_at, text, zone, serial, ttl) VALUES (?, ?, ?, ?, ?, ?)
"""

# earlier_answers.expire: every server gives something newer than these since that moment.
_EXPIRE = """
UPDATE earlier_answers SET expires_at = ? + ttl * 1000
WHERE expires_at = 253370764800000 AND zone = ? AND serial <= ?
"""

# earlier_answers.renumber: serials start anew, and these are older than all that come.
_RENUMBER = """
UPDATE earlier_answers SET serial = 0 WHERE expires_at = 253370764800000 AND zone = ? AND serial <> 0
"""

# earlier_answers.prune: expired ones, and those that say what the name says now again.
_FORGET = "DELETE FROM earlier_answers WHERE owner = ? AND (expires_at <= ? OR text IS NOT DISTINCT FROM ?)"

# zones.list: every zone that was ever handed out.
_ZONES = "SELECT zone FROM zones ORDER BY zone"

# zones.add: a zone is known from now on.
_ADD_ZONE = "INSERT INTO zones (zone, serial, journal_from) VALUES (?, 1, 1) ON CONFLICT (zone) DO NOTHING"

# zones.serial: the zone's serial.
_SERIAL = "SELECT serial FROM zones WHERE zone = ?"

# zones.advance: the next serial, stored.
_ADVANCE = "UPDATE zones SET serial = ? WHERE zone = ?"

# zones.shape: a digest of the zone's records that come from the configuration.
_SHAPE = "SELECT shape FROM zones WHERE zone = ?"

# zones.set_shape: the same, stored.
_SET_SHAPE = "UPDATE zones SET shape = ? WHERE zone = ?"


class Zone:
    """The tables zones, served, earlier_answers and marked_names."""

    def __init__(self, execute: Execute, loaded: Loaded) -> None:
        self._execute = execute
        self._loaded = loaded
        self._journal = Journal(execute)
        self.is_changed = False
        """Whether a transaction has touched what is served since somebody last took notice."""

    def marked(self, limit: int) -> Sequence[str]:
        """Owner names that changed since they were last published, oldest first."""
        return [owner for (owner,) in self._execute(_MARKED, (limit,))]

    def mark(self, owner: str) -> None:
        """Marks an owner name for publication."""
        self._execute(_MARK, (owner,))

    def serve(self, zone: str, owner: str, answer: Answer, now: datetime, *, alone: bool = True) -> bool:
        """Serves an answer from `now` on and removes the name's mark; whether that differs from before.

        The answer given until now is kept as an earlier one until a cache that was filled a moment ago has
        dropped it. An answer that says the same as the new one is no earlier answer. Where we are not
        `alone`, other servers give the earlier answer (or none) until they have followed: see `expire`.
        """
        rows = self._execute(_SERVED, (owner,))
        text, ttl = rows[0] if rows else _NEVER_SERVED
        serial = next_serial(self.serial(zone))
        if text != answer.text and (rows or not alone):
            expires_at = now + timedelta(seconds=ttl) + _MARGIN if alone else STILL_GIVEN
            self._execute(_REMEMBER, (owner, to_ms(expires_at), text, zone, serial, ttl))
        self._execute(_FORGET, (owner, to_ms(now), answer.text))
        differs = (text, ttl) != (answer.text, answer.ttl)
        if differs or not rows:
            self._execute(_SERVE, (owner, zone, answer.text, answer.ttl, serial))
        if differs:
            self._journal.note(zone, serial, Change(owner, Answer(text, ttl), answer))
        self._execute(_UNMARK, (owner,))
        self._loaded.forget_served()
        self.is_changed = True
        return differs

    def expire(self, zone: str, serial: int, now: datetime) -> None:
        """Every server of ours has given, by `now`, what this serial gives: no earlier answer is given any
        more, and caches drop those in their time."""
        self._execute(_EXPIRE, (to_ms(now + _MARGIN), zone, serial))
        self._loaded.forget_served()

    def add(self, zone: str) -> None:
        """Makes a zone known, with serial 1."""
        self._execute(_ADD_ZONE, (zone,))

    def advance(self, zone: str) -> int:
        """The zone's next serial, stored; never 0, which some software takes for "none"."""
        self.add(zone)
        last = self.serial(zone)
        serial = next_serial(last)
        self._execute(_ADVANCE, (serial, zone))
        if serial < last:
            self._start_anew(zone, serial)
        self._journal.prune(zone, serial)
        self.is_changed = True
        return serial

    def overtake(self, zone: str, serial: int) -> None:
        """The zone's next serial is the one after `serial`; secondaries take the zone as a whole then."""
        serial = next_serial(serial)
        self._execute(_ADVANCE, (serial, zone))
        self._start_anew(zone, serial)
        self.is_changed = True

    def _start_anew(self, zone: str, serial: int) -> None:
        self._journal.clear(zone, serial)
        self._execute(_RENUMBER, (zone,))

    def settle(self, zone: str, shape: str) -> bool:
        """Whether the records that come from the configuration have changed since the last time; if so the
        zone has another serial, and the journal begins there."""
        self.add(zone)
        if self._execute(_SHAPE, (zone,))[0][0] == shape:
            return False
        self._execute(_SET_SHAPE, (shape, zone))
        self.overtake(zone, self.serial(zone))
        return True

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
