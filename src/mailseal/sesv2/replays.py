"""The same mutating call made again gets the same answer, also while the first one is still at work.

Rule: a call is the same when access key, the SDK's invocation id, method, path and payload are. Answers are
kept in the database, with the change that they tell of; those of calls that change nothing there but send
mail are kept here, in bounded memory. Only answers of success are kept, for 15 minutes.
References: docs/decisions/0011-one-effect.md; the header `amz-sdk-invocation-id`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime

from mailseal.core.errors import Refusal
from mailseal.service.once import KEPT_FOR, AnsweredAlready, CallId, OnceStore, earlier_answer
from mailseal.service.world import Store

Work = Callable[[], Awaitable[bytes]]


class Replays:
    """Calls at work, and the answers to messages of late."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[CallId, tuple[datetime, bytes]] = OrderedDict()
        self._at_work: dict[CallId, asyncio.Future[bytes | None]] = {}

    async def remembered(self, call: CallId, now: datetime, perform: Work) -> bytes:
        """The answer of this call, kept in memory; `perform` runs once however often it is asked."""
        return await self._alone(call, lambda: self._from_memory(call, now, perform))

    async def stored(
        self,
        store: Store,
        call: CallId,
        now: datetime,
        told: Callable[[object], bytes | None],
        perform: Callable[[OnceStore], Awaitable[bytes]],
    ) -> bytes:
        """The answer of this call, kept in the database by the unit of `perform` that has its result."""
        return await self._alone(call, lambda: _from_database(store, call, now, told, perform))

    async def _alone(self, call: CallId, work: Work) -> bytes:
        """The answer of whoever is at work on this call, or of `work` where nobody is or they failed."""
        while (ahead := self._at_work.get(call)) is not None:
            earlier = await asyncio.shield(ahead)
            if earlier is not None:
                return earlier
        mine = self._at_work[call] = asyncio.get_running_loop().create_future()
        answer: bytes | None = None
        try:
            answer = await work()
        finally:
            del self._at_work[call]
            mine.set_result(answer)
        return answer

    async def _from_memory(self, call: CallId, now: datetime, perform: Work) -> bytes:
        kept = self._kept.get(call)
        if kept is not None and now - kept[0] < KEPT_FOR:
            return kept[1]
        answer = await perform()
        self._keep(call, now, answer)
        return answer

    def _keep(self, call: CallId, now: datetime, answer: bytes) -> None:
        self._kept[call] = (now, answer)
        self._kept.move_to_end(call)
        oldest = next(iter(self._kept))
        while len(self._kept) > self._capacity or now - self._kept[oldest][0] >= KEPT_FOR:
            del self._kept[oldest]
            oldest = next(iter(self._kept))


async def _from_database(
    store: Store,
    call: CallId,
    now: datetime,
    told: Callable[[object], bytes | None],
    perform: Callable[[OnceStore], Awaitable[bytes]],
) -> bytes:
    kept = await earlier_answer(store, call, now)
    if kept is not None:
        return kept
    once = OnceStore(store, call, now, told)
    try:
        answer = await perform(once)
        await once.store_late(answer)
    except (AnsweredAlready, Refusal):
        # A refusal (it exists already, it is gone already) may be the trace of this very call elsewhere.
        kept = await earlier_answer(store, call, now)
        if kept is None:
            raise
        return kept
    return answer
