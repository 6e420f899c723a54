"""The page of retired keys: what all may have of a domain's former private keys, as PEM.

Rule: open to everybody and therefore the same for everybody; where nothing is published there is no page.
References: RFC 7468 §2 (text before a block explains it); docs/decisions/0019-deniability.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import datetime
from typing import Any

from mailseal.core.errors import BadRequest
from mailseal.core.names import parse_domain
from mailseal.service.disclose import Disclosed, published_keys
from mailseal.service.world import World

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = b"/mailseal/retired-keys/"
_LONGEST_PATH = 300
_NOTHING = b"No retired key is published here under that name.\n"


async def answer_retired(world: World, method: str, raw_path: bytes, send: Send) -> int:
    """Answers a request for a domain's retired keys, or for those of one selector; gives the status."""
    if method not in ("GET", "HEAD"):
        await _respond(send, 405, _NOTHING, has_body=True)
        return 405
    found: Sequence[Disclosed] = ()
    rest = raw_path.removeprefix(PREFIX).decode("latin-1")[:_LONGEST_PATH]
    name, _, selector = rest.lower().partition("/")
    try:
        found = await published_keys(world, parse_domain(name), selector or None)
    except BadRequest:
        found = ()
    status = 200 if found else 404
    page = "\n".join(_shown(one) for one in found).encode() if found else _NOTHING
    await _respond(send, status, page, has_body=method == "GET")
    return status


def _shown(one: Disclosed) -> str:
    lines = (
        f"Selector: {one.selector}._domainkey.{one.domain}",
        f"Key: {one.algorithm}",
        f"Made: {_day(one.made_at)}",
        f"Record gone: {_day(one.retired_at)}",
        f"Published: {_day(one.published_at)}",
    )
    return "\n".join(lines) + "\n" + one.pem


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "unknown"


async def _respond(send: Send, status: int, page: bytes, *, has_body: bool) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(page)),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        (b"allow", b"GET, HEAD"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": page if has_body else b""})
