"""A PostgreSQL server for the tests of one process: private, in a temporary folder, on a unix socket.

Rule: started once, when the first test asks for a database, and ended with the process; each test has a
database of its own, a copy of a template with the whole schema.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psycopg

from mailseal.store.postgresql import prepare

_PLACES = Path("/usr/lib/postgresql")
DATABASE = "postgresql.url"
"""The file in a test's folder with the URL of its database, where that is not a file beside it."""
_USER = "postgres"
_NUMBERS = itertools.count(1)
# A test's server may lose what it has with the machine's power; with its own processes it may not.
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "max_connections=200",
    "shared_buffers=32MB",
    "autovacuum=off",
    "max_wal_size=256MB",
    "log_min_messages=fatal",
)


@cache
def programs() -> Path:
    """Where the newest server on this machine has its programs."""
    return max(_PLACES.glob("*/bin"), key=lambda path: int(path.parent.name))


class Server:
    """A running server; `stop` and `start` as often as a test likes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._data = self.folder / "data"
        self._as_user = as_user(self.folder)
        initdb = ["initdb", "-D", str(self._data), "-U", "mailseal", "-A", "trust", "-E", "UTF8"]
        self._run([*initdb, "--no-locale", "--no-sync"])
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = " ".join(f"-c {one}" for one in (*_SETTINGS, f"unix_socket_directories={self.folder}"))
        log = str(self.folder / "log")
        self._run(["pg_ctl", "-D", str(self._data), "-l", log, "-w", "-t", "60", "-o", options, "start"])

    def stop(self, mode: str = "immediate") -> None:
        """Stops it: immediate is what a crash is."""
        self._run(["pg_ctl", "-D", str(self._data), "-m", mode, "-w", "-t", "60", "stop"])

    def url(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgresql://mailseal@/{database}?host={self.folder}"

    def database(self) -> str:
        """The URL of a new database with the whole schema."""
        template = _template(self)
        name = f"d{os.getpid()}_{next(_NUMBERS)}"
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def empty_database(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"e{os.getpid()}_{next(_NUMBERS)}"
        self.administer(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def administer(self, statement: str) -> None:
        """Runs one statement beside all databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def end(self) -> None:
        """Stops it and removes everything."""
        subprocess.run(
            self._command(["pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop"]),
            capture_output=True,
            timeout=60,
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, command: Sequence[str]) -> list[str]:
        return [*self._as_user, str(programs() / command[0]), *command[1:]]

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            self._command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if command[0] == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if command[0] == "initdb" else subprocess.DEVNULL,
            timeout=120,
            cwd="/",
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout!r}"


def as_user(folder: Path) -> list[str]:
    """What runs a command as somebody whom PostgreSQL lets run it; the folder is theirs."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@cache
def server() -> Server:
    """The one server of this process."""
    running = Server()
    atexit.register(running.end)
    return running


@cache
def _template(running: Server) -> str:
    running.administer("CREATE DATABASE template_mailseal TEMPLATE template0 ENCODING 'UTF8'")
    prepare(running.url("template_mailseal"))
    return "template_mailseal"
