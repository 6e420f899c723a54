"""The same mutating call made again: one effect and one answer, whatever crashed in between.

Rule: the answer is stored by the very transaction that changes something, so that one is there exactly where
the other is. Only answers of success are stored; a refused or failed call may be tried again.
References: docs/decisions/0011-one-effect.md; the header `amz-sdk-invocation-id`, which the AWS SDKs keep
over their own retries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from mailseal.service.world import Store, Tx

T = TypeVar("T")

KEPT_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class CallId:
    """What makes two requests the same call: who signed it, the SDK's invocation, and all that was sent."""

    access_key_id: str
    invocation_id: str
    request_hash: str


class AnsweredAlready(Exception):
    """Another process has made this very call meanwhile; nothing was done here."""


def call_id(
    access_key_id: str, invocation_id: str, method: str, raw_path: bytes, payload_hash: str
) -> CallId:
    """The call of a request: method, path and payload go into one hash."""
    sent = b"\0".join((method.encode(), raw_path, payload_hash.encode()))
    return CallId(access_key_id, invocation_id, hashlib.sha256(sent).hexdigest())


async def earlier_answer(store: Store, call: CallId, now: datetime) -> bytes | None:
    """What this call was answered in the last 15 minutes, or None."""
    return await store.read(
        lambda tx: tx.answers.load(call.access_key_id, call.invocation_id, call.request_hash, now)
    )


class OnceStore:
    """The database as one mutating call sees it: whichever unit has the call's result stores its answer too.

    `told` gives the answer that a unit's result makes, None where it is not the result of the call.
    """

    def __init__(
        self, store: Store, call: CallId, now: datetime, told: Callable[[object], bytes | None]
    ) -> None:
        self._store, self._call, self._now, self._told = store, call, now, told
        self.stored: bytes | None = None
        """The answer that is stored by now."""

    async def read(self, unit: Callable[[Tx], T]) -> T:
        """As the database."""
        return await self._store.read(unit)

    async def read_kept(self, key: Hashable, unit: Callable[[Tx], T]) -> T:
        """As the database."""
        return await self._store.read_kept(key, unit)

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """As the database, the answer with it; raises AnsweredAlready, and the unit has done nothing then."""

        def with_answer(tx: Tx) -> tuple[T, bytes | None]:
            result = unit(tx)
            answer = self._told(result) if self.stored is None else None
            if answer is not None:
                self._save(tx, answer)
            return result, answer

        result, answer = await self._store.write(with_answer)
        self.stored = self.stored or answer
        return result

    async def store_late(self, answer: bytes) -> None:
        """Stores the answer of a call that had nothing to change."""
        if self.stored is None:
            await self._store.write(lambda tx: self._save(tx, answer))

    def _save(self, tx: Tx, answer: bytes) -> None:
        call = self._call
        if not tx.answers.save(
            call.access_key_id, call.invocation_id, call.request_hash, answer, self._now, self._now + KEPT_FOR
        ):
            raise AnsweredAlready
