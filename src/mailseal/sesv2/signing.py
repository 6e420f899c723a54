"""Signing a request of our own with SigV4: the command-line program asks a distant server with it.

Rule: pure; the twin of what `sigv4` checks, made of the same functions.
References: AWS's description "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

from mailseal.sesv2.sigv4 import (
    ALGORITHM,
    SERVICE,
    Claim,
    Headers,
    Target,
    canonical_request,
    derive_key,
    string_to_sign,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """With what a request is signed, and for which region."""

    access_key_id: str
    secret: str = field(repr=False)
    region: str


def signed_headers(
    target: Target, content: bytes, host: str, credentials: Credentials, at: datetime
) -> dict[str, str]:
    """The header fields that a request needs to be believed."""
    time = at.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(content).hexdigest()
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"host", host.encode()),
        (b"x-amz-date", time.encode()),
    ]
    names = tuple(name for name, _ in headers)
    claim = Claim(credentials.access_key_id, time[:8], credentials.region, SERVICE, names, "", time, digest)
    derived = derive_key(credentials.secret, claim.date, claim.region)
    text = string_to_sign(claim, canonical_request(target, headers, names, digest))
    signature = hmac.digest(derived, text, "sha256").hex()
    scope = f"{claim.access_key_id}/{claim.date}/{claim.region}/{SERVICE}/aws4_request"
    proof = (
        f"{ALGORITHM} Credential={scope}, SignedHeaders={b';'.join(names).decode()}, Signature={signature}"
    )
    return {name.decode(): value.decode() for name, value in headers} | {"authorization": proof}
