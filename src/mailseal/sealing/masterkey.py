"""The master key: where it comes from, who may read it, and what makes it unfit.

Rule: a master key is made only when somebody asks for one, and its file is never written over; no text or
repr holds a byte of it.
References: docs/operating.md; open(2) for O_NOFOLLOW.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mailseal.core.startup import StartRefused

_BYTES = 32
_LONGEST_FILE = 256
_LATER = ("credential", "command", "aws-kms", "vault", "pkcs11")


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
    if len(secret) != _BYTES:
        raise ValueError("a master key has 32 octets")
    key_id = hashlib.sha256(b"mailseal master key id\0" + secret).hexdigest()[:8]
    return MasterKey(key_id, where, SecretBytes(secret))


def new_master_key() -> bytes:
    """32 fresh octets."""
    return secrets.token_bytes(_BYTES)


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


def load_master_key(provider: str, *, data_dir: Path | None = None) -> MasterKey:
    """The master key that `provider` names (`file:/path` or `env:NAME`); raises MasterKeyRefused.

    A file must belong to us, be readable by nobody else, be no symbolic link and lie outside `data_dir`,
    because a copy of the data must not open itself.
    """
    kind, _, rest = provider.partition(":")
    if kind == "file" and rest:
        return _from_file(Path(rest), data_dir)
    if kind == "env" and rest:
        return _from_environment(rest)
    if kind in _LATER:
        raise MasterKeyRefused(
            f"master keys of the kind {kind}: are not served yet",
            why="this version reads them from a file or from the environment",
            do='write [store] master_key = "file:/etc/mailseal/master.key"',
        )
    raise MasterKeyRefused(
        "[store] master_key does not say where the master key is",
        why="it is neither file:/path nor env:NAME",
        do='write [store] master_key = "file:/etc/mailseal/master.key"',
    )


def _from_environment(name: str) -> MasterKey:
    text = os.environ.get(name)
    if not text:
        raise MasterKeyRefused(
            f"the environment variable {name} is not set",
            why="the master key is to be in it",
            do="set it to the base64 of 32 octets, or name a file: file:/etc/mailseal/master.key",
        )
    return _decoded(text.encode("utf-8", "replace"), f"the environment variable {name}")


def _from_file(path: Path, data_dir: Path | None) -> MasterKey:
    if data_dir is not None and path.resolve().is_relative_to(data_dir.resolve()):
        raise MasterKeyRefused(
            f"{path} lies in the data folder",
            why="whoever copies the data would copy the key that opens it",
            do=f"move it out of {data_dir}, to /etc/mailseal/master.key say",
        )
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise MasterKeyRefused(
            f"{path} cannot be read: {error.strerror}",
            why="without the master key no private key opens; a new one would open none of them",
            do="put its backup back, or correct [store] master_key",
        ) from None
    try:
        _judge_file(os.fstat(descriptor), path)
        return _decoded(os.read(descriptor, _LONGEST_FILE), str(path))
    finally:
        os.close(descriptor)


def _judge_file(status: os.stat_result, path: Path) -> None:
    """Raises MasterKeyRefused for whatever others can read or write, and for what is no file."""
    if not stat.S_ISREG(status.st_mode):
        raise MasterKeyRefused(
            f"{path} is not a regular file",
            why="the master key is read from a file that nobody can swap",
            do="name the file itself, not a link to it",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~0o600:
        raise MasterKeyRefused(
            f"{path} has mode {mode:04o}",
            why="others on this machine could read the key that opens all others",
            do=f"chmod 0400 {path}",
        )
    if status.st_uid not in {os.geteuid(), 0}:
        raise MasterKeyRefused(
            f"{path} belongs to user {status.st_uid}",
            why="its owner can change it at any time",
            do=f"give it to the user that runs Mailseal: chown {os.geteuid()} {path}",
        )


def _decoded(text: bytes, where: str) -> MasterKey:
    try:
        secret = binascii.a2b_base64(text.strip(), strict_mode=True)
    except binascii.Error:
        secret = b""
    if len(secret) != _BYTES:
        raise MasterKeyRefused(
            f"{where} does not hold a master key",
            why="a master key is 32 octets, written as 44 characters of base64",
            do="put the backup of the master key back, unaltered",
        )
    return master_key_of(secret, where)
