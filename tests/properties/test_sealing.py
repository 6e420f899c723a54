"""Thirty thousand envelopes that somebody has tampered with: not one of them signs.

MAILSEAL_TAMPERED=1000000 asks for more of them.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from mailseal.core.keys import KeyPlace
from mailseal.core.stored import SealedKey
from mailseal.sealing import Keyring, SealBroken, master_key_of
from tests.fakes import MASTER_KEY, START, fake_keyring, pooled_key

WANTED = int(os.environ.get("MAILSEAL_TAMPERED", "30000"))
ENVELOPES = 20
DIGEST = hashlib.sha256(b"a message").digest()


def places() -> list[KeyPlace | None]:
    """Twenty places: several accounts, regions and domains, and the stock."""
    made: list[KeyPlace | None] = [None, None]
    for number in range(ENVELOPES - 2):
        account = f"{1 + number % 3:012}"
        made.append(
            KeyPlace(account, ("us-east-1", "eu-west-1")[number % 2], f"d{number // 2}.example", "s1")
        )
    return made


def envelopes() -> list[SealedKey]:
    """Twenty sealed keys, two of them in stock; some share their public key."""
    keyring = fake_keyring()
    return [
        keyring.seal(pooled_key(number % 4, (1024, 2048)[number % 2]), f"key-{number}", START, place)
        for number, place in enumerate(places())
    ]


def flipped(keys: list[SealedKey], chance: random.Random) -> Iterator[SealedKey]:
    """Every octet of every envelope, changed to another one."""
    for key in keys:
        for position in range(len(key.envelope)):
            octets = bytearray(key.envelope)
            octets[position] ^= chance.randrange(1, 256)
            yield replace(key, envelope=bytes(octets))


EARLIER = Keyring(master_key_of(bytes(32), "an earlier master key"))
Tamper = Callable[[SealedKey, SealedKey, int, random.Random], SealedKey]
TAMPERINGS: dict[str, Tamper] = {
    "swapped": lambda key, other, at, chance: replace(key, envelope=other.envelope),
    "spliced": lambda key, other, at, chance: replace(key, envelope=key.envelope[:at] + other.envelope[at:]),
    "cut": lambda key, other, at, chance: replace(key, envelope=key.envelope[:at]),
    "lengthened": lambda key, other, at, chance: replace(key, envelope=key.envelope + chance.randbytes(at)),
    "moved": lambda key, other, at, chance: replace(key, place=other.place),
    "renamed": lambda key, other, at, chance: replace(key, ref=replace(key.ref, key_id=other.ref.key_id)),
    "another length": lambda key, other, at, chance: replace(key, ref=replace(key.ref, bits=at)),
    "another public key": lambda key, other, at, chance: replace(
        key, ref=replace(key.ref, spki=key.ref.spki[:-at] + chance.randbytes(at))
    ),
    "noise": lambda key, other, at, chance: replace(key, envelope=chance.randbytes(len(key.envelope))),
    "rolled back": lambda key, other, at, chance: EARLIER.seal(
        pooled_key(0, 1024), key.ref.key_id, START, key.place
    ),
}


def put_together(keys: list[SealedKey], chance: random.Random) -> Iterator[SealedKey]:
    """Rows made of others, without end."""
    while True:
        key, other = chance.sample(keys, 2)
        at = chance.randrange(1, min(len(key.envelope), len(other.envelope)))
        tampered = chance.choice(list(TAMPERINGS.values()))(key, other, at, chance)
        if tampered not in keys:
            yield tampered


def signs(keyring: Keyring, key: SealedKey) -> bool:
    try:
        keyring.sign_digest(key, DIGEST)
    except SealBroken:
        return False
    return True


def test_not_one_of_thirty_thousand_tampered_envelopes_signs() -> None:
    chance, keys = random.Random(8), envelopes()
    keyring = fake_keyring()
    # What was opened before lies in memory, and must not answer for a tampered row.
    assert all(signs(keyring, key) for key in keys)
    tried = 0
    for source in (flipped(keys, chance), put_together(keys, chance)):
        for tampered in source:
            assert not signs(keyring, tampered), tampered
            tried += 1
            if tried >= WANTED:
                break
    assert tried >= WANTED
    assert all(signs(keyring, key) for key in keys)


def test_no_tampered_secret_opens_and_none_under_another_name() -> None:
    chance, keyring = random.Random(9), fake_keyring()
    sealed = keyring.seal_secret("access-key/ONE", b"a secret of forty characters, no more....")
    for position in range(len(sealed)):
        octets = bytearray(sealed)
        octets[position] ^= chance.randrange(1, 256)
        assert opened(keyring, "access-key/ONE", bytes(octets)) is None, position
    for name in ("access-key/TWO", "access-key/one", "", "access-key/ONE\0"):
        assert opened(keyring, name, sealed) is None
    assert opened(keyring, "access-key/ONE", sealed) is not None
    assert opened(Keyring(master_key_of(MASTER_KEY[::-1], "another")), "access-key/ONE", sealed) is None


def opened(keyring: Keyring, name: str, sealed: bytes) -> bytes | None:
    try:
        return keyring.open_secret(name, sealed)
    except SealBroken:
        return None
