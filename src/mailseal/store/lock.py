"""The lock file beside a SQLite database: one process at a time may have it open.

Rule: the lock is the kernel's (flock), so it ends with its process; the file's text only says who holds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mailseal.core.startup import StartRefused


class DatabaseInUse(StartRefused):
    """Another process has the database open."""


class LockFile:
    """A held lock; `release` gives it back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lock back; the file stays, so that nobody waits on one that was unlinked."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take_lock(database: Path, holder: str) -> LockFile:
    """The lock of a database for this process; raises DatabaseInUse, naming who holds it."""
    path = database.with_name(database.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
        os.close(descriptor)
        raise _in_use(database, told) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {holder}\n".encode(), 0)
    return LockFile(descriptor)


def _in_use(database: Path, told: str) -> DatabaseInUse:
    process, _, holder = told.partition(" ")
    who = f"{holder} (process {process})" if holder and holder.isprintable() else "another process"
    return DatabaseInUse(
        f"{database} is in use by {who}",
        why="on SQLite one process writes, so that nothing acknowledged is ever lost",
        do="use that one, or stop it first",
    )
