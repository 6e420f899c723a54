"""Operators and the sessions of the console.

Rule: a session is found by the hash of its secret; the secret itself was never here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.operators import Operator, Session
from mailseal.store.engine import Execute, from_ms, from_ms_or_null, to_ms, to_ms_or_null

# operators.load: one operator.
_LOAD = """
SELECT name, created_at, password, failures, resting_until FROM operators WHERE name = ?
"""

# operators.list: all of them.
_LIST = "SELECT name, created_at, password, failures, resting_until FROM operators ORDER BY name"

# operators.save: an operator as it is from now on.
_SAVE = """
INSERT INTO operators (name, created_at, password, failures, resting_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET password = excluded.password, failures = excluded.failures,
    resting_until = excluded.resting_until
"""

# operators.delete: one of them, sessions with it.
_DELETE = "DELETE FROM operators WHERE name = ? RETURNING name"

# sessions.begin: a stay that begins.
_BEGIN = "INSERT INTO console_sessions (secret_hash, operator, began_at, seen_at) VALUES (?, ?, ?, ?)"

# sessions.load: one stay.
_SESSION = "SELECT secret_hash, operator, began_at, seen_at FROM console_sessions WHERE secret_hash = ?"

# sessions.see: when it was last used.
_SEE = "UPDATE console_sessions SET seen_at = ? WHERE secret_hash = ?"

# sessions.end: one stay ends.
_END = "DELETE FROM console_sessions WHERE secret_hash = ?"

# sessions.end_all: all stays of one operator end.
_END_ALL = "DELETE FROM console_sessions WHERE operator = ?"

# sessions.forget: those that are over.
_FORGET = "DELETE FROM console_sessions WHERE began_at < ? OR seen_at < ?"


class Operators:
    """The tables operators and console_sessions."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, name: str) -> Operator | None:
        """The operator of that name, or None."""
        rows = self._execute(_LOAD, (name,))
        return _operator(*rows[0]) if rows else None

    def list(self) -> Sequence[Operator]:
        """Everybody, by name."""
        return [_operator(*row) for row in self._execute(_LIST)]

    def save(self, operator: Operator) -> None:
        """Keeps an operator, whether or not the name was there before."""
        values = (operator.password, operator.failures, to_ms_or_null(operator.resting_until))
        self._execute(_SAVE, (operator.name, to_ms(operator.created_at), *values))

    def delete(self, name: str) -> bool:
        """Whether there was one; the sessions go along."""
        return bool(self._execute(_DELETE, (name,)))

    def begin(self, session: Session) -> None:
        """Keeps a session that begins."""
        times = (to_ms(session.began_at), to_ms(session.seen_at))
        self._execute(_BEGIN, (session.secret_hash, session.operator, *times))

    def session(self, secret_hash: str) -> Session | None:
        """The session with that hash, or None."""
        for found, operator, began_at, seen_at in self._execute(_SESSION, (secret_hash,)):
            return Session(found, operator, from_ms(began_at), from_ms(seen_at))
        return None

    def see(self, secret_hash: str, at: datetime) -> None:
        """Notes that a session was used."""
        self._execute(_SEE, (to_ms(at), secret_hash))

    def end(self, secret_hash: str) -> None:
        """Ends a session."""
        self._execute(_END, (secret_hash,))

    def end_all(self, name: str) -> None:
        """Ends every session of an operator."""
        self._execute(_END_ALL, (name,))

    def forget(self, began_before: datetime, seen_before: datetime) -> None:
        """Ends the sessions that are over by either limit."""
        self._execute(_FORGET, (to_ms(began_before), to_ms(seen_before)))


def _operator(
    name: str, created_at: int, password: str, failures: int, resting_until: int | None
) -> Operator:
    return Operator(name, from_ms(created_at), password, failures, from_ms_or_null(resting_until))
