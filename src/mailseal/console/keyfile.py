"""A private key as people paste it, as the API takes it.

Rule: pure; nothing of what was pasted comes back in a refusal.
References: AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey.
"""

from __future__ import annotations

import re

from mailseal.core.errors import BadRequest

_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----(.*?)-----END (?:RSA )?PRIVATE KEY-----", re.S)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")


def base64_of(pasted: str) -> str:
    """The base64 of a key that was pasted as PEM or as that alone; raises BadRequest.

    >>> base64_of("-----BEGIN PRIVATE KEY-----\\nMIIE\\nvQ==\\n-----END PRIVATE KEY-----")
    'MIIEvQ=='
    """
    found = _PEM.search(pasted)
    text = "".join((found[1] if found else pasted).split())
    if not _BASE64.match(text):
        raise BadRequest(
            "That is not a private key as openssl writes it.",
            hint="Paste the whole file, from BEGIN PRIVATE KEY to END PRIVATE KEY.",
        )
    return text
