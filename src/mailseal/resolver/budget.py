"""What one check may spend, and how it is told that nothing came.

Rule: a stranger's zone decides neither how often nor how long we ask.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from mailseal.core.observations import Trouble

LARGEST_STREAMED = 16 * 1024


class NoAnswer(Exception):
    """Nothing came that could be judged; the text says why to a person, `troubles` to a diagnosis."""

    def __init__(self, text: str, troubles: Iterable[Trouble] = ()) -> None:
        super().__init__(text)
        self.troubles = frozenset(troubles)


@dataclass(slots=True)
class Budget:
    """What one check may still spend: queries, counting each repetition, and time."""

    queries: int
    deadline: float
    """On the event loop's clock."""

    def spend(self) -> None:
        """Take one query; NoAnswer where none is left, or no time."""
        if self.queries <= 0:
            raise NoAnswer("the check has spent all its queries")
        if asyncio.get_running_loop().time() >= self.deadline:
            raise NoAnswer("the check has spent all its time")
        self.queries -= 1


def new_budget(queries: int, seconds: float) -> Budget:
    """A budget that begins now."""
    return Budget(queries, asyncio.get_running_loop().time() + seconds)
