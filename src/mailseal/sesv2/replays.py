"""The same mutating call made again gets the same answer, also while the first one is still at work.

Rule: a call is the same when access key, the SDK's invocation id, method, path and payload are. Only answers
of success are kept, for 15 minutes, in bounded memory; a refused or failed call may be tried again.
References: the header `amz-sdk-invocation-id`, which the AWS SDKs keep over their own retries.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

KEPT_FOR = timedelta(minutes=15)

Call = tuple[str, str, str, bytes, str]
"""(access key id, invocation id, method, raw path, payload hash)."""


class Replays:
    """Answers of late, by call."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[Call, tuple[datetime, bytes]] = OrderedDict()
        self._at_work: dict[Call, asyncio.Future[bytes | None]] = {}

    async def answer(self, call: Call, now: datetime, perform: Callable[[], Awaitable[bytes]]) -> bytes:
        """The kept answer of this call, or that of `perform`, which runs once however often it is asked."""
        while (ahead := self._at_work.get(call)) is not None:
            earlier = await asyncio.shield(ahead)
            if earlier is not None:
                return earlier
        kept = self._kept.get(call)
        if kept is not None and now - kept[0] < KEPT_FOR:
            return kept[1]
        mine = self._at_work[call] = asyncio.get_running_loop().create_future()
        answer: bytes | None = None
        try:
            answer = await perform()
        finally:
            del self._at_work[call]
            mine.set_result(answer)
        self._keep(call, now, answer)
        return answer

    def _keep(self, call: Call, now: datetime, answer: bytes) -> None:
        self._kept[call] = (now, answer)
        self._kept.move_to_end(call)
        oldest = next(iter(self._kept))
        while len(self._kept) > self._capacity or now - self._kept[oldest][0] >= KEPT_FOR:
            del self._kept[oldest]
            oldest = next(iter(self._kept))
