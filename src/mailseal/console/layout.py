"""Pages from templates: one environment, the headers of every page, and the three static files.

Rule: a template escapes what it prints, text from outside goes through `shown`, and no page has an inline
style or script or asks another origin for anything.
References: W3C CSP3 §6; docs/decisions/0022-console.md.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from mailseal.core.observations import printable

ROOT = "/console"
STATIC = f"{ROOT}/static/"
FILES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "seal.svg": "image/svg+xml",
}
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
THEMES = ("system", "light", "dark")
_SHOWN_AT_MOST = 200
_NAME_AT_MOST = 1000


def page(template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of that template, with the headers of every page."""
    return HTMLResponse(render(template, **values), status, headers=HEADERS)


def render(template: str, /, **values: Any) -> str:
    """The text of a page; `theme` may be absent."""
    return environment().get_template(template).render({"theme": "system", **values})


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this package, ready to be used."""
    made = Environment(
        loader=PackageLoader("mailseal.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"dn": breakable, "shown": shown, "count": count}
    made.globals |= {"root": ROOT, "static": static_url}
    return made


def breakable(name: str) -> Markup:
    """A DNS name that may be wrapped before each of its parts; copies stay clean.

    >>> breakable("s1.example.com")
    Markup('s1<wbr>.example<wbr>.com')
    """
    return Markup("<wbr>.").join(escape(part) for part in shown(name, _NAME_AT_MOST).split("."))


def shown(text: str, at_most: int = _SHOWN_AT_MOST) -> str:
    """Text from outside with its control and bidirectional characters visible, cut where it is long."""
    return printable(text, at_most=at_most)


def count(number: int | None) -> str:
    """A number for people, or that there are very many.

    >>> count(12480), count(None)
    ('12,480', 'many')
    """
    return "many" if number is None else f"{number:,}"


@lru_cache(maxsize=8)
def static_file(name: str) -> bytes:
    """The content of one of `FILES`."""
    return resources.files("mailseal.console").joinpath("static", name).read_bytes()


@lru_cache(maxsize=8)
def static_url(name: str) -> str:
    """Where a static file is; another content has another URL."""
    return f"{STATIC}{name}?v={hashlib.sha256(static_file(name)).hexdigest()[:12]}"


def static_answer(name: str) -> Response:
    """One of the static files, to be kept by browsers for a year."""
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    headers = HEADERS | kept | {"content-type": FILES[name]}
    return Response(static_file(name), headers=headers)
