"""Tokens of pages: the name of the last row, sealed.

Rule: a token is bound to whatever its list was asked with, by `bound`; it names a row, never a number.
References: AWS SESv2 NextToken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from mailseal.service.world import World

_MAC_BYTES = 16


def sealed(world: World, bound: bytes, name: str) -> str:
    """The token of the page that begins behind a row of that name."""
    return base64.urlsafe_b64encode(_mac(world, bound, name.encode()) + name.encode()).decode()


def opened(world: World, bound: bytes, token: str) -> str | None:
    """The name behind which the token's page begins, or None where it is not a token of this list."""
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii"))
        name = data[_MAC_BYTES:].decode("ascii")
    except (UnicodeError, binascii.Error):
        return None
    return name if hmac.compare_digest(data[:_MAC_BYTES], _mac(world, bound, name.encode())) else None


def _mac(world: World, bound: bytes, name: bytes) -> bytes:
    return hmac.digest(world.token_secret, b"next-token\0" + bound + name, hashlib.sha256)[:_MAC_BYTES]
