"""Group commit: one commit for many, an answer only after it, and one unit's failure is its own."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from mailseal.store.writer import BATCH, WAITING
from tests.store.stories import tell


def put(name: str, value: bytes = b"x") -> object:
    """A unit that puts one named value and gives its name."""

    def unit(tx: Transaction) -> str:
        tx.installation.put(name, value)
        return name

    return unit


async def names(store: SqliteStore) -> set[str]:
    """The names that are stored."""
    rows = await store.read(lambda tx: tx.installation._execute("SELECT name FROM installation"))
    return {name for (name,) in rows}


def count_commits(store: SqliteStore) -> list[None]:
    """Grows by one with each commit that changed something."""
    commits: list[None] = []

    def counted() -> bool:
        commits.append(None)
        return False

    store._writing.set_commit_hook(counted)
    return commits


def test_units_that_come_together_share_a_commit(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        commits = count_commits(store)
        wanted = [f"n{number}" for number in range(BATCH)]
        assert await asyncio.gather(*(store.write(put(name)) for name in wanted)) == wanted
        assert await names(store) == set(wanted)
        assert len(commits) == 1

    tell(tmp_path, story)


def test_an_answered_write_is_read_by_the_next_read(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        async def client(number: int) -> None:
            for turn in range(20):
                name = await store.write(put(f"{number}-{turn}"))
                assert await store.read(lambda tx, name=name: tx.installation.get(name)) == b"x"

        await asyncio.gather(*(client(number) for number in range(8)))

    tell(tmp_path, story)


def test_nobody_is_answered_before_the_commit(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        answered_at_commit: list[bool] = []
        task = asyncio.ensure_future(store.write(put("a")))
        store._writing.set_commit_hook(lambda: answered_at_commit.append(task.done()) or False)
        await task
        assert answered_at_commit == [False]

    tell(tmp_path, story)


def test_a_unit_that_fails_takes_back_its_own_changes_and_nobody_elses(tmp_path: Path) -> None:
    class Wrong(Exception):
        pass

    def failing(tx: Transaction) -> None:
        tx.installation.put("half", b"done")
        raise Wrong

    def clashing(tx: Transaction) -> None:
        tx.installation.put("half too", b"done")
        tx.access_keys._execute("INSERT INTO access_keys (access_key_id) VALUES ('x')")

    async def story(store: SqliteStore) -> None:
        commits = count_commits(store)
        units = [put("one"), failing, put("two"), clashing, put("three")]
        came = await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)
        assert [type(one).__name__ for one in came] == ["str", "Wrong", "str", "ConstraintError", "str"]
        assert await names(store) == {"one", "two", "three"}
        assert len(commits) == 1

    tell(tmp_path, story)


def test_a_unit_that_ends_the_transaction_costs_the_others_nothing(tmp_path: Path) -> None:
    runs: list[str] = []

    def ending(tx: Transaction) -> None:
        runs.append("ending")
        tx.installation.put("lost", b"x")
        tx.installation._execute("ROLLBACK")

    def counted(name: str) -> object:
        def unit(tx: Transaction) -> None:
            runs.append(name)
            tx.installation.put(name, b"x")

        return unit

    async def story(store: SqliteStore) -> None:
        units = [counted("one"), ending, counted("two")]
        came = await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)
        assert [type(one).__name__ for one in came] == ["NoneType", "FullError", "NoneType"]
        assert await names(store) == {"one", "two"}
        assert runs == ["one", "ending", "one", "ending", "two"], "the batch, then one by one"
        await store.write(put("after"))
        assert "after" in await names(store)

    tell(tmp_path, story)


def test_a_full_disk_refuses_what_does_not_fit_and_loses_nothing(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(put("before"))
        (pages,) = store._writing.execute("PRAGMA page_count").fetchall()[0]
        store._writing.execute(f"PRAGMA max_page_count = {pages + 8}").fetchall()
        large = [put(f"large {number}", bytes(20_000)) for number in range(6)]
        small = [put(f"small {number}") for number in range(6)]
        units = [unit for pair in zip(large, small, strict=True) for unit in pair]
        came = await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)
        told = {one for one in came if isinstance(one, str)}
        assert all(isinstance(one, str | apsw.FullError) for one in came)
        assert any(isinstance(one, apsw.FullError) for one in came)
        assert await names(store) == told | {"before"}

        store._writing.execute(f"PRAGMA max_page_count = {pages + 1000}").fetchall()
        await store.write(put("room again", bytes(20_000)))
        assert "room again" in await names(store)

    tell(tmp_path, story)


def test_a_caller_who_gave_up_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        tasks = [asyncio.ensure_future(store.write(put(f"n{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        came = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(came[1], asyncio.CancelledError)
        assert {"n0", "n2"} <= await names(store)
        assert await store.write(put("after")) == "after"

    tell(tmp_path, story)


def test_the_queue_is_bounded_and_whoever_waits_before_it_is_served(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        tasks = [asyncio.ensure_future(store.write(put(f"n{n}"))) for n in range(WAITING + 50)]
        await asyncio.sleep(0)
        assert len(store._writer._waiting) <= WAITING
        await asyncio.gather(*tasks)
        assert len(await names(store)) == WAITING + 50

    tell(tmp_path, story)


def test_closing_waits_for_what_was_handed_over(tmp_path: Path) -> None:
    async def handed_over() -> list[str]:
        store = SqliteStore.open(tmp_path / "mailseal.db")
        tasks = [asyncio.ensure_future(store.write(put(f"n{number}"))) for number in range(200)]
        await asyncio.sleep(0)
        await store.close()
        return [await task for task in tasks]

    told = asyncio.run(handed_over())

    async def story(store: SqliteStore) -> None:
        assert await names(store) == set(told)
        assert len(told) == 200

    tell(tmp_path, story)


def test_a_read_sees_one_state_and_cannot_write(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        with pytest.raises(apsw.ReadOnlyError):
            await store.read(put("sneaky"))
        with pytest.raises(apsw.ReadOnlyError):
            await store.read_long(put("sneaky"))
        assert await names(store) == set()
        assert await store.write(put("after")) == "after"

    tell(tmp_path, story)


def test_what_was_read_is_kept_until_anything_is_committed(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        asked: list[int] = []

        def count(tx: Transaction) -> int:
            asked.append(len(tx.installation._execute("SELECT name FROM installation")))
            return asked[-1]

        assert [await store.read_kept("count", count) for _ in range(3)] == [0, 0, 0]
        assert len(asked) == 1
        assert await store.read_kept("another key", count) == 0
        await store.write(put("one"))
        assert [await store.read_kept("count", count) for _ in range(2)] == [1, 1]
        with pytest.raises(apsw.ReadOnlyError):
            await store.read_kept("sneaky", put("sneaky"))

    tell(tmp_path, story)


IO_ERROR = """
import asyncio, os, resource, sys
from pathlib import Path
from mailseal.store.sqlite import SqliteStore
from mailseal.store.writer import StoreStopped

async def story():
    told = []
    store = SqliteStore.open(Path(sys.argv[1]), on_stop=told.append)
    await store.write(lambda tx: tx.installation.put("before", b"x"))
    size = os.path.getsize(sys.argv[1] + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    units = [lambda tx, n=n: tx.installation.put(f"n{n}", bytes(9000)) for n in range(4)]
    came = await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)
    print([type(one).__name__ for one in came], len(told))
    try:
        await store.write(lambda tx: tx.installation.put("later", b"x"))
    except StoreStopped:
        print("stopped for good")
    print(await store.read(lambda tx: tx.installation.get("before")))
    await store.close()

asyncio.run(story())
"""


def test_after_an_io_error_nothing_is_tried_again_and_reads_go_on(tmp_path: Path) -> None:
    path = tmp_path / "mailseal.db"
    child = subprocess.run(
        [sys.executable, "-c", IO_ERROR, str(path)], capture_output=True, text=True, timeout=30
    )
    assert child.stdout.splitlines() == [
        f"{['StoreStopped'] * 4} 1",
        "stopped for good",
        "b'x'",
    ], child.stderr

    async def story(store: SqliteStore) -> None:
        assert await names(store) == {"before"}

    tell(tmp_path, story)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
