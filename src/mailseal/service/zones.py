"""Our zones as the use cases see them: what they serve, and the servers that carry them besides us.

Rule: Protocols, and the value for "no other server"; nothing here does anything.
References: docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailseal.core.rotation import Answer


class Zone(Protocol):
    """What our zones serve, and which owner names have to be published anew."""

    def marked(self, limit: int) -> Sequence[str]:
        """Owner names that changed since they were last published, oldest first."""

    def serve(self, zone: str, owner: str, answer: Answer, now: datetime, *, alone: bool = True) -> bool:
        """Serves an answer from now on; whether it is another one than before. The one served until now is
        kept as an earlier answer of its slot: until caches have dropped it or, where we are not `alone`,
        until `expire` says so. Removes the mark."""

    def expire(self, zone: str, serial: int, now: datetime) -> None:
        """Every server gives this serial by now: answers that it replaced leave the caches in their time."""

    def overtake(self, zone: str, serial: int) -> None:
        """The zone's serial is the one after this."""

    def advance(self, zone: str) -> int:
        """The zone's next serial (RFC 1982), stored."""

    def serial(self, zone: str) -> int: ...

    def zones(self) -> Sequence[str]: ...

    def look_up(self, zone: str, owner: str) -> Answer | None: ...


class ZoneServers(Protocol):
    """Which of the operator's servers has been seen with which serial of our zones."""

    def save(self, server: str, zone: str, serial: int, now: datetime) -> None: ...

    def sights(self, zone: str) -> Mapping[str, tuple[int, datetime]]: ...


class NameServers(Protocol):
    """The operator's servers that carry our zones besides our own."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that have to show a change before it counts as published."""

    async def notify(self, server: str, zone: str) -> bool:
        """Whether the server was told of a change and said so."""

    async def serial_at(self, server: str, zone: str) -> int | None:
        """The serial of ours that the server gives; None where it does not answer or has no such zone."""


class NoOthers:
    """No server but our own."""

    names: tuple[str, ...] = ()

    async def notify(self, server: str, zone: str) -> bool:
        """False: there is none to tell."""
        return False

    async def serial_at(self, server: str, zone: str) -> int | None:
        """None: there is none to ask."""
        return None
