"""The console as one ASGI application: routes, who may take them, and what becomes of a refusal or a fault.

Rule: everything but the door and the static files needs a session; everything that changes something needs
the form's token as well. Nothing is looked up for anybody before that.
References: docs/decisions/0022-console.md.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mailseal.console import door, layout, session, share
from mailseal.console.routes import PAGES, Rule
from mailseal.console.sandbox import Application, SandboxFace
from mailseal.console.visit import SEE_OTHER, Visit, scoped
from mailseal.core.access import Principal
from mailseal.core.errors import (
    AccessDenied,
    AlreadyExists,
    BadRequest,
    NotAuthenticated,
    NotFound,
    Refusal,
    TooManyRequests,
    Unavailable,
)
from mailseal.service import access
from mailseal.service.signin import enter_sandbox, find_session
from mailseal.service.world import World
from mailseal.telemetry import Request as Line
from mailseal.telemetry import Telemetry

PATHS = (b"/console/", b"/console")
_BODY_AT_MOST = 256 * 1024
_FIELDS_AT_MOST = 50
_STATUS: Mapping[type[Refusal], int] = {
    BadRequest: 400,
    NotFound: 404,
    AlreadyExists: 409,
    AccessDenied: 403,
    TooManyRequests: 429,
    Unavailable: 503,
}
Endpoint = Callable[[Request], Awaitable[Response]]


class NotOurs(NotAuthenticated):
    """A form that did not come from a page of ours, or from a session that is over."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a request at its end."""

    status: int
    title: str
    text: str
    hint: str = ""


class _Edge:
    """Where every refusal and fault of a request ends and becomes a page."""

    def __init__(self, telemetry: Telemetry, request: Request) -> None:
        self._telemetry = telemetry
        self.request = request
        self.request_id = str(uuid.uuid4())
        self.began = time.monotonic()
        self.told: Told | None = None
        self.response = Response(status_code=HTTPStatus.BAD_REQUEST, headers=layout.HEADERS)

    def __enter__(self) -> _Edge:
        return self

    def __exit__(self, kind: object, raised: BaseException | None, where: object) -> bool:
        if raised is None or isinstance(raised, ClientDisconnect):
            return True
        if isinstance(raised, Refusal):
            self.told = _told_refusal(raised)
        elif isinstance(raised, Exception):
            self._telemetry.fault("console", raised, request_id=self.request_id)
            self.told = _told_fault(self.request_id)
        else:
            return False
        self.response = told_page(self.request, self.told)
        return True


