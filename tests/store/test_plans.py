"""Every statement finds its rows by an index: a million identities are to feel as ten."""

from __future__ import annotations

import importlib
import pkgutil
import re

import apsw
import pytest

import mailseal.store
from mailseal.store.migrate import migrate, shipped

WHOLE_TABLES = {  # why each of them may
    "access._ACCOUNTS": "all accounts are wanted",
    "access._ANY_SANDBOX": "asked once, at the start",
    "addresses._COUNT_IN": "what was counted, ended by its LIMIT",
    "addresses._SEARCH": "what was looked at, ended by its LIMIT",
    "addresses._COUNT": "all addresses are counted, as identities are",
    "identities._COUNT_IN": "what was counted, ended by its LIMIT",
    "identities._SEARCH": "what was looked at, ended by its LIMIT",
    "identities._COUNT": "all identities are counted, for metrics and in a thread",
    "installation._ALL": "values are few",
    "keys._STOCK_LEVELS": "the stock is small",
    "keys._ANY": "stops at the first row",
    "migrate._APPLIED": "one row a migration",
    "operators._FORGET": "sessions are few",
    "operators._LIST": "operators are few",
    "retired._COLUMNS": "the beginning of others",
    "slots._COLUMNS": "the beginning of others",
    "sqlite._PEEK": "the same values, before all else",
    "zone._MARKED": "in the order of the marks, ended by its LIMIT",
    "zone._ZONES": "zones are few",
}

POSTGRESQL_ONLY = ("lane", "postgresql", "shared")

# Named subqueries are not tables; what they read is told by steps of its own.
SCAN = re.compile(r"SCAN (?!CONSTANT|(?:due|one|placed|retired|stocked)\b|\()")


def statements() -> dict[str, str]:
    """Every constant of the store's modules that is a statement, by module and name."""
    found = {}
    for info in pkgutil.iter_modules(mailseal.store.__path__):
        if info.name in POSTGRESQL_ONLY:
            continue
        module = importlib.import_module(f"mailseal.store.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, str) and re.match(r"\s*(SELECT|UPDATE|DELETE|WITH|INSERT)\b", value):
                found[f"{info.name}.{name}"] = value
    return found


@pytest.fixture(scope="module")
def schema() -> apsw.Connection:
    """An empty database with the whole schema."""
    connection = apsw.Connection(":memory:")
    migrate(connection, shipped())
    return connection


@pytest.mark.parametrize("name", sorted(statements()))
def test_a_statement_reads_no_table_from_end_to_end(schema: apsw.Connection, name: str) -> None:
    statement = statements()[name]
    values = [None] * statement.count("?")
    plan = [str(row[3]) for row in schema.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    scans = [step for step in plan if SCAN.match(step)]
    assert bool(scans) == (name in WHOLE_TABLES), plan


def test_a_scan_is_seen(schema: apsw.Connection) -> None:
    plan = schema.execute("EXPLAIN QUERY PLAN SELECT 1 FROM events WHERE text = 'x'").fetchall()
    assert SCAN.match(str(plan[0][3]))
