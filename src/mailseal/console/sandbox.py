"""Asking the sandbox that the console belongs to, through the same paths that its command line asks.

Rule: the console knows no sandbox but by this application, which answers JSON or the bytes of a message.
References: docs/operating.md.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from mailseal.core.access import Principal

Application = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
_PREFIX = "/mailseal/v1/sandbox/"


@dataclass(frozen=True, slots=True)
class SandboxFace:
    """The sandbox's own application, asked from within."""

    application: Application

    async def ask(
        self,
        who: Principal,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The members of its answer; raises Refusal."""
        found: dict[str, Any] = json.loads(await self.raw(who, method, path, query=query, body=body))
        return found

    async def raw(
        self,
        who: Principal,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Its answer's body; raises Refusal."""
        parts: list[bytes] = []

        async def receive() -> MutableMapping[str, Any]:
            content = b"" if body is None else json.dumps(body).encode()
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            parts.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": method,
            "raw_path": (_PREFIX + quote(path)).encode(),
            "query_string": urlencode(query or {}).encode(),
            "headers": [],
            "state": {"principal": who},
        }
        await self.application(scope, receive, send)
        return b"".join(parts)
