"""A program that writes to a database until it is killed, and says on stdout what it sent and what came back.

    s CLIENT N    unit N of this client was handed over
    a CLIENT N    it was acknowledged

Unit N leaves several tables in a state that N alone decides, so that a half-applied unit is seen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mailseal.core.attributes import Attributes
from mailseal.core.commands import Tag
from mailseal.core.identity import Event
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import NOTHING_DUE, create, new_identity, renamed
from tests.unit.core.scenes import ACCOUNT, REGION, START

CLIENTS = 4
CYCLE = 5


def domain_of(client: int) -> str:
    """The domain that a client writes to."""
    return f"client{client}.example.com"


def exists_after(number: int) -> bool:
    """Whether the client's identity is there after its unit of that number."""
    return number > 0 and number % CYCLE != 0


def unit_of(client: int, number: int) -> Callable[[Transaction], None]:
    """Unit N of a client: creates, changes or deletes its identity, and counts in three other tables."""
    name = domain_of(client)

    def unit(tx: Transaction) -> None:
        tx.installation.put(name, str(number).encode())
        tx.events.append(ACCOUNT, REGION, name, START, [Event("unit", str(number))])
        tx.zone.advance(name)
        stored = tx.identities.load(ACCOUNT, REGION, name)
        if stored is None:
            fresh = renamed(new_identity(), name)
            key = fresh.slots[0].key
            assert key is not None
            slots = tx.slots.load(ACCOUNT, REGION, name) or fresh.slots
            first = replace(
                slots[0], key=replace(key, key_id=f"key {number} of {name}"), state=fresh.slots[0].state
            )
            create(tx, replace(fresh, slots=(first, *slots[1:])))
        elif exists_after(number):
            assert tx.identities.save(stored, NOTHING_DUE) is not None
        else:
            assert tx.identities.delete(stored)
        tx.attributes.save(ACCOUNT, REGION, name, Attributes(tags=(Tag("number", str(number)),)))

    return unit


def number_of(tx: Transaction, client: int) -> int:
    """The number of the last unit of a client that is stored; fails where the tables do not agree on it."""
    name = domain_of(client)
    number = int(tx.installation.get(name) or b"0")
    events = tx.events.list(ACCOUNT, REGION, name, 1)
    identity = tx.identities.load(ACCOUNT, REGION, name)
    tags = tx.attributes.load(ACCOUNT, REGION, name).tags
    seen = {
        "event": int(events[0].text) if events else 0,
        "serial": tx.zone.serial(name) - 1,
        "identity": number if (identity is not None) == exists_after(number) else -1,
        "tag": int(tags[0].value) if tags else 0,
    }
    if identity is not None:
        key = identity.slots[0].key
        assert key is not None
        assert tx.keys.load(key.key_id) is not None, f"{name} refers to a key that is not there"
    assert set(seen.values()) == {number}, f"{name}: unit {number} is half applied: {seen}"
    return number


def say(line: str) -> None:
    """One line on stdout, in one write, so that a kill cannot cut it."""
    os.write(1, f"{line}\n".encode())


async def write_for_ever(path: Path) -> None:
    """Four clients, each with its own domain."""
    store = SqliteStore.open(path)

    async def client(own: int) -> None:
        number = await store.read(lambda tx: number_of(tx, own))
        while True:
            number += 1
            say(f"s {own} {number}")
            await store.write(unit_of(own, number))
            say(f"a {own} {number}")

    await asyncio.gather(*(client(own) for own in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(write_for_ever(Path(sys.argv[1])))
