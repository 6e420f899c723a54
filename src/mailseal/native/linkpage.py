"""The page behind the link that proves an address: it shows the address, and its button proves it.

Rule: to look is not to act: programs that follow links in mails come with GET, and only POST proves. The
secret in the path gets into no log line, no referrer and no cache, and no page says whether it ever existed.
References: RFC 9110 §9.2.1, RFC 9111 §5.2.2.5; docs/decisions/0012-links-prove-addresses.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any

from mailseal.core.addressid import AddressIdentity
from mailseal.service.addresses import address_of_link, use_link
from mailseal.service.linking import LINK_PATH
from mailseal.service.world import World

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = LINK_PATH.encode()
_LONGEST_TOKEN = 200
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;color:#1b1b1f}"
    "h1{font-size:1.375rem}strong{overflow-wrap:anywhere}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.5rem;background:#1f4fbf;color:#fff}"
    "@media(prefers-color-scheme:dark){body{background:#15161a;color:#e6e6ea}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'".encode(),
    ),
)
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{title}</title><style>{style}</style></head><body><h1>{title}</h1>{text}</body></html>\n"
)


async def answer_link(world: World, method: str, raw_path: bytes, send: Send) -> tuple[int, str | None]:
    """Answers a request for a link's page; gives the status, and the address that was proven if one was."""
    token = raw_path.removeprefix(PREFIX).decode("latin-1")[:_LONGEST_TOKEN]
    now = world.clock.now()
    if method == "POST":
        proven = await use_link(world, token, now)
        status, page = (200, _done(proven)) if proven else (404, _unknown())
        await _respond(send, status, page)
        return status, proven.name if proven else None
    if method not in ("GET", "HEAD"):
        await _respond(send, 405, _unknown(), (b"allow", b"GET, HEAD, POST"))
        return 405, None
    address = await address_of_link(world, token, now)
    status, page = (200, _question(world, address)) if address else (404, _unknown())
    await _respond(send, status, page, has_body=method == "GET")
    return status, None


def _question(world: World, address: AddressIdentity) -> bytes:
    name, service = escape(address.name), escape(world.hosted_zone)
    return _page(
        "Confirm your address",
        f"<p>The mail service {service} is to send mail from <strong>{name}</strong>.</p>"
        '<form method="post"><button>Confirm this address</button></form>'
        "<p>If you did not ask for this, close the page: nothing is sent from your address.</p>",
    )


def _done(address: AddressIdentity) -> bytes:
    return _page(
        "Address confirmed",
        f"<p>Mail may be sent from <strong>{escape(address.name)}</strong> now. You can close this page.</p>",
    )


def _unknown() -> bytes:
    return _page(
        "This link is not valid",
        "<p>It was used already, it is older than 24 hours, or a newer request took its place. "
        "Whoever asked for the address can ask again.</p>",
    )


def _page(title: str, text: str) -> bytes:
    return _PAGE.format(title=title, style=_STYLE, text=text).encode()


async def _respond(
    send: Send, status: int, page: bytes, *more: tuple[bytes, bytes], has_body: bool = True
) -> None:
    headers = [*_HEADERS, (b"content-length", b"%d" % len(page)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": page if has_body else b""})
