"""Who is at the browser: the cookie, the token that every form carries, and where a request came from.

Rule: whatever changes something needs a session, a token made from that session's secret, and an Origin that
is this very host. The token of a form is worth nothing in another session.
References: OWASP ASVS 5.0, cross-site request forgery; RFC 6265 §4.1.2; W3C Fetch §3.2.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mailseal.console.layout import ROOT, THEMES

COOKIE = "mailseal_console"
THEME_COOKIE = "mailseal_theme"
FORM_FIELD = "token"
_LONGEST_SECRET = 128
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def secret_of(request: Request) -> str:
    """What the cookie holds; empty where there is none."""
    return request.cookies.get(COOKIE, "")[:_LONGEST_SECRET]


def new_visit() -> str:
    """A secret for somebody who is nobody yet, so that the form of sign-in has a token too."""
    return secrets.token_urlsafe(32)


def token_of(secret: str) -> str:
    """The token for the forms of a session."""
    return hmac.new(secret.encode("utf-8", "replace"), b"console form", hashlib.sha256).hexdigest()


def is_ours(request: Request, token: str) -> bool:
    """Whether a changing request was made by a page of ours, in this session."""
    secret = secret_of(request)
    if not secret or not hmac.compare_digest(token.encode("utf-8", "replace"), token_of(secret).encode()):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def is_at_home(request: Request) -> bool:
    """Whether the browser asked for this machine by one of its own names: no other site's name leads here."""
    return (request.url.hostname or "") in _LOOPBACK


def set_cookie(response: Response, secret: str, *, is_secure: bool) -> None:
    """Hands the secret to the browser, for this browser's session and the console alone."""
    response.set_cookie(COOKIE, secret, path=ROOT, secure=is_secure, httponly=True, samesite="strict")


def drop_cookie(response: Response, *, is_secure: bool) -> None:
    """Takes it back."""
    response.delete_cookie(COOKIE, path=ROOT, secure=is_secure, httponly=True, samesite="strict")


def theme_of(request: Request) -> str:
    """light, dark or system."""
    asked = request.cookies.get(THEME_COOKIE, "")
    return asked if asked in THEMES else "system"
