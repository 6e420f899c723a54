"""What the name server answers from on PostgreSQL: its own connection, and word of what others published.

Rule: a look-up is one statement on the event loop's thread, and none is tried while the database is away.
That something else is served shows by the serials, which a thread looks at all the time, and with them at the
server's clock.
References: docs/decisions/0020-postgresql.md.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from psycopg import OperationalError

from mailseal.core.rotation import Answer
from mailseal.store.journal import Change, Page
from mailseal.store.lane import AGAIN, Lane
from mailseal.store.transaction import Transaction

T = TypeVar("T")

LOOK_EVERY_S, LOOK_AGAIN_S = 0.025, 0.25
"""The serials are looked at this often, and while the database does not answer."""
_SAMPLES = 40

# zones.watch: a number that every publication changes, and the server's clock in milliseconds.
_WATCH = """
SELECT coalesce(sum(serial), 0)::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM zones
"""


class SharedZones:
    """The served rows of a database that others publish to as well; belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._lane, self._watching = Lane(url), Lane(url)
        self._generation = 0
        self._serials = 0
        self._is_away = False
        self._offsets: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to watch; to be called on the event loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, args=(loop,), name="mailseal-watch", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Ends it and closes the connections."""
        self._ending.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._lane.close()
        self._watching.close()

    def look_up(self, zone: str, owner: str) -> Answer | None:
        """What an owner name serves, or None where there is no such name in the zone."""
        return self._look_at(lambda tx: tx.zone.look_up(zone, owner))

    def zone_serial(self, zone: str) -> int:
        """The serial of what is served now."""
        return self._look_at(lambda tx: tx.zone.serial(zone))

    def begins_at(self, zone: str) -> int:
        """The oldest serial of the zone from which all changes are known."""
        return self._look_at(lambda tx: tx.journal.begins_at(zone))

    def changes(self, zone: str, after: int, until: int) -> Sequence[tuple[int, Change]]:
        """What the serials after `after` and up to `until` changed, in their order."""
        return self._look_at(lambda tx: tx.journal.changes(zone, after, until))

    def page(self, zone: str, serial: int, after: str, limit: int) -> Page:
        """Names after `after` that the zone had at `serial`, with what they gave then."""
        return self._look_at(lambda tx: tx.journal.page(zone, serial, after, limit))

    def _look_at(self, work: Callable[[Transaction], T]) -> T:
        """What a look-up finds; at once no, while the thread knows that the database does not answer."""
        if self._is_away:
            raise OperationalError("the database does not answer")
        try:
            return self._lane.look(work)
        except AGAIN:
            self._is_away = True
            raise

    def generation(self) -> int:
        """A number that is another one after anything served has changed."""
        return self._generation

    def advance(self) -> None:
        """Takes notice that what is served has changed."""
        self._generation += 1

    @property
    def clock_offset(self) -> timedelta:
        """What the server's clock is ahead of this machine's, by the quickest of the last answers."""
        samples = list(self._offsets)
        return timedelta(seconds=min(samples)[1]) if samples else timedelta()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = 0.0
        while not self._ending.wait(pause):
            pause = LOOK_EVERY_S
            try:
                serials = self._look()
            except AGAIN:
                self._watching.close()
                self._is_away, pause = True, LOOK_AGAIN_S
                continue
            self._is_away = False
            if serials != self._serials:
                self._serials = serials
                with suppress(RuntimeError):  # the loop may have ended
                    loop.call_soon_threadsafe(self.advance)

    def _look(self) -> int:
        asked_at, began = time.time(), time.monotonic()
        serials, server_ms = self._watching.execute(_WATCH)[0]
        took = time.monotonic() - began
        self._offsets.append((took, server_ms / 1000 - asked_at - took / 2))
        return int(serials)
