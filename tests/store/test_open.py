"""Opening a database: what each connection is told, who may open it, and its schema."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from mailseal.core.startup import StartRefused
from mailseal.store.lock import DatabaseInUse, take_lock
from mailseal.store.migrate import Migration, migrate, shipped
from mailseal.store.sqlite import SqliteStore, _connect
from tests.store.stories import tell


def test_every_connection_syncs_before_it_answers(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.read_long(lambda tx: tx.zone.zones())
        connections = [store._writing, store._reading, store._aside_connection]
        for connection in connections:
            assert connection is not None
            asked = ["journal_mode", "synchronous", "foreign_keys", "secure_delete"]
            told = [connection.execute(f"PRAGMA {name}").fetchall()[0][0] for name in asked]
            assert told == ["wal", 2, 1, 1]

    tell(tmp_path, story)


def test_the_file_and_its_companions_are_the_owners_alone(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.installation.put("a", b"b"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert set(modes) == {"mailseal.db", "mailseal.db-wal", "mailseal.db-shm", "mailseal.db.lock"}
        assert set(modes.values()) == {0o600}

    tell(tmp_path, story)


HOLDER = """
import asyncio, sys
from pathlib import Path
from mailseal.store.sqlite import SqliteStore

async def hold():
    store = SqliteStore.open(Path(sys.argv[1]))
    print("holding", flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


def test_a_second_process_is_refused_and_told_who_has_the_database(tmp_path: Path) -> None:
    path = tmp_path / "mailseal.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        with pytest.raises(DatabaseInUse) as refused:
            SqliteStore.open(path, holder="mailseal identity list")
        assert str(refused.value).splitlines() == [
            f"error: {path} is in use by mailseal serve (process {child.pid})",
            "  why: on SQLite one process writes, so that nothing acknowledged is ever lost",
            "  do:  use that one, or stop it first",
        ]
        child.kill()
        child.wait(10)

    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.installation.put("a", b"b"))

    tell(tmp_path, story)


def test_a_lock_is_given_back_and_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "mailseal.db"
    first = take_lock(path, "a test")
    with pytest.raises(DatabaseInUse, match="in use by a test"):
        take_lock(path, "another")
    first.release()
    take_lock(path, "another").release()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"this is no database, whatever its name says; not at all, not even a little" * 20,
            "not a database",
        ),
        (b"SQLite format 3\0" + b"\xff" * 4096, "not a database"),
    ],
)
def test_a_file_that_is_no_database_is_refused_in_words_and_left_as_it_is(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "mailseal.db"
    path.write_bytes(content)
    with pytest.raises(StartRefused) as refused:
        SqliteStore.open(path)
    assert str(refused.value).splitlines() == [
        f"error: {path} is {what}",
        "  why: it is no file of SQLite's",
        "  do:  correct [store] database, or put its backup back; nothing was changed",
    ]
    assert path.read_bytes() == content
    take_lock(path, "a test").release()


def test_a_database_that_lost_pages_is_refused_in_words(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.installation.put("a", b"b"))

    tell(tmp_path, story)
    path = tmp_path / "mailseal.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40960)
    with pytest.raises(StartRefused, match="is damaged"):
        SqliteStore.open(path)


def test_a_folder_in_the_databases_place_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "mailseal.db").mkdir()
    with pytest.raises(StartRefused, match="cannot be opened: Is a directory"):
        SqliteStore.open(tmp_path / "mailseal.db")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="nowhere does not exist"):
        SqliteStore.open(tmp_path / "nowhere" / "mailseal.db")


def test_a_database_that_is_up_to_date_is_opened_as_it_is(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        pass

    tell(tmp_path, story)
    before = (tmp_path / "mailseal.db").read_bytes()
    tell(tmp_path, story)
    assert (tmp_path / "mailseal.db").read_bytes() == before


ONE = Migration(1, "one", "CREATE TABLE one (a TEXT)")
TWO = Migration(2, "two", "CREATE TABLE two (a TEXT); INSERT INTO two VALUES ('x')")
BROKEN = Migration(2, "two", "CREATE TABLE two (a TEXT); INSERT INTO nowhere VALUES ('x')")


def tables(path: Path) -> set[str]:
    """The tables of a database."""
    connection = _connect(path)
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    connection.close()
    return {str(name) for (name,) in rows}


def applied_by(path: Path, *migrations: Migration) -> list[int]:
    """The numbers that one more start applied."""
    connection = _connect(path)
    try:
        return [migration.number for migration in migrate(connection, migrations)]
    finally:
        connection.close()


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert applied_by(path, ONE) == [1]
    assert applied_by(path, ONE, TWO) == [2]
    assert applied_by(path, ONE, TWO) == []
    assert tables(path) == {"schema_migrations", "one", "two"}


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with pytest.raises(apsw.SQLError):
        applied_by(path, ONE, BROKEN)
    assert tables(path) == set()
    assert applied_by(path, ONE, TWO) == [1, 2]


def test_of_starters_that_come_at_once_exactly_one_applies(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    applied: list[list[int]] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait(10)
        applied.append(applied_by(path, *shipped()))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    numbers = [migration.number for migration in shipped()]
    assert sorted(applied) == [[], [], [], numbers]


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    applied_by(path, ONE, TWO)
    with pytest.raises(StartRefused, match="newer Mailseal"):
        applied_by(path, ONE)
    assert "two" in tables(path)


def test_a_migration_that_was_another_text_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    applied_by(path, ONE)
    with pytest.raises(StartRefused, match="not Mailseal's"):
        applied_by(path, replace(ONE, sql="CREATE TABLE one (a TEXT, b TEXT)"), TWO)
    assert tables(path) == {"schema_migrations", "one"}


def test_the_shipped_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))
    assert all(migration.sql.strip() for migration in shipped())


def test_a_database_belongs_to_one_store_in_one_process_too(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        with pytest.raises(DatabaseInUse):
            SqliteStore.open(store.path)
        await asyncio.sleep(0)

    tell(tmp_path, story)
