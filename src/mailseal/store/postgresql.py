"""The database on PostgreSQL: many processes on many machines, each with a few connections.

Rule: a unit runs in a thread, on a connection of its own, as one SERIALIZABLE transaction, and again where
another came in between. Nothing outlives a transaction on a connection (no prepared statements, no session
settings, no LISTEN, no session locks), so that pgbouncer may stand between.
References: docs/decisions/0020-postgresql.md; docs/operating.md.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import conninfo

from mailseal.core.startup import StartRefused
from mailseal.store.engine import Row
from mailseal.store.lane import PATIENCE_S, Lane, connect
from mailseal.store.migrate import Migration, judge_and_apply, shipped
from mailseal.store.shared import SharedZones
from mailseal.store.transaction import Transaction

T = TypeVar("T")
R = TypeVar("R")

LANES = 8
"""Connections of one process for units, and as many threads; three more are used for what is not a unit."""
WAITING = 1024
"""Units that wait at most; whoever comes then waits before being queued."""
_OLDEST_SERVER = 150000

# What the server says of itself: its version, how it keeps text, and whether a commit is durable.
_SETTINGS = """
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    current_setting('synchronous_commit')
"""

# Starters that come at once wait for each other; the lock ends with the transaction.
_LOCK = "SELECT pg_advisory_xact_lock(7226734801)"

# commit_marks.forget: those of connections that are long gone.
_FORGET_MARKS = """
DELETE FROM commit_marks WHERE made_at < (extract(epoch FROM now()) * 1000)::bigint - 7 * 86400000
"""

# installation.peek: all values, before anything is known of the database.
_PEEK = "SELECT name, value FROM installation"


class PostgresqlStore:
    """The database (`Store` in service/world.py, by shape); belongs to one event loop."""

    is_shared = True

    def __init__(self, url: str, folder: Path) -> None:
        self.where, self.folder = without_password(url), folder
        self.served = SharedZones(url)
        self._threads = ThreadPoolExecutor(LANES, thread_name_prefix="mailseal-unit")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="mailseal-long-read")
        self._aside_lane = Lane(url)
        # The one that was used last is used next: few connections stay warm, and an idle process has few.
        self._free: queue.LifoQueue[Lane] = queue.LifoQueue()
        for _ in range(LANES):
            self._free.put(Lane(url))
        self._room = asyncio.Semaphore(WAITING)

    @classmethod
    async def open(cls, url: str, *, folder: Path) -> PostgresqlStore:
        """The database behind that URL, its schema brought up to date; raises StartRefused.

        `folder` is where this process keeps what it needs beside the database.
        """
        await asyncio.to_thread(prepare, url)
        store = cls(url, folder)
        store.served.start()
        return store

    async def read(self, unit: Callable[[Transaction], T]) -> T:
        """What a unit finds in one consistent state, which has all that was acknowledged before."""
        return await self._run(lambda lane, until: lane.read(unit, until))

    async def read_kept(self, key: Hashable, unit: Callable[[Transaction], T]) -> T:
        """As `read`: nothing is kept, since others change the database too."""
        return await self.read(unit)

    async def read_long(self, unit: Callable[[Transaction], T]) -> T:
        """The same for a unit that takes long (whole lists, counts): it is in nobody's way."""
        work = partial(self._aside_lane.read, unit, time.monotonic() + PATIENCE_S)
        return await asyncio.get_running_loop().run_in_executor(self._aside, work)

    async def write(self, unit: Callable[[Transaction], T]) -> T:
        """What the unit returned, after its changes are durable; the unit may be run more than once."""
        result, has_served = await self._run(lambda lane, until: lane.write(unit, until))
        if has_served:
            self.served.advance()
        return result

    async def close(self) -> None:
        """Waits for what was handed over, then closes the connections."""
        await self.served.close()
        for threads in (self._threads, self._aside):
            await asyncio.to_thread(threads.shutdown)
        self._aside_lane.close()
        while not self._free.empty():
            self._free.get().close()

    async def _run(self, work: Callable[[Lane, float], R]) -> R:
        """What came of some work on a free connection; its patience begins now, not when there is one."""
        until = time.monotonic() + PATIENCE_S

        def on_a_lane() -> R:
            lane = self._free.get()
            try:
                return work(lane, until)
            finally:
                self._free.put(lane)

        async with self._room:
            return await asyncio.get_running_loop().run_in_executor(self._threads, on_a_lane)


def without_password(url: str) -> str:
    """The URL as it may be shown and logged.

    >>> without_password("postgresql://mailseal:secret@db.example.net/mailseal?sslmode=verify-full")
    'postgresql://mailseal@db.example.net/mailseal'
    """
    parts = conninfo.conninfo_to_dict(url)
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or ''}{port}/{parts.get('dbname') or ''}"


def peek_installation(url: str) -> Mapping[str, bytes]:
    """The installation's values in a database that may be in use, or new; nothing in it is changed."""
    with closing(_first_connection(url)) as connection:
        try:
            return {str(name): bytes(value) for name, value in connection.execute(_PEEK).fetchall()}
        except psycopg.errors.UndefinedTable:
            return {}


def prepare(url: str) -> None:
    """Brings the schema of a database up to date; raises StartRefused where it is not ours or cannot be."""
    with closing(_first_connection(url)) as connection:
        _judge_server(connection, url)
        migrate(connection, shipped(), without_password(url))
        connection.execute(_FORGET_MARKS)


def migrate(
    connection: psycopg.Connection[Row], migrations: tuple[Migration, ...], where: str
) -> tuple[Migration, ...]:
    """The migrations that had to be applied, now applied; raises StartRefused for another's schema."""
    lane = Lane.on(connection)
    with connection.transaction():
        connection.execute(_LOCK)
        return judge_and_apply(lane.execute, migrations, where, apply=lambda sql: _apply(connection, sql))


def _apply(connection: psycopg.Connection[Row], sql: str) -> None:
    """Runs one migration, its types as PostgreSQL has them; text is ordered by its octets, as on SQLite."""
    for ours, theirs in (
        ("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        (" BLOB", " BYTEA"),
        (" TEXT", ' TEXT COLLATE "C"'),
    ):
        sql = sql.replace(ours, theirs)
    connection.execute(sql.encode())


def _first_connection(url: str) -> psycopg.Connection[Row]:
    try:
        return connect(url)
    except psycopg.OperationalError as fault:
        raise StartRefused(
            f"{without_password(url)} cannot be opened",
            why=str(fault).strip().replace("\n", "; "),
            do="see that PostgreSQL runs there and lets this user in; the password belongs into ~/.pgpass",
        ) from None


def _judge_server(connection: psycopg.Connection[Row], url: str) -> None:
    version, encoding, durable = connection.execute(_SETTINGS.encode()).fetchall()[0]
    wrong = ""
    if int(str(version)) < _OLDEST_SERVER:
        wrong = f"its version is {version}, and Mailseal needs 15 or newer"
    elif encoding != "UTF8":
        wrong = f"it keeps text as {encoding}, and names and policies need UTF8"
    elif durable == "off":
        wrong = "synchronous_commit is off there, so that an acknowledged change could be lost"
    if wrong:
        raise StartRefused(
            f"{without_password(url)} cannot be used",
            why=wrong,
            do="see docs/operating.md, PostgreSQL; nothing was read or changed",
        )
