"""Operators' passwords: what is stored of one, and whether one fits.

Rule: Argon2id with a salt of its own each time; a password is hashed here and nowhere kept. Both functions
take tens of milliseconds and megabytes, so they belong off the event loop.
References: RFC 9106 §4.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

_MEMORY_KIB = 32 * 1024
_PASSES = 3
_SALT_BYTES = 16
_LENGTH = 32

DECOY = "$argon2id$v=19$m=32768,t=3,p=1$bm9ib2R5J3Mgc2FsdCEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""Fits no password that anybody knows; trying one against it takes the usual time."""


def hash_password(password: str) -> str:
    """What is stored of a password, in the PHC string format."""
    salt = secrets.token_bytes(_SALT_BYTES)
    kdf = Argon2id(salt=salt, length=_LENGTH, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB)
    return kdf.derive_phc_encoded(password.encode())


def fits(password: str, stored: str) -> bool:
    """Whether a password is the one that was stored; nothing fits what is empty, and that takes as long."""
    try:
        Argon2id.verify_phc_encoded(password.encode(), stored or DECOY)
    except InvalidKey:
        return False
    return bool(stored)
