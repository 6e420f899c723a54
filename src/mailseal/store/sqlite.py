"""The database on SQLite: one file, one process, one writer, and readers beside it.

Rule: every connection is opened by `_connect` and says back what it was told: WAL, synchronous=FULL,
foreign keys, secure_delete. The file is never opened by Python's own sqlite3 (two copies of SQLite in one
process break each other's locks).
References: docs/decisions/0001-sqlite-through-apsw.md; sqlite.org/pragma.html.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import apsw

from mailseal.core.rotation import Answer
from mailseal.core.startup import StartRefused
from mailseal.store.engine import Execute, Row, Value
from mailseal.store.journal import Change, Page
from mailseal.store.lock import LockFile, take_lock
from mailseal.store.migrate import migrate, shipped
from mailseal.store.transaction import Transaction
from mailseal.store.writer import Writer

T = TypeVar("T")

_BUSY_MS = 5000
_KEPT = 10_000
"""So many answers of `read_kept` at most; one is a few kilobytes."""
_STATEMENTS = 256

# What every connection is told, and what it has to say when asked.
_SETTINGS = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("secure_delete", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("temp_store", "MEMORY", 2),
    ("cache_size", "-16000", -16000),
)


# installation.peek: all values, before anything is known of the database.
_PEEK = "SELECT name, value FROM installation"


def _connect(path: Path) -> apsw.Connection:
    """A connection that was told our settings and has them; raises StartRefused where it has not."""
    connection = apsw.Connection(str(path), statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(_BUSY_MS)
    # Without it this build (STAT4) plans a join anew whenever a bound value changes: 20 µs instead of 2.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for name, wanted, expected in _SETTINGS:
        connection.execute(f"PRAGMA {name} = {wanted}").fetchall()
        has = connection.execute(f"PRAGMA {name}").fetchall()[0][0]
        if has != expected:
            connection.close()
            raise StartRefused(
                f"{path} cannot be opened as Mailseal needs it",
                why=f"SQLite answers {has} where {name} has to be {expected}",
                do="put the database on a local disk; nothing was read or changed",
            )
    return connection


def execute_on(connection: apsw.Connection) -> Execute:
    """How the tables run a statement on this connection."""

    def execute(statement: str, values: Sequence[Value] = (), /) -> Sequence[Row]:
        return connection.execute(statement, values).fetchall()

    return execute


class ServedZones:
    """What the name server answers from: single look-ups on the event loop's thread, microseconds each."""

    def __init__(self, transaction: Transaction) -> None:
        self._zone = transaction.zone
        self._journal = transaction.journal
        self._generation = 0

    def look_up(self, zone: str, owner: str) -> Answer | None:
        """What an owner name serves, or None where there is no such name in the zone."""
        return self._zone.look_up(zone, owner)

    def zone_serial(self, zone: str) -> int:
        """The serial of what is served now."""
        return self._zone.serial(zone)

    def begins_at(self, zone: str) -> int:
        """The oldest serial of the zone from which all changes are known."""
        return self._journal.begins_at(zone)

    def changes(self, zone: str, after: int, until: int) -> Sequence[tuple[int, Change]]:
        """What the serials after `after` and up to `until` changed, in their order."""
        return self._journal.changes(zone, after, until)

    def page(self, zone: str, serial: int, after: str, limit: int) -> Page:
        """Names after `after` that the zone had at `serial`, with what they gave then."""
        return self._journal.page(zone, serial, after, limit)

    def generation(self) -> int:
        """A number that is another one after anything served has changed."""
        return self._generation

    def advance(self) -> None:
        """Takes notice that what is served has changed."""
        self._generation += 1


