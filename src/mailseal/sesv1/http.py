"""SES's query API (2010-12-01) over HTTP, as a plain ASGI 3 application for the path `/`.

Rule: the way in is that of the API v2 (`sesv2.admission`); the form is read once its signature is proven, and
only then is it known which action it asks for. Every answer is XML with a request id. A call made again is
answered from memory; after a crash it runs again, which all actions but sending take without a second effect.
References: AWS query protocol as botocore reads it; AWS SES API Reference (2010-12-01).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest, Refusal
from mailseal.service.once import call_id
from mailseal.service.world import World
from mailseal.sesv1 import answers
from mailseal.sesv1.calls import READING, SENDING, Asked, action_of, perform
from mailseal.sesv1.errors import WireError, wire_error, wire_fault
from mailseal.sesv1.forms import parse_form
from mailseal.sesv1.shapes import Action
from mailseal.sesv2 import intake, sigv4
from mailseal.sesv2.admission import Admission, Admitted, Arrived, new_request_id
from mailseal.sesv2.errors import BodyTooLarge
from mailseal.sesv2.operations import MESSAGE_BODY, SMALL_BODY
from mailseal.sesv2.replays import Replays
from mailseal.telemetry import Request, Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TOO_LARGE, UNAVAILABLE = 413, 503
LONGEST_SHOWN = 320
"""Characters of an identity's name in a line."""


@dataclass(slots=True)
class _Finished:
    """What the log line of one request says, as it becomes known. No secret gets in here."""

    request_id: str
    method: str
    at: datetime
    action: Action | None = None
    identity: str | None = None
    principal: Principal | None = None
    error: WireError | None = None
    fault: Exception | None = field(default=None, repr=False)
    client_is_gone: bool = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.error.status if self.error else 200

    def names(self, identity: str) -> None:
        """The identity that the request is about."""
        self.identity = identity[:LONGEST_SHOWN]


class _Edge:
    """Where every refusal and fault of a request ends and becomes an answer."""

    def __init__(self, finished: _Finished) -> None:
        self._finished = finished

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, raised: BaseException | None, where: object) -> bool:
        if isinstance(raised, intake.Disconnected):
            self._finished.client_is_gone = True
        elif isinstance(raised, Refusal):
            self._finished.error = wire_error(raised)
        elif isinstance(raised, Exception):
            self._finished.fault, self._finished.error = raised, wire_fault()
        else:
            return raised is None
        return True


class QueryApi:
    """The application; what it remembers between requests is bounded."""

    def __init__(self, world: World, telemetry: Telemetry, admission: Admission) -> None:
        self._world = world
        self._telemetry = telemetry
        self._admission = admission
        self._replays = Replays()

    async def __call__(self, scope: Scope, receive: intake.Receive, send: Send) -> None:
        """Answers one request for the path `/`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        finished = _Finished(new_request_id(), scope["method"], self._world.clock.real_now())
        content = b""
        with _Edge(finished):
            content = await self._answer(scope, receive, finished)
        if finished.client_is_gone:
            return
        if finished.error is not None:
            content = answers.error_response(finished.error, finished.request_id)
        await _respond(send, finished, content)
        self._tell(finished, loop.time() - began)

    async def _answer(self, scope: Scope, receive: intake.Receive, finished: _Finished) -> bytes:
        target = sigv4.Target(scope["method"], scope["raw_path"], scope["query_string"])
        if target.method not in ("POST", "GET"):
            raise BadRequest("The query API is asked by POST or GET.")
        arrived = Arrived(target, scope["headers"], finished.at)
        admitted = await self._admission.admitted(arrived, receive, MESSAGE_BODY)
        finished.principal = admitted.who
        pairs = await _pairs(target, admitted)
        action = finished.action = action_of(pairs)
        if action not in SENDING:
            self._admission.within_rate(admitted, finished.at)
            if len(admitted.body.content) > SMALL_BODY:
                raise BodyTooLarge(f"The request body is longer than {SMALL_BODY} bytes.")
        now = self._world.clock.now()
        work = partial(perform, Asked(self._world, admitted.who, now, action, pairs, finished.names))
        invocation = arrived.invocation_id()
        if invocation and action not in READING:
            who, sent = admitted.who, target.raw_path + b"?" + target.query
            call = call_id(who.access_key_id, invocation, target.method, sent, admitted.body.sha256)
            result = await self._replays.remembered(call, finished.at, work)
        else:
            result = await work()
        return answers.response(action, result, finished.request_id)

    def _tell(self, finished: _Finished, seconds: float) -> None:
        if finished.fault is not None:
            self._telemetry.fault("sesv1", finished.fault, request_id=finished.request_id)
        who = finished.principal
        self._telemetry.request(
            Request(
                at=finished.at,
                request_id=finished.request_id,
                operation=finished.action or "unknown",
                method=finished.method,
                status=finished.status,
                seconds=seconds,
                identity=finished.identity,
                account=who.account_id if who else None,
                region=who.region if who else None,
                access_key_id=who.access_key_id if who else None,
                error=finished.error.code if finished.error else None,
            )
        )


async def _pairs(target: sigv4.Target, admitted: Admitted) -> dict[str, str]:
    """The request's parameters: those of the query, and those of the form where one was posted."""
    body = admitted.body.content if target.method == "POST" else b""
    if len(body) <= SMALL_BODY:
        return parse_form(target.query, body)
    # A second for 56 MiB: in a thread others get their turn in between.
    return await asyncio.to_thread(parse_form, target.query, body)


async def _respond(send: Send, finished: _Finished, content: bytes) -> None:
    headers = [
        (b"content-type", b"text/xml"),
        (b"content-length", b"%d" % len(content)),
        (b"x-amzn-requestid", finished.request_id.encode()),
    ]
    if finished.status == UNAVAILABLE:
        headers.append((b"retry-after", b"5"))
    if finished.status == TOO_LARGE:
        # The rest of that body is not wanted on this connection.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": finished.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
