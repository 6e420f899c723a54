"""Brings a database to the schema of this program: numbered SQL files, forward only, all or nothing.

Rule: a file that was applied anywhere never changes again; its checksum is kept and compared.
References: docs/decisions/0001-sqlite-through-apsw.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import apsw

from mailseal.core.startup import StartRefused
from mailseal.store.engine import Execute, Row

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")

# schema_migrations.create: what was applied here.
_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
)
"""

# schema_migrations.list: what was applied here, in order.
_APPLIED = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"

# schema_migrations.add: this file has been applied.
_ADD = "INSERT INTO schema_migrations (number, name, checksum) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> tuple[Migration, ...]:
    """The migrations that this program brings, in order."""
    found = []
    for file in resources.files("mailseal.store").joinpath("migrations").iterdir():
        match = _FILE.match(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(connection: apsw.Connection, migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """The migrations that had to be applied, now applied; raises StartRefused for a schema that is not ours.

    Starters that come at once wait for each other; the second one finds nothing left to do.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        due = judge_and_apply(
            lambda statement, values=(): connection.execute(statement, values).fetchall(),
            migrations,
            connection.filename,
            apply=connection.execute,
        )
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return due


def judge_and_apply(
    execute: Execute, migrations: Sequence[Migration], where: str, *, apply: Callable[[str], object]
) -> tuple[Migration, ...]:
    """The migrations that had to be applied, applied in the transaction that is open; raises StartRefused.

    `apply` runs the text of one file on the engine at hand.
    """
    execute(_CREATE)
    applied = execute(_APPLIED)
    _judge(applied, migrations, where)
    due = tuple(migrations[len(applied) :])
    for migration in due:
        apply(migration.sql)
        execute(_ADD, (migration.number, migration.name, migration.checksum))
    return due


def _judge(applied: Sequence[Row], ours: Sequence[Migration], path: str) -> None:
    """Raises StartRefused unless what was applied is a beginning of what we bring."""
    if len(applied) > len(ours):
        raise StartRefused(
            f"{path} was written by a newer Mailseal",
            why=f"its schema is at number {applied[-1][0]}, this program knows {len(ours)}",
            do="start the newer program; nothing was read or changed",
        )
    for (number, name, checksum), migration in zip(applied, ours, strict=False):
        if (number, checksum) != (migration.number, migration.checksum):
            raise StartRefused(
                f"the schema of {path} is not Mailseal's",
                why=f"migration {number:04}_{name} was another text when it was applied here",
                do="start the program that made this database; nothing was read or changed",
            )
