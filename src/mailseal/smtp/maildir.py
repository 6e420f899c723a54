"""The next hop as a Maildir: a file for each message, on the disk before it is acknowledged.

Rule: the bytes are those that were signed, nothing added; the envelope lies beside them, in `.envelopes/`.
References: docs/operating.md; RFC 5321 §2.3.1.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import time
from pathlib import Path

from mailseal.core.envelope import Declined, Envelope, HandedOver, RecipientTaken

_FOLDERS = ("tmp", "new", "cur", ".envelopes")


class MaildirNextHop:
    """A Maildir at `path`, made where it does not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._host = socket.gethostname().replace("/", "_").replace(":", "_")
        self._count = 0
        for name in _FOLDERS:
            (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    async def hand_over(self, envelope: Envelope, message: bytes) -> HandedOver | Declined:
        """The file's name in `new`; Declined where the disk does not take it."""
        self._count += 1
        name = f"{time.time_ns()}.{os.getpid()}_{self._count}_{secrets.token_hex(4)}.{self._host}"
        try:
            await asyncio.to_thread(self._deliver, name, envelope, message)
        except OSError as fault:
            return Declined(permanent=False, answer=f"the Maildir could not be written: {fault.strerror}")
        return HandedOver(name)

    def begin(
        self, mail_from: str, *, size: int = 0, is_8bit: bool = False, needs_utf8: bool = False
    ) -> MaildirHandOver:
        """A hand-over in which every recipient is taken."""
        return MaildirHandOver(self, mail_from)

    async def answers(self) -> str | None:
        """None where messages can be put here, else why not."""
        return None if os.access(self._path / "tmp", os.W_OK) else f"{self._path} cannot be written"

    async def close(self) -> None:
        """Nothing is held open."""

    def _deliver(self, name: str, envelope: Envelope, message: bytes) -> None:
        beside = {"mail_from": envelope.mail_from, "recipients": list(envelope.recipients)}
        _write_through(self._path / ".envelopes" / f"{name}.json", json.dumps(beside).encode())
        _sync_folder(self._path / ".envelopes")
        written = self._path / "tmp" / name
        _write_through(written, message)
        written.rename(self._path / "new" / name)
        _sync_folder(self._path / "new")


class MaildirHandOver:
    """A message for this Maildir whose recipients are named one by one."""

    def __init__(self, maildir: MaildirNextHop, mail_from: str) -> None:
        self._maildir = maildir
        self._mail_from = mail_from
        self._recipients: list[str] = []

    async def recipient(self, address: str) -> RecipientTaken:
        """Taken, whoever it is."""
        self._recipients.append(address)
        return RecipientTaken()

    async def message(self, message: bytes) -> HandedOver | Declined:
        """The file's name in `new`; Declined where the disk does not take it."""
        envelope = Envelope(self._mail_from, tuple(self._recipients))
        return await self._maildir.hand_over(envelope, message)

    async def abandon(self) -> None:
        """Nothing is held."""


def _write_through(path: Path, content: bytes) -> None:
    """Writes a new file and waits until the disk has it; leaves nothing behind where that fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
