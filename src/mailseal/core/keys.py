"""A reference to a key: everything that may be known of it outside the keyring.

Rule: no private part, sealed or not, is ever in here.
References: RFC 6376 §3.6.1, RFC 5280 §4.1.2.7.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mailseal.dkim.keys import ED25519_BITS


@dataclass(frozen=True, slots=True)
class KeyRef:
    """One key: its id, its length and its public half as SubjectPublicKeyInfo DER; an Ed25519 key has the
    length 256."""

    key_id: str
    bits: int
    spki: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The key's kind, for people."""
        return "Ed25519" if self.bits == ED25519_BITS else f"RSA {self.bits}"

    @property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo, 32 octets."""
        return hashlib.sha256(self.spki).digest()

    @property
    def fingerprint(self) -> str:
        """The first eight hexadecimal digits of `spki_sha256`, for people."""
        return self.spki_sha256.hex()[:8]


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key belongs; a sealed key opens nowhere else."""

    account_id: str
    region: str
    domain: str
    selector: str
    retired: str = ""
    """How far a retired key has come on its way to the public; empty for every key that is in use."""
