"""Answering a question where no server runs: the native API over the database itself, for one request.

Rule: the database's lock keeps a server out meanwhile, and this out where one runs; the same application
answers as behind the control socket.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from mailseal.app.inside import Edges, open_inside
from mailseal.cli.questions import Answer, Question
from mailseal.config import Config
from mailseal.native.http import NativeApi, Trusted


def answer(config: Config, question: Question, account: str | None, region: str | None) -> Answer:
    """The answer; raises SetupError or StartRefused where the installation does not open."""
    return asyncio.run(_answer(config, question, account, region))


async def _answer(config: Config, question: Question, account: str | None, region: str | None) -> Answer:
    async with AsyncExitStack() as parts:
        inside = await open_inside(config, Edges(), parts, holder="a mailseal command")
        native = NativeApi(inside.world, inside.telemetry, trusted=Trusted(account or inside.account))
        target = question.target
        headers = [(b"mailseal-region", region.encode())] if region else []
        scope: dict[str, Any] = {
            "type": "http",
            "method": target.method,
            "raw_path": target.raw_path,
            "query_string": target.query,
            "headers": headers,
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": question.content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await native(scope, receive, send)
        return Answer(sent[0]["status"], sent[1]["body"], "")
