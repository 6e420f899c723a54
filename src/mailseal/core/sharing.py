"""Links that show what one identity has to publish to whoever runs its DNS, and nothing else.

Rule: a link is an id and a code over all that the link says; whoever alters anything, its end in the database
included, has no link any more. It permits reading, of one identity, until its end or until it is taken back.
References: RFC 2104 §5; docs/decisions/0021-share-links.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailseal.core.access import Permissions
from mailseal.core.errors import BadRequest, LimitExceeded

SHARE_PATH = "/mailseal/share/"
USUAL_DAYS, MOST_DAYS = 14, 90
MOST_LINKS = 50
"""Of one identity at a time."""

NOTHING = Permissions((), ())
"""What whoever reads by a link may do."""

_ID_BYTES, _CODE_BYTES = 16, 16
ID_DIGITS = 2 * _ID_BYTES


@dataclass(frozen=True, slots=True)
class ShareLink:
    """One link, of one identity; `link_id` is 32 hexadecimal digits and no secret."""

    link_id: str
    account_id: str
    region: str
    name: str
    created_at: datetime
    expires_at: datetime

    def is_open(self, now: datetime) -> bool:
        """Whether it still shows anything."""
        return now < self.expires_at


def parse_days(days: int) -> timedelta:
    """How long a link lasts; raises BadRequest."""
    if not 1 <= days <= MOST_DAYS:
        raise BadRequest(f"A link lasts from 1 to {MOST_DAYS} days.", hint=f"Usual are {USUAL_DAYS}.")
    return timedelta(days=days)


def check_count(held: int) -> None:
    """Raises LimitExceeded where an identity that has so many open links may not have one more."""
    if held >= MOST_LINKS:
        raise LimitExceeded(
            f"The identity has {MOST_LINKS} links that are open.", hint="Take one back first."
        )


def format_token(secret: bytes, link: ShareLink) -> str:
    """The end of the link's URL: id and code."""
    return _text(bytes.fromhex(link.link_id) + _code(secret, link))


def parse_token(token: str) -> str | None:
    """The id of the link that a token claims to be; None where it is no token."""
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeError, binascii.Error):
        return None
    # Base64 has several spellings of the same bytes; a link has one.
    is_one = len(data) == _ID_BYTES + _CODE_BYTES and _text(data) == token
    return data[:_ID_BYTES].hex() if is_one else None


def fits(secret: bytes, link: ShareLink, name: str, token: str, now: datetime) -> bool:
    """Whether a token, under an identity's name, is this link's and still good."""
    is_right = hmac.compare_digest(format_token(secret, link).encode(), token.encode("utf-8", "replace"))
    return is_right and link.name == name and link.is_open(now)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _code(secret: bytes, link: ShareLink) -> bytes:
    parts = (link.link_id, link.account_id, link.region, link.name, link.expires_at.isoformat("T", "seconds"))
    said = b"share-link\0" + b"".join(b"%d:%b" % (len(part), part.encode()) for part in parts)
    return hmac.digest(secret, said, hashlib.sha256)[:_CODE_BYTES]
