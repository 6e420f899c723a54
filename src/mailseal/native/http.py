"""The native API over HTTP, as a plain ASGI 3 application: `/mailseal/v1/…`, `/healthz` and `/readyz`.

Rule: whoever asks over the control socket is trusted, everybody else signs with SigV4 as for SES; either way
there is one way through. Nothing of a request is acted on before its sender is known.
References: docs/glossary.md; RFC 9110 §8.6.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from mailseal.core.access import Principal, check_region
from mailseal.core.bearer import parse_bearer
from mailseal.core.errors import BadRequest, Refusal
from mailseal.native import access, bearer, calls, linkpage, operators, retiredpage, sharing
from mailseal.native.handing import Text
from mailseal.native.openapi import openapi_document
from mailseal.native.refusals import NoSuchPath, Told, told_fault, told_refusal
from mailseal.native.routes import Call, Route
from mailseal.service import admit
from mailseal.service.bearer import admit_bearer
from mailseal.service.readiness import not_ready
from mailseal.service.world import World
from mailseal.sesv2 import sigv4
from mailseal.telemetry import Request, Telemetry

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = b"/mailseal/v1/"
SANDBOX = b"/mailseal/v1/sandbox/"
DECLARED = (*calls.ROUTES, *access.ROUTES, *bearer.ROUTES, *operators.ROUTES, *sharing.ROUTES)
_ROUTES = {(route.method, route.shape): route for route in DECLARED}
HEALTHY = b'{"status":"ok"}'
_BODY_AT_MOST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trusted:
    """For the control socket: who asks is the operator, and names the account, or gets this one."""

    account_id: str


@dataclass(slots=True)
class _Done:
    """What is known of a request at its end."""

    request_id: str
    operation: str = "native"
    name: str | None = None
    who: Principal | None = None
    told: Told | None = None
    fault: Exception | None = field(default=None, repr=False)
    begun: bool = False
    """Whether an answer that is written as it is made is on its way already."""

    def __enter__(self) -> _Done:
        return self

    def __exit__(self, kind: object, raised: BaseException | None, where: object) -> bool:
        """Every refusal and fault of a request ends here and becomes an answer."""
        if raised is None:
            return True
        if isinstance(raised, Refusal):
            self.told = told_refusal(raised, self.request_id)
        elif isinstance(raised, Exception):
            self.fault, self.told = raised, told_fault(self.request_id)
        return isinstance(raised, Exception)


class NativeApi:
    """The application; `sandbox` gets the paths below /mailseal/v1/sandbox/, its caller known."""

    def __init__(
        self,
        world: World,
        telemetry: Telemetry,
        *,
        trusted: Trusted | None = None,
        sandbox: Application | None = None,
        gate: admit.Gate | None = None,
    ) -> None:
        self._world = world
        self._telemetry = telemetry
        self._trusted = trusted
        self._sandbox = sandbox
        self._gate = gate or admit.Gate()
        self._derived = sigv4.DerivedKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; has nothing to do at start and stop."""
        if scope["type"] != "http":
            return
        loop = asyncio.get_running_loop()
        began, at = loop.time(), self._world.clock.real_now()
        done = _Done(str(uuid.uuid4()))
        if scope["raw_path"].startswith(linkpage.PREFIX):
            await self._answer_link(scope, send, done, at, began)
            return
        if scope["raw_path"].startswith(retiredpage.PREFIX):
            await self._answer_retired(scope, send, done)
            return
        content = b""
        with done:
            answer = await self._answer(scope, receive, send, done)
            if answer is None:
                return
            content = answer
        if done.begun and done.fault is not None:
            # Cut off in the middle it is no answer, which the client can see by its length.
            self._telemetry.fault(done.operation, done.fault, request_id=done.request_id)
            return
        status = done.told.status if done.told else 200
        await respond(send, status, done.told.body if done.told else content, done.request_id)
        if done.fault is not None:
            self._telemetry.fault(done.operation, done.fault, request_id=done.request_id)
        if scope["method"] != "GET" or status >= 500:
            self._tell(scope["method"], done, at, status, loop.time() - began)

    async def _answer_link(self, scope: Scope, send: Send, done: _Done, at: datetime, began: float) -> None:
        """The page for whoever was mailed a link; the link itself is the permission."""
        done.operation = "UseLink"
        status = 500
        with done:
            status, done.name = await linkpage.answer_link(
                self._world, scope["method"], scope["raw_path"], send
            )
        if done.fault is not None:
            self._telemetry.fault(done.operation, done.fault, request_id=done.request_id)
        if scope["method"] == "POST" or status >= 500:
            self._tell(scope["method"], done, at, status, asyncio.get_running_loop().time() - began)

    async def _answer_retired(self, scope: Scope, send: Send, done: _Done) -> None:
        """The page of retired keys, which is for everybody."""
        done.operation = "ShowRetiredKeys"
        with done:
            await retiredpage.answer_retired(self._world, scope["method"], scope["raw_path"], send)
        if done.fault is not None:
            self._telemetry.fault(done.operation, done.fault, request_id=done.request_id)
            await respond(send, 500, told_fault(done.request_id).body, done.request_id)

    def _tell(self, method: str, done: _Done, at: datetime, status: int, seconds: float) -> None:
        who = done.who
        self._telemetry.request(
            Request(
                at,
                done.request_id,
                done.operation,
                method,
                status,
                seconds,
                identity=done.name,
                account=who.account_id if who else None,
                region=who.region if who else None,
                access_key_id=who.access_key_id if who else None,
                error=done.told.code if done.told else None,
            )
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send, done: _Done) -> bytes | None:
        """The answer's body, or None where it was sent already."""
        path: bytes = scope["raw_path"]
        if path == b"/healthz":
            return HEALTHY
        if path == b"/readyz":
            lacking = await not_ready(self._world)
            done.told = Told(503, "not ready", format_readiness(lacking)) if lacking else None
            return HEALTHY
        if path == PREFIX + b"openapi.json" and scope["method"] == "GET":
            return _document()
        found = None if path.startswith(SANDBOX) else _route(scope["method"], path, done)
        who, body = await self._admitted(scope, receive)
        done.who = who
        if found is None:
            if self._sandbox is None:
                raise NoSuchPath("This installation is not a sandbox.")
            scope.setdefault("state", {})["principal"] = who
            await self._sandbox(scope, _replayed(body), send)
            return None
        route, name, other = found
        # What has no action is the operator's alone, and says so itself.
        for action in route.actions:
            admit.permit(who, action, name or None)
        query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace")))
        members = await route.handler(
            Call(self._world, who, self._world.clock.now(), name, query, body, other)
        )
        if isinstance(members, Text):
            await _stream(send, members, done)
            return None
        done.name = done.name or members.get("identity")
        return json.dumps(members, ensure_ascii=False).encode()

    async def _admitted(self, scope: Scope, receive: Receive) -> tuple[Principal, bytes]:
        """Who asks, and the whole body; raises a NotAuthenticated."""
        headers: sigv4.Headers = scope["headers"]
        if self._trusted is not None:
            named = dict(headers)
            account = named.get(b"mailseal-account", b"").decode("latin-1") or self._trusted.account_id
            region = _region(headers, self._world.regions)
            return Principal(account, region, "control", is_operator=True), await _read(receive)
        at = self._world.clock.real_now()
        token = parse_bearer(dict(headers).get(b"authorization", b"").decode("latin-1"))
        if token is not None:
            region = _region(headers, self._world.regions)
            who = await admit_bearer(self._world, self._gate, token, region, at)
            return who, await _read(receive)
        claim = sigv4.parse_claim(headers, scope["query_string"])
        sigv4.check_service(claim)
        check_region(claim.region, self._world.regions)
        sigv4.check_time(claim, at)
        key = await self._gate.find(self._world, claim.access_key_id)
        body = await _read(receive)
        target = sigv4.Target(scope["method"], scope["raw_path"], scope["query_string"])
        proves = partial(self._proves, claim, target, headers, hashlib.sha256(body).hexdigest())
        who = self._gate.admit(key, claim.access_key_id, claim.region, proves)
        self._gate.within_rate(key, claim.region, at)
        # A sandbox belongs to whoever may use it.
        return replace(who, is_operator=self._sandbox is not None), body

    def _proves(
        self, claim: sigv4.Claim, target: sigv4.Target, headers: sigv4.Headers, digest: str, secret: str
    ) -> bool:
        derived = self._derived.derived(secret, claim.date, claim.region)
        return sigv4.proves(claim, target, headers, digest, derived)


