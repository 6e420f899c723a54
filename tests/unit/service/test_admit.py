"""Who is asking: keys remembered for seconds only, and a stranger who learns nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mailseal.core.access import AccessKey, Principal
from mailseal.core.errors import SignatureDoesNotMatch
from mailseal.service.admit import KnownKeys, admit

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
KEY = AccessKey("AKIAONE", "000000000001", "secret-one")


@dataclass
class Remembered:
    """A store and a keyring of access keys, and how often they were asked."""

    keys: dict[str, AccessKey] = field(default_factory=lambda: {KEY.access_key_id: KEY})
    reads: int = 0

    @property
    def store(self) -> Any:
        async def read(unit: Any) -> Any:
            self.reads += 1
            return unit(SimpleNamespace(access_keys=SimpleNamespace(load=self._load)))

        return SimpleNamespace(read=read)

    def _load(self, name: str) -> tuple[AccessKey, bytes] | None:
        found = self.keys.get(name)
        return (
            (replace(found, secret=""), f"sealed access-key/{name} {found.secret}".encode())
            if found
            else None
        )

    @property
    def keyring(self) -> Any:
        def open_secret(name: str, sealed: bytes) -> bytes:
            assert sealed.startswith(b"sealed " + name.encode()), "sealed for another key"
            return sealed.rpartition(b" ")[2]

        return SimpleNamespace(open_secret=open_secret)


def find(known: KnownKeys, world: Remembered, name: str, seconds: float = 0) -> AccessKey | None:
    return asyncio.run(known.find(world, name, NOW + timedelta(seconds=seconds)))


def test_a_known_key_comes_with_its_secret_and_is_read_once() -> None:
    known, world = KnownKeys(), Remembered()
    assert find(known, world, "AKIAONE") == find(known, world, "AKIAONE", 4.9) == KEY
    assert world.reads == 1


def test_a_key_that_was_disabled_is_believed_five_seconds_at_most() -> None:
    known, world = KnownKeys(), Remembered()
    find(known, world, "AKIAONE")
    world.keys["AKIAONE"] = replace(KEY, enabled=False)
    assert find(known, world, "AKIAONE", 4.9) == KEY
    assert find(known, world, "AKIAONE", 5.0) is None


def test_a_new_secret_is_taken_over_within_five_seconds() -> None:
    known, world = KnownKeys(), Remembered()
    find(known, world, "AKIAONE")
    world.keys["AKIAONE"] = replace(KEY, secret="other")
    found = find(known, world, "AKIAONE", 5)
    assert found is not None
    assert found.secret == "other"


def test_an_unknown_key_is_remembered_as_such_for_a_second_only() -> None:
    known, world = KnownKeys(), Remembered()
    assert find(known, world, "AKIATWO") is None
    assert find(known, world, "AKIATWO", 0.9) is None
    assert world.reads == 1
    world.keys["AKIATWO"] = replace(KEY, access_key_id="AKIATWO")
    assert find(known, world, "AKIATWO", 1) is not None


def test_a_flood_of_unknown_keys_takes_no_memory_and_drives_no_known_key_out() -> None:
    known, world = KnownKeys(capacity=10), Remembered()
    find(known, world, "AKIAONE")
    for number in range(100):
        find(known, world, f"AKIA{number}")
    reads = world.reads
    assert find(known, world, "AKIAONE", 1) == KEY
    assert world.reads == reads
    assert len(known._unknown) == 10


def test_whoever_proves_the_secret_is_the_principal() -> None:
    who = admit(KEY, "us-east-1", lambda secret: secret == "secret-one")
    assert who == Principal("000000000001", "us-east-1", "AKIAONE")


@pytest.mark.parametrize("key", [KEY, None])
def test_whoever_does_not_prove_it_learns_nothing_about_the_key(key: AccessKey | None) -> None:
    tried: list[str] = []

    def proves(secret: str) -> bool:
        tried.append(secret)
        return False

    with pytest.raises(SignatureDoesNotMatch) as told:
        admit(key, "us-east-1", proves)
    assert len(tried) == 1, "an unknown key costs the same work"
    assert "AKIA" not in told.value.message + told.value.hint


def test_the_decoy_admits_nobody_even_when_it_is_proven() -> None:
    with pytest.raises(SignatureDoesNotMatch):
        admit(None, "us-east-1", lambda secret: True)
