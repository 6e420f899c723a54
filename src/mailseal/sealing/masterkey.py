"""The master key: 32 octets that seal all other keys, how they are told apart, and what makes them unfit.

Rule: a master key is made only when somebody asks for one, and its file is never written over; no text or
repr holds a byte of it.
References: docs/operating.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mailseal.core.startup import StartRefused

MASTER_KEY_BYTES = 32
KEY_ID_LETTERS = 8


class MasterKeyRefused(StartRefused):
    """There is no master key that can be used."""


class SecretBytes:
    """Bytes that do not print, compare or travel by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytearray(value)

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    def reveal(self) -> bytes:
        """The bytes themselves, for the one call that needs them."""
        return bytes(self._value)

    def wipe(self) -> None:
        """Overwrites the bytes; copies that others made stay where they are."""
        self._value[:] = bytes(len(self._value))


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that seals all others; `where` names its source in messages, `key_id` is no secret."""

    key_id: str
    where: str
    secret: SecretBytes = field(repr=False)


def master_key_of(secret: bytes, where: str) -> MasterKey:
    """The master key with these 32 octets; its id is the start of a labelled SHA-256."""
    if len(secret) != MASTER_KEY_BYTES:
        raise ValueError("a master key has 32 octets")
    key_id = hashlib.sha256(b"mailseal master key id\0" + secret).hexdigest()[:KEY_ID_LETTERS]
    return MasterKey(key_id, where, SecretBytes(secret))


def new_master_key() -> bytes:
    """32 fresh octets."""
    return secrets.token_bytes(MASTER_KEY_BYTES)


def write_master_key(path: Path) -> MasterKey:
    """A fresh master key, written to a new file of mode 0400; a file that exists is never written over."""
    secret = new_master_key()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(descriptor, base64.b64encode(secret) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return master_key_of(secret, str(path))


def parse_master_key(text: bytes, where: str) -> MasterKey:
    """The master key whose base64 the text is; raises MasterKeyRefused and shows nothing of it."""
    try:
        secret = binascii.a2b_base64(text.strip(), strict_mode=True)
    except binascii.Error:
        secret = b""
    if len(secret) != MASTER_KEY_BYTES:
        raise MasterKeyRefused(
            f"{where} does not hold a master key",
            why="a master key is 32 octets, written as 44 characters of base64",
            do="put the backup of the master key back, unaltered",
        )
    return master_key_of(secret, where)
