"""The SES API v2 over HTTP, as a plain ASGI 3 application.

Rule: one way through for every request: route (for the body's limit only) → the signature's form, date and
scope → the access key → the body → the signature → the operation → one log line. Nothing of a request is
acted on before its signature is proven. Every answer is JSON with a request id.
References: rest-json as botocore reads it: `x-amzn-RequestId`, `x-amzn-ErrorType`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.errors import Refusal
from mailseal.core.sharing import SHARE_PATH
from mailseal.service.once import CallId, OnceStore, call_id
from mailseal.service.world import World
from mailseal.sesv2 import intake, sigv4
from mailseal.sesv2.admission import Admission, Arrived, new_request_id
from mailseal.sesv2.asked import Asked
from mailseal.sesv2.calls import MUTATING, SERVICE, UNSTORED, UseCases, answer_of, perform
from mailseal.sesv2.errors import WireError, wire_error, wire_fault
from mailseal.sesv2.operations import Operation, find, named
from mailseal.sesv2.replays import Replays
from mailseal.telemetry import Request, Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, intake.Receive, Send], Awaitable[None]]

TOO_LARGE, UNAVAILABLE = 413, 503
_SHARE_PATH = SHARE_PATH.encode()
NATIVE_PATHS = (b"/mailseal/", b"/healthz", b"/readyz")


@dataclass(slots=True)
class _Finished:
    """What the log line of one request says, as it becomes known. No secret gets in here."""

    request_id: str
    method: str
    at: datetime
    status: int = 500
    operation: Operation | None = None
    identity: str | None = None
    principal: Principal | None = None
    error: str | None = None
    fault: Exception | None = field(default=None, repr=False)

    def names(self, identity: str) -> None:
        """The identity that the request is about."""
        self.identity = identity


class _Edge:
    """Where every refusal and fault of a request ends and becomes an answer."""

    def __init__(self, finished: _Finished) -> None:
        self.finished = finished
        self.content = b""
        self.client_is_gone = False

    def __enter__(self) -> _Edge:
        return self

    def __exit__(self, kind: object, raised: BaseException | None, where: object) -> bool:
        if raised is None:
            self.finished.status = 200
        elif isinstance(raised, intake.Disconnected):
            self.client_is_gone = True
        elif isinstance(raised, Refusal):
            self._tell(wire_error(raised))
        elif isinstance(raised, Exception):
            self.finished.fault = raised
            self._tell(wire_fault())
        else:
            return False
        return True

    def _tell(self, error: WireError) -> None:
        self.finished.status, self.finished.error, self.content = error.status, error.name, error.body


class SesApi:
    """The application; holds what has to be remembered between requests, all of it bounded."""

    def __init__(
        self,
        world: World,
        telemetry: Telemetry,
        native: Application,
        use_cases: UseCases[World] = SERVICE,
        *,
        admission: Admission | None = None,
        query_api: Application | None = None,
        console: Application | None = None,
    ) -> None:
        self._world = world
        self._telemetry = telemetry
        self._native = native
        self._use_cases = use_cases
        self._admission = admission or Admission(world)
        self._query_api = query_api
        self._console = console
        self._replays = Replays()

    async def __call__(self, scope: Scope, receive: intake.Receive, send: Send) -> None:
        """Answers one request; paths of our own go to the native application, as does the lifespan, and
        what the query API of SES's version 1 is asked goes there."""
        if self._console is not None and scope["type"] == "http" and _is_for_people(scope):
            await self._console(scope, receive, send)
            return
        if scope["type"] != "http" or scope["raw_path"].startswith(NATIVE_PATHS):
            await self._native(scope, receive, send)
            return
        if scope["raw_path"] == b"/" and self._query_api is not None and _is_query(scope):
            await self._query_api(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        finished = _Finished(new_request_id(), scope["method"], self._world.clock.real_now())
        with _Edge(finished) as edge:
            edge.content = await self._answer(scope, receive, finished)
        if not edge.client_is_gone:
            await _respond(send, finished, edge.content)
            self._tell(finished, loop.time() - began)

    def _tell(self, finished: _Finished, seconds: float) -> None:
        if finished.fault is not None:
            self._telemetry.fault("sesv2", finished.fault, request_id=finished.request_id)
        who = finished.principal
        self._telemetry.request(
            Request(
                at=finished.at,
                request_id=finished.request_id,
                operation=finished.operation or "unknown",
                method=finished.method,
                status=finished.status,
                seconds=seconds,
                identity=finished.identity,
                account=who.account_id if who else None,
                region=who.region if who else None,
                access_key_id=who.access_key_id if who else None,
                error=finished.error,
            )
        )

    async def _answer(self, scope: Scope, receive: intake.Receive, finished: _Finished) -> bytes:
        target = sigv4.Target(scope["method"], scope["raw_path"], scope["query_string"])
        arrived = Arrived(target, scope["headers"], finished.at)
        asked_for = find(target.method, target.raw_path)
        finished.operation = asked_for.operation
        admitted = await self._admission.admitted(arrived, receive, asked_for.body_limit)
        who, body = admitted.who, admitted.body
        finished.principal = who
        # SES's rate, too, is for everything but sending.
        if asked_for.operation is not Operation.SEND_EMAIL:
            self._admission.within_rate(admitted, finished.at)
        found = named(asked_for)
        finished.identity = found.identity
        asked = Asked(
            self._world,
            who,
            self._world.clock.now(),
            found.operation,
            target.method,
            found.identity or "",
            target.query,
            body.content,
            finished.names,
            found.other or "",
        )
        invocation = arrived.invocation_id()
        if not invocation or found.operation not in MUTATING:
            return await perform(self._use_cases, asked)
        call = call_id(who.access_key_id, invocation, target.method, target.raw_path, body.sha256)
        return await self._once(call, asked, finished.at)

    async def _once(self, call: CallId, asked: Asked[World], at: datetime) -> bytes:
        """The answer of a call that may have been made before."""
        if asked.operation in UNSTORED:
            return await self._replays.remembered(call, at, partial(perform, self._use_cases, asked))

        async def work(store: OnceStore) -> bytes:
            return await perform(self._use_cases, replace(asked, world=replace(asked.world, store=store)))

        told = partial(answer_of, asked.operation)
        return await self._replays.stored(self._world.store, call, at, told, work)


def _is_query(scope: Scope) -> bool:
    """Whether a request for the root is for the query API: a form is posted, or the query has an action."""
    return scope["method"] == "POST" or b"Action=" in scope["query_string"]


def _is_for_people(scope: Scope) -> bool:
    """Whether a request is for pages: by its path, or a browser's for the root."""
    path: bytes = scope["raw_path"]
    if path == b"/":
        wants_page = b"text/html" in dict(scope["headers"]).get(b"accept", b"")
        return scope["method"] == "GET" and wants_page and not _is_query(scope)
    return path == b"/console" or path.startswith((b"/console/", _SHARE_PATH))


async def _respond(send: Send, finished: _Finished, content: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"x-amzn-requestid", finished.request_id.encode()),
    ]
    if finished.error is not None:
        headers.append((b"x-amzn-errortype", finished.error.encode()))
    if finished.status == UNAVAILABLE:
        headers.append((b"retry-after", b"5"))
    if finished.status == TOO_LARGE:
        # The rest of that body is not wanted on this connection.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": finished.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
