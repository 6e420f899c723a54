"""How a path of the native API is declared: what serves it, what it takes and what it gives.

Rule: the declaration is the only one: requests are routed by it, permissions asked by it, and the OpenAPI
document made of it. In a path nouns and names take turns.
References: OpenAPI Specification 3.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailseal.core.access import Principal
from mailseal.native.handing import Text
from mailseal.native.objects import Members
from mailseal.service.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request: by whom, when, about which identity, with what.

    `name` is the first name in the path, `other` the second.
    """

    world: World
    who: Principal
    now: datetime
    name: str
    query: Mapping[str, str]
    body: bytes
    other: str = ""


Handler = Callable[[Call], Awaitable[Members | Text]]


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query, with its JSON Schema."""

    name: str
    says: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path below /mailseal/v1/, names in braces."""

    method: str
    path: str
    operation: str
    """The word of its log line and of the document."""
    handler: Handler
    answer: Any
    """The type that describes the answer's object."""
    body: Any = None
    query: tuple[Query, ...] = ()
    actions: tuple[str, ...] = ()
    """What an access key has to be allowed, in SES's words; none where the function asks by itself."""

    @property
    def shape(self) -> tuple[str, ...]:
        """The path's pieces, `{}` for a name."""
        return tuple("{}" if piece.startswith("{") else piece for piece in self.path.split("/"))
