"""Connections to the next hop: so many at once, kept for a while, and whoever comes too many told so.

Rule: whoever waits is counted, in messages and in octets, so that a slow next hop costs no memory.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailseal.smtp.client import Conversation, Server, connected

_IDLE_S = 30.0
_WAITING_PER_CONNECTION = 8
_WAITING_BYTES = 256 * 1024 * 1024
_WAIT_S = 20.0


class Full(Exception):
    """Too many wait already, or it took too long until a connection was free."""


class Pool:
    """The connections to one server."""

    def __init__(self, server: Server, connections: int, *, wait_s: float = _WAIT_S) -> None:
        self._server = server
        self._most = max(connections, 1)
        self._gate = asyncio.Semaphore(self._most)
        self._wait_s = wait_s
        self._waiting = 0
        self._waiting_bytes = 0
        self._idle: deque[Conversation] = deque()

    async def enter(self, size: int) -> None:
        """Waits for a place, of which there is one a connection; raises Full."""
        if self._gate.locked() and (
            self._waiting >= self._most * _WAITING_PER_CONNECTION
            or self._waiting_bytes + size > _WAITING_BYTES
        ):
            raise Full
        self._waiting += 1
        self._waiting_bytes += size
        try:
            async with asyncio.timeout(self._wait_s):
                await self._gate.acquire()
        except TimeoutError:
            raise Full from None
        finally:
            self._waiting -= 1
            self._waiting_bytes -= size

    def leave(self) -> None:
        """Makes room for the next."""
        self._gate.release()

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[None]:
        """A place for as long as it lasts; raises Full."""
        await self.enter(size)
        try:
            yield
        finally:
            self.leave()

    def kept(self) -> Conversation | None:
        """A kept connection that still stands, the one used last."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            talk = self._idle.pop()
            if talk.is_open and now - talk.idle_since < _IDLE_S:
                return talk
            talk.abort()
        return None

    async def fresh(self) -> Conversation:
        """A new connection; raises Refused, WireLost."""
        return await connected(self._server)

    def give_back(self, talk: Conversation) -> None:
        """Keeps a connection for the next."""
        talk.idle_since = asyncio.get_running_loop().time()
        self._idle.append(talk)
        while len(self._idle) > self._most:
            self._idle.popleft().quit()

    async def close(self) -> None:
        """Says goodbye on the connections that are kept."""
        while self._idle:
            self._idle.pop().quit()
        await asyncio.sleep(0)
