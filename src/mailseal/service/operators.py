"""What the service needs of the store about operators and their sessions.

Rule: Protocols only, satisfied by shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mailseal.core.operators import Operator, Session


class Operators(Protocol):
    """Operators by name, and the sessions of the console."""

    def load(self, name: str) -> Operator | None: ...

    def list(self) -> Sequence[Operator]: ...

    def save(self, operator: Operator) -> None:
        """Keeps an operator, whether or not the name was there before."""

    def delete(self, name: str) -> bool:
        """Whether there was one; the sessions go along."""

    def begin(self, session: Session) -> None: ...

    def session(self, secret_hash: str) -> Session | None: ...

    def see(self, secret_hash: str, at: datetime) -> None: ...

    def end(self, secret_hash: str) -> None: ...

    def end_all(self, name: str) -> None: ...

    def forget(self, began_before: datetime, seen_before: datetime) -> None:
        """Ends the sessions that are over by either limit."""
