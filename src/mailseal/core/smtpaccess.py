"""SMTP passwords of access keys: derived from the secret, one for each region.

Rule: the password tells the region, and neither the secret nor another region's password.
References: AWS SES Developer Guide, "Obtaining Amazon SES SMTP credentials by converting AWS credentials";
docs/decisions/0017-smtp-passwords.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

SMTP_ACTION = "ses:SendRawEmail"
"""What whoever submits mail has to be permitted, as with SES."""

_VERSION = b"\x04"
_SCOPE = ("11111111", "ses", "aws4_request", "SendRawEmail")


def smtp_password(secret: str, region: str) -> str:
    """The password by which an access key's owner signs in to submit mail in a region.

    >>> smtp_password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")[:8]
    'BLBM/9hS'
    """
    date, service, terminal, message = _SCOPE
    key = f"AWS4{secret}".encode()
    for step in (date, region, service, terminal, message):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return base64.b64encode(_VERSION + key).decode()


def region_of_password(secret: str, password: str, regions: Sequence[str]) -> str | None:
    """The region whose password it is, or None; it takes the same time whichever it is."""
    given = password.encode("utf-8", "replace")
    found = None
    for region in regions:
        if hmac.compare_digest(smtp_password(secret, region).encode(), given):
            found = region
    return found
