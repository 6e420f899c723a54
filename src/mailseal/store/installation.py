"""A few named values of the installation: sealed secrets, the master key's check value.

Rule: what is secret comes here sealed.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailseal.store.engine import Execute

# installation.get: one named value.
_GET = "SELECT value FROM installation WHERE name = ?"

# installation.all: every value.
_ALL = "SELECT name, value FROM installation"

# installation.delete: a value goes.
_DELETE = "DELETE FROM installation WHERE name = ?"

# installation.put: a named value, instead of the one it had.
_PUT = """
INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Installation:
    """The table installation."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def get(self, name: str) -> bytes | None:
        """The value of that name, or None."""
        for (value,) in self._execute(_GET, (name,)):
            return bytes(value)
        return None

    def values(self) -> Mapping[str, bytes]:
        """All values by their names."""
        return {name: bytes(value) for name, value in self._execute(_ALL)}

    def delete(self, name: str) -> None:
        """Deletes a value; one that is not there stays so."""
        self._execute(_DELETE, (name,))

    def put(self, name: str, value: bytes) -> None:
        """Stores a value under a name, instead of the one it had."""
        self._execute(_PUT, (name, value))
