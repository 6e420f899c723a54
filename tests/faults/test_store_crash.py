"""kill -9 of a process that writes to the database: what was acknowledged is there, nothing is half done."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailseal.store.sqlite import SqliteStore
from tests.conftest import CHECKOUT
from tests.fakes import opened_store
from tests.faults.ledger import Ledger
from tests.faults.store_child import CLIENTS, domain_of, number_of

LONGEST_LIFE = 0.25


def test_after_a_few_kills_every_acknowledged_unit_is_there(tmp_path: Path) -> None:
    ledger = crash(tmp_path / "mailseal.db", kills=10, seed=1)
    assert ledger.acknowledged > 50


@pytest.mark.suite_faults
@pytest.mark.timeout(300)
def test_after_a_hundred_kills_every_acknowledged_unit_is_there(tmp_path: Path) -> None:
    ledger = crash(tmp_path / "mailseal.db", kills=100, seed=2)
    assert ledger.acknowledged > 1000


def test_the_ledger_notices_a_unit_that_was_acknowledged_and_is_gone(tmp_path: Path) -> None:
    ledger: Ledger[int] = Ledger()
    account = ledger.open("a", 0)
    account.send(1)
    account.acknowledge()
    account.send(2)
    assert ledger.judge(lambda subject: 0) == ["a: found 0, acknowledged 1, sent 2"]
    account.send(1)
    assert ledger.judge(lambda subject: 1) == []
    assert ledger.judge(lambda subject: 2) == ["a: found 2, acknowledged 1, sent None"]


def crash(path: Path, kills: int, seed: int) -> Ledger[int]:
    """The ledger after so many kills at random moments, each of them judged."""
    chance = random.Random(seed)
    ledger: Ledger[int] = Ledger()
    for client in range(CLIENTS):
        ledger.open(domain_of(client), 0)
    for turn in range(kills):
        told = killed_after(path, chance.uniform(0, LONGEST_LIFE))
        note(ledger, told)
        wrong = asyncio.run(judged(path, ledger))
        assert wrong == [], f"seed {seed}, kill {turn}"
    return ledger


def killed_after(path: Path, seconds: float) -> list[str]:
    """What the writing program said before it was killed, so long after its first acknowledgement."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.store_child", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    ) as child:
        assert child.stdout is not None
        told = [child.stdout.readline()]
        # Units are answered within a millisecond; a short sleep is the random moment itself.
        time.sleep(seconds)
        child.kill()
        told += child.stdout.read().splitlines()
        assert child.wait(10) == -9, "the program ended by itself"
    return [line.strip() for line in told]


def note(ledger: Ledger[int], told: list[str]) -> None:
    """Enters what the program said into the ledger."""
    for line in told:
        what, client, number = line.split()
        account = ledger.accounts[domain_of(int(client))]
        if what == "s":
            account.send(int(number))
        else:
            assert account.pending == int(number)
            account.acknowledge()


async def judged(path: Path, ledger: Ledger[int]) -> list[str]:
    """What is wrong with the database after a crash."""
    async with opened_store(path.parent) as store:
        numbers = await store.read(
            lambda tx: {domain_of(client): number_of(tx, client) for client in range(CLIENTS)}
        )
        return damage(store) + ledger.judge(numbers.__getitem__)


def damage(store: SqliteStore) -> list[str]:
    """What SQLite itself finds wrong with the file."""
    integrity = store._reading.execute("PRAGMA integrity_check").fetchall()
    keys = store._reading.execute("PRAGMA foreign_key_check").fetchall()
    return [str(row) for row in [*integrity, *keys] if row != ("ok",)]
