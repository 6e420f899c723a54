"""Reading a request's body: hashed while it arrives, within the operation's limit and the process's memory.

Rule: of bodies whose sender is not proven yet at most 128 MiB are held at once; who finds no room waits ten
seconds. A body above 1 MiB is read only for an access key that exists.
References: RFC 9110 §8.6.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from mailseal.core.errors import BadRequest, Unavailable
from mailseal.sesv2.errors import BodyTooLarge
from mailseal.sesv2.operations import SMALL_BODY
from mailseal.sesv2.sigv4 import EMPTY_HASH, Headers

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

LONGEST_LENGTH = 15
"""Digits of a Content-Length."""
UNVERIFIED_BYTES = 128 * 1024 * 1024
WAIT_FOR_ROOM_SECONDS = 10.0
WAIT_FOR_MORE_SECONDS = 10.0


class Disconnected(Exception):
    """The client went away before its body had arrived."""


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body and its SHA-256 in lower-case hexadecimal."""

    content: bytes = field(repr=False)
    sha256: str


EMPTY = Body(b"", EMPTY_HASH)


class Room:
    """The memory that bodies of unproven senders may take together; first come, first served."""

    def __init__(self, capacity: int = UNVERIFIED_BYTES, patience: float = WAIT_FOR_ROOM_SECONDS) -> None:
        self._free = capacity
        self._patience = patience
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Returns when `size` bytes are set aside; raises Unavailable after ten seconds without room."""
        if size <= self._free and not self._waiting:
            self._free -= size
            return
        place = (size, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(place[1])
        except (TimeoutError, asyncio.CancelledError) as ended:
            self._leave(place)
            if isinstance(ended, asyncio.CancelledError):
                raise
            raise Unavailable("Too many large requests at once. Send it again.") from None

    def give_back(self, size: int) -> None:
        """Frees what was taken and lets in who waits for it."""
        self._free += size
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, turn = self._waiting.popleft()
            self._free -= wanted
            turn.set_result(None)

    def _leave(self, place: tuple[int, asyncio.Future[None]]) -> None:
        if place[1].done():
            self.give_back(place[0])
        else:
            self._waiting.remove(place)
            self.give_back(0)


def declared_length(headers: Headers) -> int | None:
    """The Content-Length, or None where the body comes in chunks; raises BadRequest for two or a bad one."""
    found: bytes | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if found not in (None, value) or not value.isdigit() or len(value) > LONGEST_LENGTH:
                raise BadRequest("The Content-Length is not a number of bytes.")
            found = value
        elif name == b"transfer-encoding":
            chunked = True
    if found is None:
        return None if chunked else 0
    return int(found)


def check_length(length: int | None, limit: int, key_is_known: bool) -> int:
    """The number of bytes to set aside; raises BodyTooLarge for what would not be read anyway."""
    allowed = limit if key_is_known else min(limit, SMALL_BODY)
    if length is not None and length > allowed:
        raise BodyTooLarge(f"The request body is longer than {allowed} bytes.")
    return allowed if length is None else length


async def read_body(receive: Receive, limit: int, patience: float = WAIT_FOR_MORE_SECONDS) -> Body:
    """The body; raises BodyTooLarge beyond `limit` and BadRequest where nothing comes for ten seconds."""
    message = await receive()
    first: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        if len(first) > limit:
            raise BodyTooLarge(f"The request body is longer than {limit} bytes.")
        return Body(first, hashlib.sha256(first).hexdigest()) if first else EMPTY
    return await _read_parts(receive, message, limit, patience)


async def _read_parts(
    receive: Receive, message: MutableMapping[str, Any], limit: int, patience: float
) -> Body:
    digest = hashlib.sha256()
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge(f"The request body is longer than {limit} bytes.")
        digest.update(part)
        parts.append(part)
        if not message.get("more_body", False):
            return Body(b"".join(parts), digest.hexdigest())
        try:
            async with asyncio.timeout(patience):
                message = await receive()
        except TimeoutError:
            raise BadRequest("The rest of the request body did not come.") from None
