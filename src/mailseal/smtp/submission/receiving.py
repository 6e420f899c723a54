"""A message read from the connection into memory that was asked for first.

Rule: a message that finds no room is read to its end all the same, and forgotten, so that its sender can be
told to send it again.
References: RFC 5321 §4.1.1.4, RFC 3030 §2.
"""

from __future__ import annotations

import time

from mailseal.smtp.submission.arrival import Arriving
from mailseal.smtp.submission.limits import Limits, Room
from mailseal.smtp.wire import Wire, WireLost

_PIECE = 256 * 1024
_STEP = 64 * 1024
_COPIES = 2
"""What arrives is held once as it came and once as it is signed."""


class Received:
    """A message that has come, or comes in chunks, and the memory taken for it."""

    def __init__(self, room: Room, limits: Limits) -> None:
        self._room = room
        self._taken = 0
        self.arriving = Arriving(limits.message_bytes + 2)
        self.message = b""
        self.is_crowded_out = False

    @property
    def is_too_large(self) -> bool:
        """Whether it is longer than any message may be."""
        return self.arriving.is_too_large and not self.is_crowded_out

    def make_room(self) -> None:
        """Takes memory for what has come; where there is none the message is forgotten."""
        wanted = (self.arriving.kept // _STEP + 1) * _STEP * _COPIES
        if wanted <= self._taken or self.arriving.is_too_large:
            return
        if self._room.take(wanted - self._taken):
            self._taken = wanted
        else:
            self.is_crowded_out = True
            self.arriving.forget()

    def release(self) -> None:
        """Gives the memory back; may be called twice."""
        self._room.give_back(self._taken)
        self._taken = 0
        self.message = b""


async def receive_dotted(wire: Wire, room: Room, limits: Limits) -> Received:
    """The message after DATA, its end included; raises WireLost."""
    received = Received(room, limits)
    ends = time.monotonic() + limits.message_s
    try:
        while True:
            piece = await wire.some(_PIECE, _within(limits, ends))
            rest = received.arriving.dotted(piece)
            received.make_room()
            if rest is not None:
                wire.give_back(rest)
                received.message = b"" if received.arriving.is_too_large else received.arriving.from_dots()
                return received
    except BaseException:
        received.release()
        raise


async def receive_chunk(wire: Wire, room: Room, limits: Limits, size: int, into: Received | None) -> Received:
    """The message with this chunk at its end; raises WireLost."""
    received = into or Received(room, limits)
    ends = time.monotonic() + limits.message_s
    left = size
    try:
        while left:
            piece = await wire.some(min(left, _PIECE), _within(limits, ends))
            left -= len(piece)
            received.arriving.chunk(piece)
            received.make_room()
    except BaseException:
        received.release()
        raise
    received.message = b"" if received.arriving.is_too_large else received.arriving.from_chunks()
    return received


def _within(limits: Limits, ends: float) -> float:
    """Seconds until the next piece has to be there; raises WireLost."""
    left = min(limits.block_s, ends - time.monotonic())
    if left <= 0:
        raise WireLost("the message took too long")
    return left
