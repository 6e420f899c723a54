"""What was sent and what was acknowledged, as the judge of every crash test.

Rule: after a crash a subject stands where its last acknowledged change left it, or where the one change put
it that was sent and not answered: acknowledged ⊆ found ⊆ sent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass
class Account(Generic[S]):
    """One subject that one client changes, one change after the other."""

    acknowledged: S
    pending: S | None = None
    changes: int = 0

    def send(self, state: S) -> None:
        """A change is on its way that leads to `state`."""
        assert self.pending is None, "one change at a time"
        self.pending = state

    def acknowledge(self) -> None:
        """The change on its way was acknowledged."""
        assert self.pending is not None
        self.acknowledged, self.pending = self.pending, None
        self.changes += 1

    def refuse(self) -> None:
        """The change on its way was refused: it must not have happened."""
        self.pending = None

    def judge(self, found: S) -> str | None:
        """What is wrong with the state found after a crash, or None; goes on from there."""
        allowed = {self.acknowledged} if self.pending is None else {self.acknowledged, self.pending}
        wrong = (
            None
            if found in allowed
            else f"found {found}, acknowledged {self.acknowledged}, sent {self.pending}"
        )
        self.acknowledged, self.pending = found, None
        return wrong


@dataclass
class Ledger(Generic[S]):
    """The accounts of all subjects."""

    accounts: dict[str, Account[S]] = field(default_factory=dict)

    def open(self, subject: str, state: S) -> Account[S]:
        """The account of a subject, which stands at `state` where it is new."""
        return self.accounts.setdefault(subject, Account(state))

    @property
    def acknowledged(self) -> int:
        """How many changes were acknowledged so far."""
        return sum(account.changes for account in self.accounts.values())

    def judge(self, find: Callable[[str], S]) -> list[str]:
        """What is wrong after a crash, a line for each subject that is not where it may be."""
        wrong = {subject: account.judge(find(subject)) for subject, account in self.accounts.items()}
        return [f"{subject}: {text}" for subject, text in wrong.items() if text]
