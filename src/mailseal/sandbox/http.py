"""The sandbox's paths over HTTP, as a plain ASGI 3 application that the native API hands its requests to.

Rule: who asks is known before a request gets here; a refusal is raised, and told by whoever called.
References: docs/operating.md.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from mailseal.core.errors import NotFound
from mailseal.sandbox.face import Call, Sandbox, find_answer, parse_body

PREFIX = b"/mailseal/v1/sandbox/"
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SandboxApi:
    """The application; the sandbox is put in once it runs."""

    def __init__(self) -> None:
        self.sandbox: Sandbox | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request of a principal that stands in the scope's state."""
        path = unquote_to_bytes(scope["raw_path"].removeprefix(PREFIX)).decode("utf-8", "replace")
        found = find_answer(scope["method"], path)
        if found is None or self.sandbox is None:
            raise NotFound("The sandbox has nothing at this method and path.")
        answer, rest = found
        query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace")))
        body = parse_body((await receive()).get("body", b""))
        said = await answer(self.sandbox, Call(scope["state"]["principal"], rest, query, body))
        if isinstance(said, bytes):
            await _send(send, b"message/rfc822", said)
        else:
            await _send(send, b"application/json", json.dumps(said, ensure_ascii=False).encode())


async def _send(send: Send, kind: bytes, content: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
