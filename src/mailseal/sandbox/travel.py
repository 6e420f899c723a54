"""Moving the sandbox's clock: every check and rotation on the way happens, only sooner.

Rule: forward in steps from one due time to the next, about a hundred at most; at each step everything that is
due is done before time goes on, and when the traveller arrives nothing is left undone.
References: docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from mailseal.sandbox.clock import SandboxClock
from mailseal.service.due import next_work_at
from mailseal.service.world import World

MOST_STEPS = 100
BUDGET_SECONDS = 10.0
"""Real time that a journey should take at most: where a step is slow, for a silent server, fewer are made."""

Settle = Callable[[], Awaitable[None]]
"""Does all that is due at this moment of the clock, and what follows from it."""


@dataclass(frozen=True, slots=True)
class Journey:
    """From when to when the clock went, and in how many steps."""

    left_at: datetime
    arrived_at: datetime
    steps: int


async def travel(world: World, clock: SandboxClock, by: timedelta, settled: Settle) -> Journey:
    """The journey by that much time from now on, with `settled` called at each step."""
    left_at = clock.now()
    until = left_at + by
    await settled()
    steps, cost = 0, 0.0
    while (now := clock.now()) < until:
        stride = by * max(1 / MOST_STEPS, cost / BUDGET_SECONDS)
        due = await world.store.read(next_work_at)
        clock.move_to(min(until, max(due or until, now + stride)))
        began = monotonic()
        await settled()
        cost = monotonic() - began
        steps += 1
    return Journey(left_at, clock.now(), steps)
