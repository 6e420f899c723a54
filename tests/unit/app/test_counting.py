"""What is counted between the parts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailseal.app.counting import Door, TimedNextHop, at_door
from mailseal.core.envelope import Busy, Declined, Envelope, MailAnswer, NoAnswer
from mailseal.service.passing import Outcome, sign_passing
from mailseal.telemetry import Telemetry
from tests.fakes import KeepingNextHop, fake_world, opened_store

MAIL = Envelope("me@example.com", ("you@example.net",))


def counted(telemetry: Telemetry, metric: str) -> dict[str, float]:
    """The counts of a metric by its outcome."""
    return {dict(labels)["outcome"]: n for (name, labels), n in telemetry.counts.items() if name == metric}


def quiet() -> Telemetry:
    return Telemetry(lambda line: None, lambda: datetime(2026, 11, 23, tzinfo=UTC))


def test_every_answer_of_the_next_hop_is_counted_by_what_it_was() -> None:
    answers: list[MailAnswer] = [
        *(Declined(permanent=True, answer="550"), Declined(permanent=False, answer="451")),
        *(Busy(), NoAnswer("reset")),
    ]
    telemetry = quiet()
    hop = TimedNextHop(KeepingNextHop(answers=list(answers)), telemetry)

    async def story() -> list[MailAnswer]:
        given = [await hop.hand_over(MAIL, b"") for _ in answers]
        begun = hop.begin("me@example.com")
        await begun.recipient("you@example.net")
        await begun.message(b"")
        await begun.abandon()
        return given

    assert asyncio.run(story()) == answers
    expected = {"refused": 1, "put_off": 1, "not_asked": 1, "no_answer": 1, "taken": 1}
    assert counted(telemetry, "mailseal_nexthop_seconds_count") == expected


def test_an_answer_that_nobody_waits_for_any_more_counts_as_none() -> None:
    telemetry = quiet()

    class Silent(KeepingNextHop):
        """A next hop that never answers."""

        async def hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer:
            return await asyncio.get_running_loop().create_future()

    async def story() -> None:
        async with asyncio.timeout(0):
            await TimedNextHop(Silent(), telemetry).hand_over(MAIL, b"")

    with pytest.raises(TimeoutError):
        asyncio.run(story())
    assert counted(telemetry, "mailseal_nexthop_seconds_count") == {"no_answer": 1}


def test_a_letter_that_passes_unsigned_is_counted_at_its_door_by_the_reason(tmp_path: Path) -> None:
    telemetry = quiet()

    async def story() -> list[Outcome]:
        async with opened_store(tmp_path) as store:
            world = at_door(fake_world(store), telemetry, Door.MILTER)
            letters = (b"From: me@example.com\r\n\r\nhello\r\n", b"To: you@example.net\r\n\r\nhello\r\n")
            return [(await sign_passing(world, "000000000001", "us-east-1", one)).outcome for one in letters]

    assert asyncio.run(story()) == [Outcome.NO_IDENTITY, Outcome.NO_SINGLE_AUTHOR]
    assert counted(telemetry, "mailseal_signatures_total") == {"no_identity": 1, "no_single_author": 1}
    assert {dict(labels)["door"] for _, labels in telemetry.counts} == {"milter"}
