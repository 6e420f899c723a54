"""Answers kept for as long as nothing has changed, so that a hot name costs one look in a dictionary.

Rule: bounded, and emptied whole when the source's generation moves: an answer is never older than that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from mailseal.nameserver.answer import answer
from mailseal.nameserver.zone import Zone

_AT_MOST = 16_384
_LONGEST_KEY = 160
"""No honest query is longer, so nobody can fill the memory with padded ones."""


class CachedAnswers:
    """Responses to datagrams, by everything in the query but its id."""

    def __init__(
        self, zones: Sequence[Zone], generation: Callable[[], int], *, at_most: int = _AT_MOST
    ) -> None:
        self._zones = tuple(zones)
        self._generation = generation
        self._at_most = at_most
        self._seen_generation: int | None = None
        self._tails: dict[bytes, bytes] = {}
        # A dictionary that loses its first key again and again takes ever longer to find it.
        self._in_order: deque[bytes] = deque()

    def refresh(self) -> None:
        """Forget everything if the served records have changed; called before each batch of queries."""
        now = self._generation()
        if now != self._seen_generation:
            self._seen_generation = now
            self._tails.clear()
            self._in_order.clear()

    def kept(self, message: bytes) -> bytes | None:
        """The response to one datagram as it was given before; None where none is kept."""
        tail = self._tails.get(message[2:])
        return None if tail is None else message[:2] + tail

    def for_datagram(self, message: bytes) -> bytes | None:
        """The response to one datagram; None where it gets none."""
        key = message[2:]
        tail = self._tails.get(key)
        if tail is not None:
            return message[:2] + tail
        response = answer(message, self._zones, over_tcp=False)
        # Only positive answers: their number is bounded by what is served, that of absent names by nothing.
        if response is not None and response[3] & 0xF == 0 and response[7] and len(key) <= _LONGEST_KEY:
            if len(self._tails) >= self._at_most:
                del self._tails[self._in_order.popleft()]
            self._tails[key] = response[2:]
            self._in_order.append(key)
        return response

    def for_stream(self, message: bytes) -> bytes | None:
        """The response to one message over TCP; None where it gets none."""
        return answer(message, self._zones, over_tcp=True)