def format_readiness(lacking: Mapping[str, str]) -> bytes:
    """The answer of /readyz: what is not ready, and why."""
    return json.dumps({"status": "not ready", "not_ready": dict(lacking)}).encode() if lacking else HEALTHY


@cache
def _document() -> bytes:
    """The OpenAPI document, which is for everybody."""
    return json.dumps(openapi_document(DECLARED), ensure_ascii=False).encode()


def _route(method: str, path: bytes, done: _Done) -> tuple[Route, str, str]:
    """What is declared for a path, and the names in it, each decoded once; raises NoSuchPath."""
    pieces = path.removeprefix(PREFIX).split(b"/") if path.startswith(PREFIX) else []
    shape = tuple("{}" if at % 2 else piece.decode("latin-1") for at, piece in enumerate(pieces))
    route = _ROUTES.get((method, shape))
    if route is None:
        raise NoSuchPath("The native API has nothing at this method and path.")
    done.operation = route.operation
    names = [_decoded(piece) for piece in pieces[1::2]]
    done.name = names[0] if names else None
    name, other = (*names, "", "")[:2]
    return route, name, other


def _region(headers: sigv4.Headers, served: tuple[str, ...]) -> str:
    """The region that a request without a signature names, or the first; raises SignatureDoesNotMatch."""
    region = dict(headers).get(b"mailseal-region", b"").decode("latin-1") or served[0]
    check_region(region, served)
    return region


def _decoded(piece: bytes) -> str:
    name = unquote_to_bytes(piece).decode("utf-8", "replace")
    if not name or not name.isprintable() or "/" in name:
        raise BadRequest("The identity's name in the path is not one.")
    return name


async def _read(receive: Receive) -> bytes:
    """The body; raises BadRequest above 1 MiB or where the client leaves."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequest("The request ended before its body did.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_AT_MOST:
            raise BadRequest(f"The body is longer than {_BODY_AT_MOST} bytes.")
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes) -> Receive:
    """A `receive` that gives a body which was read already."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _stream(send: Send, text: Text, done: _Done) -> None:
    """Sends a text piece by piece, as it is made; a refusal comes before the first one."""
    headers = [
        (b"content-type", f"{text.media_type}; charset=utf-8".encode()),
        (b"content-disposition", f'attachment; filename="{text.file_name}"'.encode()),
        (b"mailseal-request-id", done.request_id.encode()),
    ]
    async for piece in text.pieces:
        if not done.begun:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            done.begun = True
        await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def respond(send: Send, status: int, body: bytes, request_id: str) -> None:
    """Sends one JSON answer."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"mailseal-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
