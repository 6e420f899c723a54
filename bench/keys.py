"""Keys: what refusing a bad one costs, what opening a sealed one costs, and how fast a master key changes.

Prints `keys.refuse.8192`, the CPU time that a key of 8192 bits costs before it is refused, against loading it
(aim: under 1 ms; loading takes seconds, so the peer here is a key of 2048 bits); `keys.seal`, `keys.open` and
`keys.rewrap`, each against one RSA signature by the same key; and `keys.rotate`, keys a second that move to
another master key, each hundred read back.
"""

from __future__ import annotations

import asyncio
import base64
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailseal.core.keys import KeyPlace
from mailseal.dkim.keys import KeyRefused, decode_ses_private_key, generate_private_key, load_private_key
from mailseal.sealing import Keyring, master_key_of, new_master_key, write_master_key
from mailseal.service import rewrap

ROUNDS, BLOCK, MOVED = 31, 20, 5000
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLACE = KeyPlace("000000000001", "us-east-1", "example.com", "s1")
DIGEST = bytes(32)


def cpu_ms(work: Callable[[], object], rounds: int = ROUNDS, block: int = BLOCK) -> float:
    """The median CPU time of one run, in milliseconds."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(block):
            work()
        taken.append((time.process_time() - began) / block * 1000)
    return statistics.median(taken)


def refused(text: str) -> None:
    """Judges a key as the API does; it must not be taken."""
    try:
        load_private_key(decode_ses_private_key(text))
    except KeyRefused:
        return
    raise AssertionError("a bad key was taken")


def of_8192_bits() -> str:
    """A real key of 8192 bits as SES's member takes it; made in half a minute or two."""
    key = rsa.generate_private_key(65537, 8192)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def refusing() -> None:
    """The cost of a key of 8192 bits, and of one whose prime has 40,000 bits."""
    good = base64.b64encode(generate_private_key(2048).to_pkcs8()).decode()
    taken = cpu_ms(lambda: load_private_key(decode_ses_private_key(good)), 7, 1)
    long = of_8192_bits()
    cost = cpu_ms(lambda: refused(long))
    print(f"keys.refuse.8192 {cost:.3f} ms ratio={cost / taken:.5f} of=loading-2048-bits")


def sealing() -> None:
    """Sealing, opening and wrapping anew, against one signature."""
    master, private = master_key_of(new_master_key(), "here"), generate_private_key(2048)
    keyring = Keyring(master)
    sealed = keyring.seal(private, "key", NOW, None)
    sign = cpu_ms(lambda: private.sign_digest(DIGEST))
    works: dict[str, Callable[[], object]] = {
        "seal": lambda: keyring.seal(private, "key", NOW, PLACE),
        "open": lambda: Keyring(master).sign_digest(sealed, DIGEST),
        "rewrap": lambda: keyring.placed(sealed, PLACE),
    }
    for name, work in works.items():
        cost = cpu_ms(work)
        print(f"keys.{name} {cost * 1000:.0f} us ratio={cost / sign:.3f} of=rsa-2048-signature")


async def rotating(folder: Path) -> None:
    """Keys a second that move."""
    from tests.fakes import fake_world, opened_store

    for name in ("a.key", "b.key"):
        write_master_key(folder / name)
    private, chance = generate_private_key(1024), random.Random(1)
    async with opened_store(folder) as store:
        world = fake_world(store)
        keys = [
            world.keyring.seal(
                private, f"{chance.getrandbits(128):032x}", NOW, replace(PLACE, selector=f"s{number}")
            )
            for number in range(MOVED)
        ]
        await store.write(lambda tx: [tx.keys.put(key) for key in keys])
        await store.write(lambda tx: tx.installation.put("master_key_check", b"x"))
        await rewrap.begin(world, f"file:{folder}/b.key")
        wall, cpu = time.perf_counter(), time.process_time()
        while world.keyring.older_key_id is not None:
            await rewrap.go_on(world, NOW, settle=0)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"keys.rotate {MOVED / wall:.0f} keys/s ratio={cpu / wall:.3f} of=wall cpu={cpu / MOVED * 1e6:.0f}us"
    )


def main() -> None:
    """All figures."""
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    refusing()
    sealing()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(rotating(Path(folder)))


if __name__ == "__main__":
    main()
