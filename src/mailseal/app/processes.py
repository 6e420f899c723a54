"""Several processes on one machine: a parent that starts children, watches them, and does nothing else.

Rule: the parent opens what cannot be opened twice, reads no key and no database, and runs no thread and no
event loop, so that each child begins as a plain copy of it. A child that dies is started again, later each
time; one whose set-up is wrong at the first start ends them all.
References: fork(2), prctl(2) PR_SET_PDEATHSIG; docs/operating.md.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""How long a place stays empty after its first, second, … death in a row."""
STEADY_S = 60.0
"""A child that lived so long has put its deaths behind it."""
PATIENCE_S = 75.0
"""Longer than any door drains; then a child is ended the hard way."""
READY = "ready"
SETUP = 2
"""The exit code of a child whose configuration is wrong."""
_PR_SET_PDEATHSIG = 1
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Child = Callable[[int, Callable[[], None]], int]
"""What a child does: given its number and how it says that it is ready; its exit code."""
Tell = Callable[[int, int, str], None]
"""How the operator hears of one child: number, process id, what happened."""


@dataclass(slots=True)
class _Place:
    """One of the places for children, and who is in it."""

    number: int
    pid: int = 0
    ready: int = -1
    """The pipe by which the child says so; -1 when it has."""
    was_ready: bool = False
    began_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """The parent; `run` returns when all children have ended."""

    count: int
    child: Child
    tell: Tell
    backoff_s: tuple[float, ...] = BACKOFF_S
    patience_s: float = PATIENCE_S
    _places: list[_Place] = field(default_factory=list)
    _waiting: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stopping: bool = False
    _stop_by: float = 0.0
    _code: int = 0

    def run(self) -> int:
        """Runs the children until a signal ends them; 0, or the exit code of a child that could not start."""
        heard, woken = os.pipe()
        for end in (heard, woken):
            os.set_blocking(end, False)
        before = [signal.signal(number, _noted) for number in _HEARD]
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self._waiting.register(heard, selectors.EVENT_READ)
        self._places = [_Place(number) for number in range(self.count)]
        try:
            while not (self._stopping and all(place.pid == 0 for place in self._places)):
                self._fill()
                self._hear(heard)
                self._collect()
            return self._code
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in zip(_HEARD, before, strict=True):
                signal.signal(number, handler)
            self._waiting.close()
            os.close(heard)
            os.close(woken)

    def _fill(self) -> None:
        """Starts a child in every place that is empty and may be filled; ends those that do not end."""
        now = time.monotonic()
        if self._stopping:
            if now >= self._stop_by:
                self._pass_on(signal.SIGKILL)
            return
        for place in self._places:
            if place.pid == 0 and now >= place.start_at:
                self._start(place)

    def _start(self, place: _Place) -> None:
        readable, writable = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            os.close(readable)
            self._be_child(place.number, writable, parent)
        os.close(writable)
        place.pid, place.ready, place.was_ready, place.began_at = pid, readable, False, time.monotonic()
        self._waiting.register(readable, selectors.EVENT_READ, place)

    def _be_child(self, number: int, writable: int, parent: int) -> None:
        """The life of a child, which never comes back from here."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for heard in _HEARD:
                signal.signal(heard, signal.SIG_DFL)
            _end_with(parent)
            code = self.child(number, lambda: _say_ready(writable))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _hear(self, heard: int) -> None:
        """Waits for signals, for children that become ready, or for the next start that is due."""
        for key, _ in self._waiting.select(self._pause()):
            if key.fd == heard:
                self._obey(os.read(heard, 512))
                continue
            place: _Place = key.data
            if os.read(key.fd, 1):
                place.was_ready = True
                self.tell(place.number, place.pid, READY)
            self._let_go(place)

    def _pause(self) -> float | None:
        now = time.monotonic()
        if self._stopping:
            return max(0.0, self._stop_by - now)
        starts = [place.start_at for place in self._places if place.pid == 0]
        return max(0.0, min(starts) - now) if starts else None

    def _obey(self, numbers: bytes) -> None:
        if signal.SIGHUP in numbers:
            self._pass_on(signal.SIGHUP)
        if (signal.SIGTERM in numbers or signal.SIGINT in numbers) and not self._stopping:
            self._stop()

    def _stop(self, code: int = 0) -> None:
        self._stopping, self._code = True, code
        self._stop_by = time.monotonic() + self.patience_s
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)

    def _collect(self) -> None:
        """Takes notice of children that have ended."""
        for place in self._places:
            if place.pid == 0:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, code: int) -> None:
        pid, place.pid = place.pid, 0
        self._let_go(place)
        if self._stopping:
            self.tell(place.number, pid, "stopped")
            return
        if code == SETUP and not place.was_ready and place.deaths == 0:
            self.tell(place.number, pid, "cannot start")
            self._stop(code)
            return
        now = time.monotonic()
        place.deaths = 1 if now - place.began_at >= STEADY_S else place.deaths + 1
        pause = self.backoff_s[min(place.deaths, len(self.backoff_s)) - 1]
        place.start_at = now + pause
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self.tell(place.number, pid, f"{how}; started again in {pause:g} s")

    def _let_go(self, place: _Place) -> None:
        if place.ready >= 0:
            self._waiting.unregister(place.ready)
            os.close(place.ready)
            place.ready = -1


def _noted(number: int, frame: object) -> None:
    """A signal is read from the wake-up pipe; a handler has to be there for it to get in."""


def _say_ready(writable: int) -> None:
    os.write(writable, b"1")
    os.close(writable)


def _end_with(parent: int) -> None:
    """A child of a parent that is killed stops in order, too."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)
