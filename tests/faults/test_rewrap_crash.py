"""kill -9 at each transaction of a change of the master key: every key opens with exactly one named one."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailseal.core.access import AccessKey, secret_name
from mailseal.core.keys import KeyPlace
from mailseal.core.stored import SealedKey
from mailseal.sealing import Keyring, SealBroken, load_master_key, write_master_key
from mailseal.sealing.succession import open_keyring
from mailseal.service.rewrap import BATCH, PREDECESSOR
from mailseal.store.sqlite import SqliteStore, peek_installation
from mailseal.store.transaction import Transaction
from tests.conftest import CHECKOUT
from tests.fakes import START, opened_store, pooled_key

ACCOUNT, REGION = "000000000001", "us-east-1"
STOCKED = 50
ACCESS_KEYS = 30
DIGEST = hashlib.sha256(b"a message").digest()


@dataclass(frozen=True)
class Installation:
    """A folder with two master keys and a database that is sealed with the old one."""

    folder: Path
    keys: int

    def keyring(self, name: str) -> Keyring:
        """A keyring that knows this one master key alone."""
        return Keyring(load_master_key(f"file:{self.folder}/{name}.key"))

    async def fill(self) -> None:
        """Placed keys, keys in stock, access keys, and what an installation keeps."""
        for name in ("old", "new"):
            write_master_key(self.folder / f"{name}.key")
        keyring = self.keyring("old")
        async with opened_store(self.folder) as store:
            await store.write(lambda tx: self._fill(tx, keyring))

    def _fill(self, tx: Transaction, keyring: Keyring) -> None:
        for number in range(self.keys + STOCKED):
            place = KeyPlace(ACCOUNT, REGION, f"d{number}.example.com", "s1") if number < self.keys else None
            sealed = keyring.seal(pooled_key(number % 4, 1024), f"key-{number:06}", START, place)
            tx.keys.put(sealed) if place else tx.keys.add_stock(sealed)
        tx.access_keys.add_account(ACCOUNT, START)
        for number in range(ACCESS_KEYS):
            key = AccessKey(f"MSAK{number:016}", ACCOUNT)
            hidden = keyring.seal_secret(secret_name(key.access_key_id), b"hush %d" % number)
            tx.access_keys.add(key, hidden, START)
        tx.installation.put("master_key_check", keyring.check_value())
        tx.installation.put("token_derivation", keyring.seal_secret("token_derivation", b"secret"))

    def live(self, number: int, when: str) -> bool:
        """Whether the change came to its end before the n-th transaction, at which it is killed."""
        command = [sys.executable, "-m", "tests.faults.rewrap_child", str(self.folder), str(number), when]
        done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, timeout=60)
        if done.returncode == 0:
            assert done.stdout == "over\n"
            return True
        assert done.returncode == -9, done.stderr
        return False

    async def judge(self, *, deep: bool) -> Counter[str]:
        """How many keys each master key opens; fails for one that none opens, or both, or not the named."""
        rings = {ring.master_key_id: ring for ring in (self.keyring("old"), self.keyring("new"))}
        async with opened_store(self.folder) as store:
            keys = await store.read(_all_keys)
            secrets = await store.read(lambda tx: tx.access_keys.list_not_under(b"", "", 1000))
        assert (len(keys), len(secrets)) == (self.keys + STOCKED, ACCESS_KEYS)
        counted: Counter[str] = Counter()
        for key in keys:
            opening = [name for name, ring in rings.items() if _opens(ring, key, deep=deep)]
            assert opening == [key.master_key_id], key
            counted["old" if key.master_key_id == self.keyring("old").master_key_id else "new"] += 1
        for access_key_id, sealed in secrets:
            named = rings[sealed[1:9].decode()]
            assert named.open_secret(secret_name(access_key_id), sealed).startswith(b"hush ")
        return counted

    def opens_with(self, name: str) -> Keyring:
        """The keyring with which a server would start that has this provider configured."""
        stored = peek_installation(self.folder / "mailseal.db")
        keyring = open_keyring(f"file:{self.folder}/{name}.key", stored).keyring
        assert keyring.open_secret("token_derivation", stored["token_derivation"]) == b"secret"
        return keyring


def _all_keys(tx: Transaction) -> list[SealedKey]:
    found = []
    for (master_key_id,) in tx.keys._execute(
        "SELECT master_key_id FROM private_keys UNION SELECT master_key_id FROM key_stock"
    ):
        found += tx.keys.list_under(master_key_id, "", 1_000_000)
    return found


def _opens(ring: Keyring, key: SealedKey, *, deep: bool) -> bool:
    try:
        ring.sign_digest(key, DIGEST) if deep else ring.confirm_key(key)
    except SealBroken:
        return False
    return True


def crash_through(installation: Installation, number: int, when: str) -> int:
    """The number of kills that a change took, each life killed in its n-th transaction or right after it."""
    asyncio.run(installation.fill())
    began = asyncio.run(installation.judge(deep=False))
    assert began == {"old": installation.keys + STOCKED}
    kills = moved = 0
    for _ in range(2 * installation.keys // BATCH + 20):
        if installation.live(number, when):
            break
        kills += 1
        counted = asyncio.run(installation.judge(deep=False))
        assert counted["new"] >= moved, "keys went back"
        moved = counted["new"]
        names = (
            ("old", "new")
            if PREDECESSOR in peek_installation(installation.folder / "mailseal.db")
            else ("new",)
        )
        for name in names:
            installation.opens_with(name)
    else:
        raise AssertionError("the change never came to its end")
    assert asyncio.run(installation.judge(deep=True)) == {"new": installation.keys + STOCKED}
    assert PREDECESSOR not in peek_installation(installation.folder / "mailseal.db")
    assert asyncio.run(_damage(installation)) == []
    return kills


async def _damage(installation: Installation) -> list[str]:
    async with opened_store(installation.folder) as store:
        assert isinstance(store, SqliteStore)
        return [str(row) for row in store._reading.execute("PRAGMA integrity_check") if row != ("ok",)]


@pytest.mark.timeout(120)
def test_a_change_of_the_master_key_survives_some_kills(tmp_path: Path) -> None:
    assert crash_through(Installation(tmp_path, keys=120), 1, "after") >= 4


@pytest.mark.suite_keys
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "when"), [(1, "after"), (2, "inside")])
def test_a_change_of_a_thousand_keys_survives_a_kill_at_each_batch(
    tmp_path: Path, number: int, when: str
) -> None:
    kills = crash_through(Installation(tmp_path, keys=1000), number, when)
    assert kills > 1000 // BATCH
    print(f"{kills} kills")


@pytest.mark.suite_keys
@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["inside", "after"])
def test_a_change_that_is_killed_once_at_any_transaction_ends_in_the_next_life(
    tmp_path: Path, when: str
) -> None:
    for number in range(1, 9):
        folder = tmp_path / str(number)
        folder.mkdir()
        installation = Installation(folder, keys=300)
        asyncio.run(installation.fill())
        ended = installation.live(number, when) or installation.live(1000, "after")
        assert ended, number
        assert asyncio.run(installation.judge(deep=False)) == {"new": 300 + STOCKED}
        installation.opens_with("new")
