"""What is counted between the parts: messages by the door they came in by, and the next hop's answers.

Rule: counts go beside the work, never in its way.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from enum import StrEnum

from mailseal.service.world import (
    Busy,
    Declined,
    Envelope,
    HandedOver,
    HandOver,
    MailAnswer,
    NextHop,
    RecipientAnswer,
    World,
)
from mailseal.telemetry import Telemetry


class Door(StrEnum):
    """By which a message comes in."""

    API = "api"
    SUBMISSION = "submission"
    MILTER = "milter"


def at_door(world: World, telemetry: Telemetry, door: Door) -> World:
    """The world behind one door, where each message is counted once it is signed, or why it is not."""

    def note(outcome: str) -> None:
        telemetry.count("mailseal_signatures_total", door=door, outcome=outcome)

    return replace(world, signing_noted=note)


class TimedNextHop:
    """A next hop whose answers to whole messages are counted by what they were and how long they took."""

    def __init__(self, next_hop: NextHop, telemetry: Telemetry) -> None:
        self._next_hop = next_hop
        self._telemetry = telemetry

    async def hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer:
        """What the next hop says."""
        return await self.timed(self._next_hop.hand_over(envelope, message))

    def begin(
        self, mail_from: str, *, size: int = 0, is_8bit: bool = False, needs_utf8: bool = False
    ) -> _TimedHandOver:
        """A hand-over that begins, of which the message is timed."""
        begun = self._next_hop.begin(mail_from, size=size, is_8bit=is_8bit, needs_utf8=needs_utf8)
        return _TimedHandOver(begun, self)

    async def timed(self, asked: Awaitable[MailAnswer]) -> MailAnswer:
        """The answer, counted; one that is not waited for any longer counts as none."""
        began = asyncio.get_running_loop().time()
        outcome = "no_answer"
        try:
            answer = await asked
            outcome = _outcome_of(answer)
            return answer
        finally:
            took = asyncio.get_running_loop().time() - began
            self._telemetry.observe("mailseal_nexthop_seconds", took, outcome=outcome)


class _TimedHandOver:
    def __init__(self, hand_over: HandOver, timed: TimedNextHop) -> None:
        self._hand_over = hand_over
        self._timed = timed

    async def recipient(self, address: str) -> RecipientAnswer:
        return await self._hand_over.recipient(address)

    async def message(self, message: bytes) -> MailAnswer:
        return await self._timed.timed(self._hand_over.message(message))

    async def abandon(self) -> None:
        await self._hand_over.abandon()


def _outcome_of(answer: MailAnswer) -> str:
    match answer:
        case HandedOver():
            return "taken"
        case Declined(permanent=permanent):
            return "refused" if permanent else "put_off"
        case Busy():
            return "not_asked"
    return "no_answer"
