"""One admitted request as the operations see it, and the parameters of its query.

Rule: nothing is decided here; a query is decoded exactly once.
References: rest-json, in which members of some operations stand in the query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest
from mailseal.sesv2.operations import Operation

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Asked(Generic[W]):
    """One admitted request: by whom, when, for what."""

    world: W
    who: Principal
    now: datetime
    operation: Operation
    method: str
    identity: str
    query: bytes
    body: bytes
    names: Callable[[str], None]
    """Is told the identity's name where it stands in the body, for the request's line."""
    other: str = ""
    """What the path names besides the identity: a policy, a configuration set."""


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The query's parameters in their order, decoded once; raises BadRequest for what is not UTF-8."""
    found = []
    for part in query.split(b"&"):
        raw_name, _, raw_value = part.partition(b"=")
        try:
            name, value = (unquote_to_bytes(raw).decode("utf-8") for raw in (raw_name, raw_value))
        except UnicodeDecodeError:
            raise BadRequest("The query is not percent-encoded UTF-8.") from None
        if name:
            found.append((name, value))
    return found


def parameters(query: bytes) -> dict[str, str]:
    """The query's parameters by name; raises BadRequest for one that stands twice or is not UTF-8."""
    found: dict[str, str] = {}
    for name, value in pairs(query):
        if name in found:
            raise BadRequest("A parameter stands in the query twice.")
        found[name] = value
    return found
