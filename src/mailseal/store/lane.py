"""One connection to PostgreSQL, and units on it: from BEGIN to a COMMIT that is known to have happened.

Rule: used by one thread at a time. A unit runs again where another transaction came in between or the
connection was lost; where the answer to a COMMIT was lost, the server is asked first whether it came to be.
References: docs/decisions/0020-postgresql.md; PostgreSQL 15 §13.2.3, §9.26.8 (pg_xact_status).
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

import psycopg
from psycopg import conninfo, errors

from mailseal.core.errors import Unavailable
from mailseal.store.engine import Row, Value
from mailseal.store.transaction import Transaction

T = TypeVar("T")

PATIENCE_S = 10.0
"""From its call on a unit is tried so long; then the call is told that the database does not answer."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.25
_RANDOM = random.SystemRandom()
_CLASHES = 5
"""A constraint that another's change broke is kept by the next run; one that this unit breaks is not."""

# BEGIN for a write, with the number by which to ask whether it is over, and a mark by which to ask whether it
# came to be: a server that crashes may give the same number again. A process that stands still (SIGSTOP)
# keeps its rows from others no longer than this.
_BEGIN = """
BEGIN ISOLATION LEVEL SERIALIZABLE;
SET LOCAL statement_timeout = '10s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
INSERT INTO commit_marks (lane, mark, made_at)
VALUES ('{lane}', {mark}, (extract(epoch FROM now()) * 1000)::bigint)
ON CONFLICT (lane) DO UPDATE SET mark = excluded.mark, made_at = excluded.made_at;
SELECT pg_current_xact_id()::text
"""

# BEGIN for a read: one state of the database for all of the unit's statements.
_BEGIN_READ = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '10s'
"""

# The mark of the last transaction of a lane that came to be.
_MARK = "SELECT mark FROM commit_marks WHERE lane = %s"

# Whether a transaction goes on, by its number.
_STATUS = "SELECT pg_xact_status(%s::xid8)"

_CONNECTION: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "mailseal",
}

AGAIN = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""What may be otherwise at the next try: another transaction came in between, or the server went away."""
_CLASH = (errors.UniqueViolation, errors.ForeignKeyViolation)


def connect(url: str) -> psycopg.Connection[Row]:
    """A connection on which nothing is prepared and nothing begun; what the URL says of it counts."""
    told = conninfo.conninfo_to_dict(url)
    more = {name: value for name, value in _CONNECTION.items() if name not in told}
    whole = conninfo.make_conninfo(url, **more)
    return psycopg.connect(whole, autocommit=True, prepare_threshold=None)


@lru_cache(1024)
def translated(statement: str) -> str:
    """A statement as PostgreSQL takes it: its parameters, and the clauses that are comments to SQLite.

    >>> translated("SELECT 1 WHERE a LIKE '%' AND b = ? /*pg FOR UPDATE pg*/")
    "SELECT 1 WHERE a LIKE '%%' AND b = %s FOR UPDATE"
    """
    plain = statement.replace("%", "%%").replace("?", "%s")
    return plain.replace("/*pg ", "").replace(" pg*/", "")


class Lane:
    """One connection, opened when it is first needed and again when it is lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None
        self._transaction = Transaction(self.execute)
        self._name, self._mark = secrets.token_hex(8), 0

    @classmethod
    def on(cls, connection: psycopg.Connection[Row]) -> Lane:
        """A connection that is open already."""
        lane = cls("")
        lane._connection = connection
        return lane

    def execute(self, statement: str, values: Sequence[Value] = (), /) -> Sequence[Row]:
        """All rows of one statement, run as it is on the connection."""
        plain = [_plain(value) for value in values]
        cursor = self._connected().execute(translated(statement), plain)
        return cursor.fetchall() if cursor.description else ()

    def read(self, unit: Callable[[Transaction], T], until: float) -> T:
        """What a unit finds in one state; raises Unavailable where the database does not answer in time."""
        return self._tried(lambda: self._read_once(unit), until)

    def write(self, unit: Callable[[Transaction], T], until: float) -> tuple[T, bool]:
        """What the unit returned, once it is durable, and whether it changed what is served."""
        return self._tried(lambda: self._write_once(unit, until), until)

    def look(self, work: Callable[[Transaction], T]) -> T:
        """What single statements find, without a transaction and without another try."""
        try:
            return work(self._transaction)
        except AGAIN:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection; the next use opens another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
        return self._connection

    def _tried(self, once: Callable[[], T], until: float) -> T:
        clashes, pause = 0, _FIRST_PAUSE_S
        while True:
            try:
                return once()
            except AGAIN as fault:
                if time.monotonic() >= until:
                    raise Unavailable("The database does not answer.") from fault
                if not isinstance(fault, errors.TransactionRollback):
                    self.close()
            except _CLASH:
                clashes += 1
                if clashes > _CLASHES:
                    raise
            time.sleep(_RANDOM.uniform(0, pause))
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _read_once(self, unit: Callable[[Transaction], T]) -> T:
        connection = self._connected()
        connection.execute(_BEGIN_READ)
        try:
            self._transaction.begin()
            return _called(unit, self._transaction)
        finally:
            self._leave(connection)

    def _write_once(self, unit: Callable[[Transaction], T], until: float) -> tuple[T, bool]:
        connection = self._connected()
        self._mark += 1
        number = _last_value(connection.execute(_BEGIN.format(lane=self._name, mark=self._mark).encode()))
        transaction = self._transaction
        transaction.zone.is_changed = False
        transaction.begin()
        try:
            result = _called(unit, transaction)
        except BaseException:
            self._leave(connection)
            raise
        has_served = transaction.zone.is_changed
        try:
            told = connection.execute("COMMIT").statusmessage
        except errors.TransactionRollback:
            raise
        except AGAIN:
            self.close()
            if not self._has_committed(number, until):
                raise
            told = "COMMIT"
        if told != "COMMIT":
            raise RuntimeError("a unit went on after a statement of it had failed")
        return result, has_served

    def _has_committed(self, number: str, until: float) -> bool:
        """Whether a transaction has come to be; raises Unavailable where nobody can say."""
        while True:
            try:
                if self._is_over(number):
                    rows = self._connected().execute(_MARK, [self._name]).fetchall()
                    return rows == [(self._mark,)]
            except AGAIN:
                self.close()
            if time.monotonic() >= until:
                raise Unavailable("The database does not answer; whether the change was made is not known.")
            time.sleep(_LONGEST_PAUSE_S / 4)

    def _is_over(self, number: str) -> bool:
        """Whether a transaction has ended, one way or the other."""
        try:
            return _last_value(self._connected().execute(_STATUS, [number])) != "in progress"
        except errors.InvalidParameterValue:
            return True  # a server that has not come so far never had it

    def _leave(self, connection: psycopg.Connection[Row]) -> None:
        """Ends a transaction of which nothing is to stay."""
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()


def _plain(value: Value) -> Value:
    """What SQLite takes a value for by itself: an enumeration's member is its text, True is 1.

    No text has a NUL here, so one that does names nothing that is stored.
    """
    if isinstance(value, str):
        return str(value).replace("\0", "\ufffd")
    return int(value) if isinstance(value, int) else value


def _last_value(cursor: psycopg.Cursor[Row]) -> str:
    """The one value that the last of several statements gave."""
    while cursor.nextset():
        pass
    return str(cursor.fetchall()[0][0])


def _called(unit: Callable[[Transaction], T], transaction: Transaction) -> T:
    try:
        return unit(transaction)
    except StopIteration as odd:
        raise RuntimeError("a unit raised StopIteration") from odd
