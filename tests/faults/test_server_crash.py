"""kill -9 of the server at random moments while four clients write: every acknowledged change is there."""

from __future__ import annotations

import http.client
import random
import threading
import time
from pathlib import Path

import apsw
import pytest

from mailseal.store.sqlite import _connect
from tests.fakes import pooled_key
from tests.faults.ledger import Account, Ledger
from tests.faults.server import ABSENT, Client, Server, Standing

CLIENTS, DOMAINS_EACH = 4, 3
SHORTEST_LIFE, LONGEST_LIFE = 0.02, 0.6


def test_after_a_few_kills_every_acknowledged_change_is_there(tmp_path: Path) -> None:
    ledger = crash(Server(tmp_path), kills=8, seed=1)
    assert ledger.acknowledged > 8  # one a life at least, however slow the day


@pytest.mark.suite_faults
@pytest.mark.timeout(400)
def test_after_a_hundred_kills_every_acknowledged_change_is_there(tmp_path: Path) -> None:
    ledger = crash(Server(tmp_path), kills=100, seed=2)
    assert ledger.acknowledged > 100


def crash(server: Server, kills: int, seed: int) -> Ledger[Standing]:
    """The ledger after so many kills, each of them judged through the server that came after it."""
    for number in range(4):
        pooled_key(number, 1024)
    chance = random.Random(seed)
    ledger: Ledger[Standing] = Ledger()
    names = [[f"c{client}-{n}.example.com" for n in range(DOMAINS_EACH)] for client in range(CLIENTS)]
    for name in (name for own in names for name in own):
        ledger.open(name, ABSENT)
    starts: list[float] = []
    try:
        for turn in range(kills + 1):
            began = time.monotonic()
            server.start()
            starts.append(time.monotonic() - began)
            judge(server, ledger, f"seed {seed}, kill {turn}")
            if turn < kills:
                lead_a_life(server, ledger, names, chance)
                assert damage(server.database) == []
    finally:
        server.stop()
    starts.sort()
    print(
        f"{ledger.acknowledged} acknowledged, {kills} kills, start p50 {starts[len(starts) // 2]:.2f} s,"
        f" longest {starts[-1]:.2f} s"
    )
    return ledger


def judge(server: Server, ledger: Ledger[Standing], when: str) -> None:
    """Fails unless every identity stands where it may stand."""
    client = Client(server.port)
    wrong = ledger.judge(client.standing)
    client.close()
    assert wrong == [], when


def lead_a_life(
    server: Server, ledger: Ledger[Standing], names: list[list[str]], chance: random.Random
) -> None:
    """Four clients write until the server is killed at a random moment."""
    faults: list[str] = []
    threads = [
        threading.Thread(
            target=write, args=(server.port, ledger, own, random.Random(chance.random()), faults)
        )
        for own in names
    ]
    for thread in threads:
        thread.start()
    time.sleep(chance.uniform(SHORTEST_LIFE, LONGEST_LIFE))
    server.kill()
    for thread in threads:
        thread.join(20)
    said = [line for line in server.log.read_text(encoding="utf-8").splitlines() if '"fault"' in line]
    assert faults == [], said[-3:]


def write(
    port: int, ledger: Ledger[Standing], names: list[str], chance: random.Random, faults: list[str]
) -> None:
    """One client: a change after the other, until nobody answers any more."""
    client = Client(port)
    try:
        while True:
            name = chance.choice(names)
            account: Account[Standing] = ledger.accounts[name]
            state, request = client.change(name, chance, account.acknowledged)
            account.send(state)
            answered = client.call(*request)
            if answered.status == 200:
                account.acknowledge()
            elif answered.status < 500:
                account.refuse()
                faults.append(f"{request[:2]} → {answered}")
            else:
                faults.append(f"{request[:2]} → {answered}")
                return
    except (OSError, http.client.HTTPException):
        return
    finally:
        client.close()


def damage(path: Path) -> list[str]:
    """What SQLite finds wrong with the file that the dead server left, and keys that nothing refers to."""
    connection: apsw.Connection = _connect(path)
    integrity = connection.execute("PRAGMA integrity_check").fetchall()
    references = connection.execute("PRAGMA foreign_key_check").fetchall()
    orphans = connection.execute(
        "SELECT key_id FROM private_keys EXCEPT SELECT key_id FROM slots EXCEPT SELECT key_id FROM settings"
    ).fetchall()
    connection.close()
    return [str(row) for row in [*integrity, *references, *orphans] if row != ("ok",)]
