"""The door: signing in, signing out, and the theme, which needs no more than a browser.

Rule: whoever signs in gets a new secret; what the browser held before is worth nothing afterwards.
References: OWASP ASVS 5.0, session management.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailseal import passwords
from mailseal.console import layout, session
from mailseal.console.visit import SEE_OTHER
from mailseal.core.errors import AccessDenied
from mailseal.core.operators import LONGEST_PASSWORD
from mailseal.service.signin import sign_in, sign_out
from mailseal.service.world import World

_AT_ONCE = asyncio.Semaphore(2)
"""Each hash takes tens of megabytes."""
_A_YEAR_S = 365 * 86400


def show(
    request: Request, *, is_secure: bool, refused: AccessDenied | None = None, name: str = ""
) -> Response:
    """The page of sign-in; whoever has no secret gets one, so that its form has a token."""
    secret = session.secret_of(request) or session.new_visit()
    response = layout.page(
        "signin.html",
        status=200 if refused is None else 403,
        token=session.token_of(secret),
        refused=refused,
        name=name,
        theme=session.theme_of(request),
    )
    session.set_cookie(response, secret, is_secure=is_secure)
    return response


async def enter(world: World, request: Request, form: Mapping[str, str], *, is_secure: bool) -> Response:
    """To the first page with a new session; the page of sign-in again where the password is not right."""
    if not session.is_ours(request, form.get(session.FORM_FIELD, "")):
        expired = AccessDenied("That page had been open for too long.", hint="Sign in once more.")
        return show(request, is_secure=is_secure, refused=expired)
    password, name = form.get("password", "")[:LONGEST_PASSWORD], form.get("name", "")[:100]

    async def fits(stored: str) -> bool:
        async with _AT_ONCE:
            return await asyncio.to_thread(passwords.fits, password, stored)

    try:
        secret = await sign_in(world, name, fits, world.clock.real_now())
    except AccessDenied as refused:
        return show(request, is_secure=is_secure, refused=refused, name=name)
    response = RedirectResponse(f"{layout.ROOT}/", SEE_OTHER, headers=layout.HEADERS)
    session.set_cookie(response, secret, is_secure=is_secure)
    return response


async def leave(world: World, request: Request, *, is_secure: bool) -> Response:
    """To the door, the session ended."""
    await sign_out(world, session.secret_of(request))
    response = RedirectResponse(f"{layout.ROOT}/sign-in", SEE_OTHER, headers=layout.HEADERS)
    session.drop_cookie(response, is_secure=is_secure)
    return response


def set_theme(form: Mapping[str, str]) -> Response:
    """Back to where the form was, in another theme."""
    back = form.get("back", "")
    to = back if back.startswith(f"{layout.ROOT}/") and "//" not in back else f"{layout.ROOT}/"
    response = RedirectResponse(to, SEE_OTHER, headers=layout.HEADERS)
    theme = form.get("theme", "")
    if theme in layout.THEMES:
        response.set_cookie(session.THEME_COOKIE, theme, max_age=_A_YEAR_S, path="/", samesite="strict")
    return response
