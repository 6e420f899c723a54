"""The words in which a scenario is told: steps, what is expected of them, and what happens in between.

Rule: data only. Texts may hold `$name`; the driver fills them in from what it knows and what steps kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAIN = "us-east-1"
V1, V2 = "ses", "sesv2"


@dataclass(frozen=True)
class Like:
    """A text that this pattern matches from end to end."""

    pattern: str

    def fits(self, value: object) -> bool:
        """Whether the value is such a text."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Tokens:
    """Three different DNS tokens; those that a step has kept, where `kept` names them."""

    kept: str = ""


@dataclass(frozen=True)
class Moment:
    """A time, in whichever form the client gives times."""


@dataclass(frozen=True)
class Absent:
    """A member that must not be there."""


@dataclass(frozen=True)
class Has:
    """A list that holds, among others, exactly one element for each of these, in any order."""

    elements: tuple[Any, ...]
    alone: bool = False


TOKENS, MOMENT, ABSENT = Tokens(), Moment(), Absent()


@dataclass(frozen=True)
class Refused:
    """An error: its name, its HTTP status, and its sentence, or a `Like` of it."""

    name: str
    message: str | Like
    status: int = 400


@dataclass(frozen=True)
class Step:
    """One call of an operation, and what is expected of it.

    `keep` maps names to paths in the answer, for later steps. `after` names steps without which this one
    makes no sense: where one of them could not be made, this one is not made either. `needs` names further
    operations that it calls.
    """

    name: str
    operation: str
    input: Mapping[str, Any]
    expect: Mapping[str, Any] | Refused = field(default_factory=dict)
    region: str = MAIN
    keep: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    service: str = V2

    @property
    def called(self) -> str:
        """The operation's name, with its API where that is the older one."""
        return self.operation if self.service == V2 else f"{self.service}:{self.operation}"


@dataclass(frozen=True)
class World:
    """Something that happens beside the client: an owner publishes, time passes, mail is read.

    `what` is a method of the driver's stage, by name.
    """

    what: str
    given: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()


Scene = Step | World


def proven(domain: str) -> tuple[World, ...]:
    """The owner publishes what is asked, and time passes until it has been seen twice, or once more."""
    waits = (World("advance", {"by": by}) for by in ("6s", "10s", "60s"))
    return (World("publish", {"domain": domain}), *waits)
