"""The SES API v2 over HTTP, as a plain ASGI 3 application.

Rule: one way through for every request: route (for the body's limit only) → the signature's form, date and
scope → the access key → the body → the signature → the operation → one log line. Nothing of a request is
acted on before its signature is proven. Every answer is JSON with a request id.
References: rest-json as botocore reads it: `x-amzn-RequestId`, `x-amzn-ErrorType`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from mailseal.core.access import Principal, check_region
from mailseal.core.errors import Refusal
from mailseal.service import admit
from mailseal.service.world import World
from mailseal.sesv2 import intake, sigv4
from mailseal.sesv2.calls import MUTATING, SERVICE, Asked, UseCases, perform
from mailseal.sesv2.errors import WireError, wire_error, wire_fault
from mailseal.sesv2.operations import Operation, Route, route
from mailseal.sesv2.replays import Replays
from mailseal.telemetry import Request, Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, intake.Receive, Send], Awaitable[None]]

LONGEST_INVOCATION_ID = 128
TOO_LARGE = 413
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
        gate: admit.Gate | None = None,
    ) -> None:
        self._world = world
        self._telemetry = telemetry
        self._native = native
        self._use_cases = use_cases
        self._gate = gate or admit.Gate()
        self._derived = sigv4.DerivedKeys()
        self._room = intake.Room()
        self._replays = Replays()

    async def __call__(self, scope: Scope, receive: intake.Receive, send: Send) -> None:
        """Answers one request; paths of our own go to the native application, as does the lifespan."""
        if scope["type"] != "http" or scope["raw_path"].startswith(NATIVE_PATHS):
            await self._native(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        finished = _Finished(_request_id(), scope["method"], self._world.clock.real_now())
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
        headers: sigv4.Headers = scope["headers"]
        found = route(target.method, target.raw_path)
        finished.operation, finished.identity = found.operation, found.identity
        claim = self._claim(target, headers, finished.at)
        who, body = await self._admitted(found, claim, target, headers, receive, finished)
        finished.principal = who
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
        )
        work = partial(perform, self._use_cases, asked)
        invocation = _invocation_id(headers)
        if invocation and found.operation in MUTATING:
            call = (who.access_key_id, invocation, target.method, target.raw_path, body.sha256)
            return await self._replays.answer(call, finished.at, work)
        return await work()

    def _claim(self, target: sigv4.Target, headers: sigv4.Headers, at: datetime) -> sigv4.Claim:
        claim = sigv4.parse_claim(headers, target.query)
        sigv4.check_service(claim)
        check_region(claim.region, self._world.regions)
        sigv4.check_time(claim, at)
        return claim

    async def _admitted(
        self,
        found: Route,
        claim: sigv4.Claim,
        target: sigv4.Target,
        headers: sigv4.Headers,
        receive: intake.Receive,
        finished: _Finished,
    ) -> tuple[Principal, intake.Body]:
        key = await self._gate.find(self._world, claim.access_key_id)
        length = intake.declared_length(headers)
        aside = intake.check_length(length, found.body_limit, key is not None)
        body = intake.EMPTY
        if aside:
            await self._room.take(aside)
        try:
            if aside:
                body = await intake.read_body(receive, aside)
            proves = partial(self._proves, claim, target, headers, body)
            who = self._gate.admit(key, claim.access_key_id, claim.region, proves)
        finally:
            if aside:
                self._room.give_back(aside)
        # SES's rate, too, is for everything but sending.
        if found.operation is not Operation.SEND_EMAIL:
            self._gate.within_rate(key, claim.region, finished.at)
        return who, body

    def _proves(
        self, claim: sigv4.Claim, target: sigv4.Target, headers: sigv4.Headers, body: intake.Body, secret: str
    ) -> bool:
        derived = self._derived.derived(secret, claim.date, claim.region)
        return sigv4.proves(claim, target, headers, body.sha256, derived)


def _request_id() -> str:
    """A random (version 4) UUID, without the seven microseconds that Python's class for it takes."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _invocation_id(headers: sigv4.Headers) -> str:
    for name, value in headers:
        if name == b"amz-sdk-invocation-id" and len(value) <= LONGEST_INVOCATION_ID:
            return value.decode("latin-1")
    return ""


async def _respond(send: Send, finished: _Finished, content: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"x-amzn-requestid", finished.request_id.encode()),
    ]
    if finished.error is not None:
        headers.append((b"x-amzn-errortype", finished.error.encode()))
    if finished.status == TOO_LARGE:
        # The rest of that body is not wanted on this connection.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": finished.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
