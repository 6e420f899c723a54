"""Bearer tokens of the native API: for programs that cannot sign their requests.

Rule: a token is 256 bits of chance, and only its hash is kept; it belongs to an account, permits what its
patterns say, and is good until its end or until it is deleted.
References: RFC 6750 §2.1; docs/decisions/0010-access.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailseal.core.access import EVERYTHING, Permissions
from mailseal.core.errors import BadRequest, SignatureDoesNotMatch
from mailseal.core.limits import USUAL, Limits

PREFIX = "mst_"
MOST_DAYS = 3650
_TOKEN = re.compile(r"mst_[A-Za-z0-9_-]{43}\Z")
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What is known of a token: everything but the token."""

    token_id: str
    account_id: str
    label: str = ""
    permissions: Permissions = EVERYTHING
    created_at: datetime | None = None
    expires_at: datetime | None = None
    """None: it does not end by itself."""
    limits: Limits = field(default=USUAL, compare=False)
    """Its account's; read with every load, never stored with the token."""

    def is_good(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.expires_at is None or now < self.expires_at


def parse_bearer(header: str) -> str | None:
    """The token of an Authorization header; None where it has another scheme or is no token of ours."""
    if header[: len(_SCHEME)].lower() != _SCHEME:
        return None
    token = header[len(_SCHEME) :].strip()
    return token if _TOKEN.match(token) else ""


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def parse_lifetime(days: int | None) -> timedelta | None:
    """How long a token is good, None for without end; raises BadRequest."""
    if days is None:
        return None
    if not 1 <= days <= MOST_DAYS:
        raise BadRequest(f"A token is good for 1 to {MOST_DAYS} days, or without end.")
    return timedelta(days=days)


def no_such_token() -> SignatureDoesNotMatch:
    """The one refusal for an unknown token, a deleted one and one that has ended."""
    return SignatureDoesNotMatch(
        "The bearer token is not valid.",
        hint="It is unknown, was deleted, or has ended: mailseal access token list",
    )
