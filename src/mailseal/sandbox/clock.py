"""The sandbox's clock: it drives due times, status and rotation, and can be moved forward.

Rule: it never goes back, not over a restart and not over a kill. Signatures, Date and SigV4 use `real_now`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

RESERVE_SECONDS = 3.0
"""How many real seconds of a fast clock are written down ahead, so that a kill does not turn it back."""


def real_time() -> datetime:
    """The machine's time, aware UTC."""
    return datetime.now(UTC)


class SandboxClock:
    """A clock that is ahead of the real one by a kept amount, and may run `speed` times as fast."""

    def __init__(
        self, kept_in: Path | None, *, speed: float = 1.0, real: Callable[[], datetime] = real_time
    ) -> None:
        self._kept_in = kept_in
        self._real = real
        self.speed = speed
        self._real_base = real()
        self._base = self._real_base + timedelta(seconds=_kept_seconds(kept_in))
        self._latest = self._base

    def now(self) -> datetime:
        """The sandbox's time; never earlier than an answer it gave before."""
        passed = (self._real() - self._real_base) * self.speed
        self._latest = max(self._latest, self._base + passed)
        return self._latest

    def real_now(self) -> datetime:
        """The machine's time."""
        return self._real()

    def ahead(self) -> timedelta:
        """How far the sandbox's time is ahead of the machine's; nothing where that was turned forward."""
        return max(timedelta(0), self.now() - self._real())

    def move_to(self, at: datetime) -> None:
        """Goes forward to `at` and runs on from there; stays where that is past already."""
        now = self.now()
        self._real_base = self._real()
        self._base = self._latest = max(now, at)

    def keep(self, *, closing: bool = False) -> None:
        """Writes down how far ahead the clock is; a running fast clock a little more, see RESERVE_SECONDS."""
        if self._kept_in is None:
            return
        ahead = self.ahead().total_seconds()
        if not closing:
            ahead += RESERVE_SECONDS * (self.speed - 1)
        written = self._kept_in.with_suffix(".new")
        written.write_text(json.dumps({"ahead_seconds": ahead}), encoding="ascii")
        written.replace(self._kept_in)


def _kept_seconds(kept_in: Path | None) -> float:
    if kept_in is None or not kept_in.exists():
        return 0.0
    try:
        return max(0.0, float(json.loads(kept_in.read_text(encoding="ascii"))["ahead_seconds"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{kept_in} is not what this sandbox's clock wrote") from error