class Console:
    """The application; a sandbox's console lets in whoever sits at this machine."""

    def __init__(self, world: World, telemetry: Telemetry, *, sandbox: Application | None = None) -> None:
        self._world = world
        self._telemetry = telemetry
        self._sandbox = None if sandbox is None else SandboxFace(sandbox)
        self._is_secure = world.links.public_url.startswith("https://")
        self.routes = tuple(self._routes())
        self._starlette = Starlette(routes=self.routes, exception_handlers={HTTPException: _no_such_page})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        await self._starlette(scope, receive, send)

    def _routes(self) -> Sequence[Route]:
        own = [
            Route("/", _to_console, methods=["GET"]),
            Route("/console", self._told(self._root), methods=["GET"]),
            Route("/console/", self._told(self._root), methods=["GET"]),
            Route("/console/static/{file}", _static, methods=["GET"]),
            Route(share.ROUTE, self._told(self._show_share), methods=["GET"]),
            Route(share.FILE_ROUTE, self._told(self._give_share), methods=["GET"]),
            Route("/console/sign-in", self._told(self._show_door), methods=["GET"]),
            Route("/console/sign-in", self._told(self._enter), methods=["POST"]),
            Route("/console/sign-out", self._told(self._leave), methods=["POST"]),
            Route("/console/theme", self._told(self._set_theme), methods=["POST"]),
        ]
        scope = "/console/{account}/{region}"
        pages = [Route(f"{scope}/{rule.path}", self._guarded(rule), methods=[rule.method]) for rule in PAGES]
        return [*own, *pages]

    def _told(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with refusals and faults made into pages."""

        async def answer(request: Request) -> Response:
            edge = _Edge(self._telemetry, request)
            with edge:
                edge.response = await endpoint(request)
            self._log(edge)
            return edge.response

        return answer

    def _log(self, edge: _Edge) -> None:
        """A line for whatever may have changed something; the fields of a form are in none."""
        request, status = edge.request, edge.response.status_code
        if request.method == "GET" and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        params = request.path_params
        operator = request.scope.get("operator")
        self._telemetry.request(
            Line(
                self._world.clock.real_now(),
                edge.request_id,
                f"console {request.scope.get('rule', request.url.path)}",
                request.method,
                status,
                time.monotonic() - edge.began,
                identity=params.get("name"),
                account=params.get("account"),
                region=params.get("region"),
                access_key_id=f"operator:{operator}" if operator else None,
                error=edge.told.title if edge.told else None,
            )
        )

    def _guarded(self, rule: Rule) -> Endpoint:
        """A page for whoever is signed in."""

        async def answer(request: Request) -> Response:
            request.scope["rule"] = rule.path
            visit = await self._visit(request)
            if visit is None:
                return await self._to_door(request)
            request.scope["operator"] = visit.operator
            if rule.method != "GET":
                form = await _form(request)
                if not session.is_ours(request, form.get(session.FORM_FIELD, "")):
                    raise NotOurs(
                        "This form was not sent from a page of this session.", hint="Open it again."
                    )
                visit = replace(visit, form=form)
            if rule.sandbox_only and visit.sandbox is None:
                raise NotFound("This installation is not a sandbox.")
            return await rule.page(visit)

        return self._told(answer)

    async def _visit(self, request: Request) -> Visit | None:
        """The request of whoever is signed in, for an account and region that exist; raises NotFound."""
        world, secret = self._world, session.secret_of(request)
        found = await find_session(world, secret, world.clock.real_now()) if secret else None
        if found is None:
            return None
        account, region = request.path_params["account"], request.path_params["region"]
        if region not in world.regions:
            raise NotFound("This installation does not serve that region.")
        await access.show_account(world, account)
        who = Principal(account, region, f"operator:{found.operator}", is_operator=True)
        return Visit(world, request, found.operator, secret, who, world.clock.now(), sandbox=self._sandbox)

    async def _root(self, request: Request) -> Response:
        """To the first page of whoever is signed in; else to the door."""
        world, secret = self._world, session.secret_of(request)
        if not secret or await find_session(world, secret, world.clock.real_now()) is None:
            return await self._to_door(request)
        home = scoped(world.links.operator_account, world.regions[0], "identities")
        return RedirectResponse(home, SEE_OTHER, headers=layout.HEADERS)

    async def _to_door(self, request: Request) -> Response:
        """To the page of sign-in; in a sandbox through it, where the browser sits at this machine."""
        if self._sandbox is None or request.method != "GET":
            return RedirectResponse(f"{layout.ROOT}/sign-in", SEE_OTHER, headers=layout.HEADERS)
        if not session.is_at_home(request):
            raise AccessDenied("A sandbox's console is for the machine it runs on.", hint="Open 127.0.0.1.")
        secret = await enter_sandbox(self._world, self._world.clock.real_now())
        response = RedirectResponse(str(request.url.path), SEE_OTHER, headers=layout.HEADERS)
        session.set_cookie(response, secret, is_secure=False)
        return response

    async def _show_share(self, request: Request) -> Response:
        return await share.show(self._world, request)

    async def _give_share(self, request: Request) -> Response:
        return await share.give_file(self._world, request)

    async def _show_door(self, request: Request) -> Response:
        return door.show(request, is_secure=self._is_secure)

    async def _enter(self, request: Request) -> Response:
        form = await _form(request)
        return await door.enter(self._world, request, form, is_secure=self._is_secure)

    async def _leave(self, request: Request) -> Response:
        await self._own_form(request)
        return await door.leave(self._world, request, is_secure=self._is_secure)

    async def _set_theme(self, request: Request) -> Response:
        return door.set_theme(await self._own_form(request))

    async def _own_form(self, request: Request) -> Mapping[str, str]:
        """A form whose token fits; raises NotOurs."""
        form = await _form(request)
        if not session.is_ours(request, form.get(session.FORM_FIELD, "")):
            raise NotOurs("This form was not sent from a page of this session.", hint="Open it again.")
        return form


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form, the last of each name; raises BadRequest."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise BadRequest("A form is sent as application/x-www-form-urlencoded.")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _BODY_AT_MOST:
            raise BadRequest(f"A form is at most {_BODY_AT_MOST} bytes long.")
    try:
        text = content.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_AT_MOST))
    except ValueError:
        raise BadRequest("The form cannot be read.") from None


async def _static(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in layout.FILES:
        return Response(status_code=HTTPStatus.NOT_FOUND, headers=layout.HEADERS)
    return layout.static_answer(name)


async def _to_console(request: Request) -> Response:
    """A browser that asked for nothing in particular."""
    return RedirectResponse(f"{layout.ROOT}/", SEE_OTHER, headers=layout.HEADERS)


async def _no_such_page(request: Request, fault: Exception) -> Response:
    status = fault.status_code if isinstance(fault, HTTPException) else 404
    return told_page(request, Told(status, "There is no such page", "Nothing is at this address."))


def told_page(request: Request, told: Told) -> Response:
    """The page that says why there is no other one."""
    return layout.page("told.html", status=told.status, told=told, theme=session.theme_of(request))


def _told_refusal(refusal: Refusal) -> Told:
    status = next((code for kind, code in _STATUS.items() if isinstance(refusal, kind)), 400)
    if isinstance(refusal, NotOurs):
        status = HTTPStatus.FORBIDDEN
    title = {404: "There is no such thing", 403: "Not allowed", 409: "It exists already"}.get(
        status, "That was not done"
    )
    return Told(int(status), title, refusal.message, refusal.hint)


def _told_fault(request_id: str) -> Told:
    return Told(
        500,
        "A fault of ours",
        "Nothing is known to have changed. The server's log tells more under the number of this request.",
        request_id,
    )
