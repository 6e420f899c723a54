"""What the doctor looks at beside the world's neighbours, and how it sees a query arrive.

Rule: filled once, at the start; only the doctor reads it.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailseal.core.doctor import ClockState, Signer
from mailseal.core.observations import Observation, Question


class Prober(Protocol):
    """Asks servers that the operator named, and the root."""

    async def ask_server(
        self, address: str, port: int, question: Question, *, stream: bool = False
    ) -> Observation: ...

    async def ask_roots(self) -> tuple[Observation, ...]: ...


class Arrivals:
    """Where our name server listens, and which expected names it was asked for."""

    def __init__(self) -> None:
        self.listening: tuple[tuple[str, int], ...] = ()
        self._expected: dict[str, asyncio.Event] = {}

    def expect(self, owner: str) -> asyncio.Event:
        """Set when our name server is asked for that name; `forget` it afterwards."""
        return self._expected.setdefault(owner, asyncio.Event())

    def forget(self, owner: str) -> None:
        """Nobody waits for that name any more."""
        self._expected.pop(owner, None)

    def note(self, owner: str) -> None:
        """Our name server was asked for a name."""
        if self._expected and owner in self._expected:
            self._expected[owner].set()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The operator's side of an installation."""

    name_servers: tuple[str, ...]
    addresses: Mapping[str, tuple[str, ...]]
    asks_authorities: bool
    prober: Prober
    read_clock: Callable[[], ClockState]
    free_bytes: Callable[[], int]
    master_key_risk: Callable[[], str]
    """What is unsafe about where the master key lies; empty where nothing is."""
    next_hop: str
    next_hop_answers: Callable[[], Awaitable[str | None]]
    signer: Callable[[], Signer]
    arrivals: Arrivals = field(default_factory=Arrivals)