class SqliteStore:
    """The database (`Store` in service/world.py, by shape); belongs to one event loop."""

    is_shared = False

    def __init__(self, path: Path, lock: LockFile, on_stop: Callable[[str], None]) -> None:
        self.path, self.where, self.folder = path, str(path), path.parent
        self._lock = lock
        self._writing = _connect(path)
        self._reading = _connect(path)
        self._reading.execute("PRAGMA query_only = ON")
        self._reader = Transaction(execute_on(self._reading))
        self.served = ServedZones(self._reader)
        self._writer = Writer(
            self._writing, execute_on(self._writing), on_commit=self._after_commit, on_stop=on_stop
        )
        self._kept: dict[Hashable, Any] = {}
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="mailseal-long-read")
        self._aside_connection: apsw.Connection | None = None

    @classmethod
    def open(
        cls, path: Path, *, holder: str = "mailseal serve", on_stop: Callable[[str], None] | None = None
    ) -> SqliteStore:
        """The database in that file, made if it is not there, its schema brought up to date.

        Raises StartRefused, DatabaseInUse where another process has it open; `holder` is how this process is
        named to others then. `on_stop` is called once, after an I/O error has made writing impossible.
        """
        path = path.absolute()
        if not path.parent.is_dir():
            raise StartRefused(
                f"the folder {path.parent} does not exist",
                why="the database is to lie in it",
                do="make it, readable by the user that runs Mailseal only",
            )
        lock = take_lock(path, holder)
        try:
            prepare(path)
            return cls(path, lock, on_stop or _ignore)
        except BaseException:
            lock.release()
            raise

    async def read(self, unit: Callable[[Transaction], T]) -> T:
        """What a short unit finds in one consistent state; runs at once, on the event loop's thread."""
        return _read(self._reading, self._reader, unit)

    async def read_kept(self, key: Hashable, unit: Callable[[Transaction], T]) -> T:
        """As `read`; what the unit returned is given again for the same key until something is committed.

        The unit's answer may depend on nothing but the key and the database, and nobody may change it.
        """
        if key in self._kept:
            kept: T = self._kept[key]
            return kept
        found = _read(self._reading, self._reader, unit)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[key] = found
        return found

    async def read_long(self, unit: Callable[[Transaction], T]) -> T:
        """The same for a unit that takes long (whole lists, counts): in a thread, on its own connection."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, self._read_aside, unit)

    async def write(self, unit: Callable[[Transaction], T]) -> T:
        """What the unit returned, after its changes are durable; the unit may be run more than once."""
        result: T = await self._writer.write(unit)
        return result

    async def close(self) -> None:
        """Waits for what was handed over, then closes the file and gives the lock back."""
        await self._writer.close()
        self._aside.shutdown()
        for connection in (self._aside_connection, self._reading, self._writing):
            if connection is not None:
                connection.close()
        self._lock.release()

    def _read_aside(self, unit: Callable[[Transaction], T]) -> T:
        if self._aside_connection is None:
            self._aside_connection = _connect(self.path)
            self._aside_connection.execute("PRAGMA query_only = ON")
        connection = self._aside_connection
        return _read(connection, Transaction(execute_on(connection)), unit)

    def _after_commit(self, transaction: Transaction) -> None:
        # This process has the file to itself: there is no other way for an answer to become an old one.
        self._kept.clear()
        if transaction.zone.is_changed:
            transaction.zone.is_changed = False
            self.served.advance()


def peek_installation(path: Path) -> Mapping[str, bytes]:
    """The installation's values in a database that nobody has to have open; not one byte of it is changed.

    Empty where there is no database yet, or one that is not Mailseal's.
    """
    path = path.absolute()
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    wal = path.with_name(path.name + "-wal")
    # Without a WAL nothing but the file is read, and neither a WAL nor its index is made beside it.
    settled = not wal.exists() or wal.stat().st_size == 0
    uri = f"file:{quote(str(path))}?mode=ro" + ("&immutable=1" if settled else "")
    try:
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    except apsw.Error:
        return {}
    try:
        rows: Sequence[Row] = connection.execute(_PEEK).fetchall()
        return {name: bytes(value) for name, value in rows}
    except apsw.Error:
        return {}
    finally:
        connection.close()


def prepare(path: Path) -> None:
    """Brings the schema of a database up to date; raises StartRefused where it is not ours or is none."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
        try:
            migrate(connection, shipped())
        finally:
            connection.close()
    except OSError as fault:
        raise StartRefused(
            f"{path} cannot be opened: {fault.strerror}",
            why="the database is a file that Mailseal's user reads and writes",
            do="correct [store] database, or who may read and write that file",
        ) from None
    except (apsw.NotADBError, apsw.CorruptError) as fault:
        is_none = isinstance(fault, apsw.NotADBError)
        raise StartRefused(
            f"{path} is {'not a database' if is_none else 'damaged'}",
            why="it is no file of SQLite's" if is_none else f"SQLite says: {fault}",
            do="correct [store] database, or put its backup back; nothing was changed",
        ) from None


def _read(connection: apsw.Connection, transaction: Transaction, unit: Callable[[Transaction], T]) -> T:
    transaction.begin()
    connection.execute("BEGIN")
    try:
        return unit(transaction)
    finally:
        connection.execute("COMMIT")


def _ignore(reason: str) -> None:
    """Nobody asked to be told."""
