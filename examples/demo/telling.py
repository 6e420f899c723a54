"""What the demo prints: numbered steps, then the table of ticks and the line of counts.

Rule: one step is what was asked, what came back, who asked it and how long it took; values stay whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic


class Mark(StrEnum):
    """How a tick ended."""

    GOOD = "✓"
    BAD = "✗"
    NOT_ASKED = "–"


PLAIN = {Mark.GOOD: "ok", Mark.BAD: "x", Mark.NOT_ASKED: "-"}
WIDE = 48


@dataclass(slots=True)
class Tick:
    """One row of the table: a claim, who shows it, and how it ended."""

    claim: str
    who: str
    mark: Mark = Mark.BAD


@dataclass(slots=True)
class Step:
    """What happens in one step, noted while it happens."""

    lines: list[str] = field(default_factory=list)

    def asked(self, what: str) -> None:
        """Notes what is asked for."""
        self.lines.append(f"asked  {what}")

    def came(self, what: str) -> None:
        """Notes what came back."""
        self.lines.append(f"came   {what}")


class Screen:
    """Prints as it goes, to standard output."""

    def __init__(self) -> None:
        self._number = 0
        self._utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

    @contextmanager
    def step(self, title: str, who: str) -> Iterator[Step]:
        """A numbered step; what it noted is printed at its end, whatever the end is."""
        self._number += 1
        step = Step()
        began = monotonic()
        try:
            yield step
        finally:
            print(f"{self._number:>2}  {title:<61}{who:<8}{took(monotonic() - began):>7}")
            for line in step.lines:
                print(f"    {line}")
            sys.stdout.flush()

    def table(self, ticks: list[Tick]) -> None:
        """The claims, each with its tick."""
        print()
        for tick in ticks:
            mark = tick.mark if self._utf8 else PLAIN[tick.mark]
            print(f"  {mark} {tick.claim:<{WIDE}}{tick.who}")


def took(seconds: float) -> str:
    """A length of time as a person reads it."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
