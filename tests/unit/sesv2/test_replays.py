"""The same call made again: one run, one answer, for a quarter of an hour; here as kept in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailseal.service.once import call_id
from mailseal.sesv2.replays import Replays

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
PARTS = ("AKIA", "invocation", "PUT", b"/x", "0" * 64)
CALL = call_id(*PARTS)


class Work:
    """Something that answers with how often it ran, or fails the first times."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.failures = failures

    async def __call__(self) -> bytes:
        self.runs += 1
        run = self.runs
        await asyncio.sleep(0)
        if run <= self.failures:
            raise RuntimeError(f"run {run}")
        return b"answer %d" % run


def test_an_answer_is_kept_for_fifteen_minutes_and_no_longer() -> None:
    async def story() -> list[bytes]:
        replays, work = Replays(), Work()
        moments = [NOW, NOW + timedelta(minutes=14, seconds=59), NOW + timedelta(minutes=15)]
        return [await replays.remembered(CALL, at, work) for at in moments]

    assert asyncio.run(story()) == [b"answer 1", b"answer 1", b"answer 2"]


@pytest.mark.parametrize("place", range(len(PARTS)))
def test_a_call_that_differs_in_anything_is_another_one(place: int) -> None:
    async def story() -> list[bytes]:
        replays, work = Replays(), Work()
        parts: list[Any] = list(PARTS)
        parts[place] = b"/y" if place == 3 else "other"
        return [await replays.remembered(call, NOW, work) for call in (CALL, call_id(*parts))]

    assert asyncio.run(story()) == [b"answer 1", b"answer 2"]


def test_who_waits_for_a_call_that_fails_tries_it_anew() -> None:
    async def story() -> tuple[list[object], int]:
        replays, work = Replays(), Work(failures=1)
        calls = (replays.remembered(CALL, NOW, work) for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True), work.runs

    answers, runs = asyncio.run(story())
    assert isinstance(answers[0], RuntimeError)
    assert answers[1:] == [b"answer 2", b"answer 2"]
    assert runs == 2


def test_a_waiter_that_is_cancelled_does_not_harm_the_call() -> None:
    async def story() -> bytes:
        replays, work = Replays(), Work()
        first = asyncio.create_task(replays.remembered(CALL, NOW, work))
        await asyncio.sleep(0)
        second = asyncio.create_task(replays.remembered(CALL, NOW, work))
        await asyncio.sleep(0)
        second.cancel()
        return await first

    assert asyncio.run(story()) == b"answer 1"


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    async def story() -> tuple[int, bytes, bytes]:
        replays, work = Replays(capacity=10), Work()
        calls = [call_id("AKIA", str(number), "PUT", b"/x", "0" * 64) for number in range(50)]
        for call in calls:
            await replays.remembered(call, NOW, work)
        kept = len(replays._kept)
        return (
            kept,
            await replays.remembered(calls[-1], NOW, work),
            await replays.remembered(calls[0], NOW, work),
        )

    assert asyncio.run(story()) == (10, b"answer 50", b"answer 51")


def test_a_part_cannot_be_moved_over_the_border_to_the_next_one() -> None:
    assert call_id("A", "1", "PUT", b"/x", "0") != call_id("A", "1", "PU", b"T/x", "0")
    assert call_id("A", "1", "PUT", b"/x", "0") != call_id("A1", "", "PUT", b"/x", "0")
