"""What this process remembers of the last minutes, to know whether a fault is its own.

Rule: two reasons open it, each closes by itself: the canary, and proven identities that turn away by the
dozen. It only ever says how a check counts; nothing else asks it.
References: docs/decisions/0016-circuit-breaker.md.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from mailseal.core.breaker import RECENT, WINDOW, recovers, trips, while_open
from mailseal.core.lifecycle import Check

Key = tuple[str, str, str]
"""Account, region and name of an identity."""
_CANARIES_DEAD = 2
"""So many canaries in a row: one that is lost alone says nothing."""


class Breaker:
    """Open while the fault is likely ours; one a process, used from one event loop."""

    def __init__(self) -> None:
        self.open_since: datetime | None = None
        self.canary = ""
        """Why the last canary did not come back; empty where it did."""
        self.canary_at: datetime | None = None
        self._dead_canaries = 0
        self._looks: dict[Key, tuple[datetime, bool]] = {}
        self._turned = 0
        self._recent: deque[tuple[datetime, bool]] = deque()
        self._many = ""

    @property
    def reason(self) -> str:
        """Why it is open, for a person; empty where it is closed."""
        return self.canary if self._dead_canaries >= _CANARIES_DEAD else self._many

    @property
    def is_calm(self) -> bool:
        """Whether it is closed and the last canary came back."""
        return self.open_since is None and not self.canary

    def judged(self, check: Check) -> Check:
        """How a check counts at this moment."""
        return check if self.open_since is None else while_open(check)

    def note_look(self, key: Key, turned: bool, now: datetime) -> None:
        """Remembers what one look at a proven identity came to."""
        self._drop(key)
        self._looks[key] = now, turned
        self._turned += turned
        self._forget_before(now)
        self._recent.append((now, turned))
        if self._many:
            if recovers(len(self._recent), sum(each for _, each in self._recent)):
                self._many = ""
                self._looks.clear()
                self._turned = 0
        elif trips(len(self._looks), self._turned):
            self._recent.clear()
            self._many = (
                f"{self._turned} of {len(self._looks)} proven identities were not found in ten minutes"
            )
        self._settle(now)

    def note_canary(self, problem: str | None, now: datetime) -> None:
        """Remembers whether the canary came back."""
        self.canary, self.canary_at = problem or "", now
        self._dead_canaries = self._dead_canaries + 1 if problem else 0
        self._forget_before(now)
        if self._many and not self._looks:
            self._many = ""
        self._settle(now)

    def turned_away(self, at_most: int) -> tuple[Key, ...]:
        """Some of those that turned away, longest not looked at first; none where they opened nothing."""
        if not self._many:
            return ()
        return tuple(key for key, (_, turned) in self._looks.items() if turned)[:at_most]

    def _drop(self, key: Key) -> None:
        _, turned = self._looks.pop(key, (None, False))
        self._turned -= turned

    def _forget_before(self, now: datetime) -> None:
        while self._looks:
            key, (at, _) = next(iter(self._looks.items()))
            if now - at < WINDOW:
                break
            self._drop(key)
        while self._recent and now - self._recent[0][0] >= RECENT:
            self._recent.popleft()

    def _settle(self, now: datetime) -> None:
        if not self.reason:
            self.open_since = None
        elif self.open_since is None:
            self.open_since = now
