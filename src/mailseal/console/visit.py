"""One request to the console as its pages see it: where, who, what was sent, and what every page shows.

Rule: a page gets a `Visit` and gives a response; it raises Refusal for what it declines, and decides nothing
that a use case decides.
References: ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailseal.console import layout, session
from mailseal.console.sandbox import SandboxFace
from mailseal.core.access import Principal
from mailseal.service.survey import places_taken
from mailseal.service.world import World

SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of an operator who is signed in."""

    world: World
    request: Request
    operator: str
    secret: str = field(repr=False)
    who: Principal
    now: datetime
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox: SandboxFace | None = None

    @property
    def name(self) -> str:
        """The identity that the path names."""
        return str(self.request.path_params.get("name", ""))

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the URL."""
        return self.request.query_params

    @property
    def playing(self) -> SandboxFace:
        """The sandbox, which there is: only a sandbox's routes ask for it."""
        assert self.sandbox is not None
        return self.sandbox

    def said(self, name: str) -> str:
        """A field of the form, without blanks around it; empty where it is absent."""
        return self.form.get(name, "").strip()

    def url(self, *parts: str, **query: str) -> str:
        """The URL of a page in this account and region."""
        return scoped(self.who.account_id, self.who.region, *parts, **query)

    async def page(self, template: str, /, *, here: str, status: int = 200, **values: Any) -> Response:
        """A page with the frame around it; `here` is the entry of the menu that it belongs to."""
        who, world = self.who, self.world
        held = await places_taken(world, who.account_id)
        busy = [(region, number) for region, number in held.items() if number or region == who.region]
        frame = {
            "here": here,
            "url": self.url,
            "scopes": busy or list(held.items()),
            "scope_url": lambda region: scoped(who.account_id, region, "identities"),
            "identities": held.get(who.region, 0),
            "who": who,
            "operator": self.operator,
            "token": session.token_of(self.secret),
            "theme": session.theme_of(self.request),
            "is_sandbox": self.sandbox is not None,
            "now": self.now,
            "back": self.request.url.path,
        }
        return layout.page(template, status=status, **frame, **values)

    def go(self, *parts: str, **query: str) -> Response:
        """To another page, once what was asked for is done."""
        return RedirectResponse(self.url(*parts, **query), SEE_OTHER, headers=layout.HEADERS)


Page = Callable[[Visit], Awaitable[Response]]


def scoped(account_id: str, region: str, *parts: str, **query: str) -> str:
    """The URL of a page of one account and region."""
    path = "/".join(quote(part, safe="@+") for part in (account_id, region, *parts))
    told = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items() if value)
    return f"{layout.ROOT}/{path}{'?' if told else ''}{told}"
