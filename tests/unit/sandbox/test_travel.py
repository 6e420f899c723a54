"""How a journey through time is cut into steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mailseal.sandbox.clock import SandboxClock
from mailseal.sandbox.travel import MOST_STEPS, Journey, travel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Due:
    """A store whose next due time is what the test says it is at each moment."""

    def __init__(self, clock: SandboxClock, every: timedelta | None) -> None:
        self._clock = clock
        self._every = every

    async def read(self, unit: Callable[[Any], Any]) -> Any:
        due = None if self._every is None else self._clock.now() + self._every
        never = SimpleNamespace(next_due_at=lambda: None)
        some = SimpleNamespace(next_due_at=lambda: due)
        return unit(SimpleNamespace(identities=never, mail_from=some, addresses=never))


def journey(by: timedelta, every: timedelta | None) -> tuple[Journey, list[datetime]]:
    clock = SandboxClock(None, real=lambda: NOON)
    settled: list[datetime] = []

    async def settle() -> None:
        settled.append(clock.now())

    world: Any = SimpleNamespace(store=Due(clock, every))
    return asyncio.run(travel(world, clock, by, settle)), settled


def test_a_journey_goes_from_one_due_time_to_the_next() -> None:
    done, settled = journey(timedelta(hours=5), timedelta(hours=2))
    assert settled == [NOON + timedelta(hours=h) for h in (0, 2, 4, 5)]
    assert (done.left_at, done.arrived_at, done.steps) == (NOON, NOON + timedelta(hours=5), 3)


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-5), timedelta(seconds=10)])
def test_a_journey_has_a_bounded_number_of_steps_however_much_is_due(every: timedelta) -> None:
    done, settled = journey(timedelta(hours=72), every)
    assert done.steps <= MOST_STEPS
    assert settled[-1] == NOON + timedelta(hours=72)


def test_a_journey_with_nothing_to_do_is_one_step() -> None:
    done, settled = journey(timedelta(days=9), None)
    assert (done.steps, settled) == (1, [NOON, NOON + timedelta(days=9)])


def test_a_journey_of_no_time_still_does_what_is_due_now() -> None:
    done, settled = journey(timedelta(0), timedelta(hours=1))
    assert (done.steps, settled) == (0, [NOON])
