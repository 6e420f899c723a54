"""Use case: another master key takes over, and everything that is sealed moves to it, a hundred at a time.

Rule: each hundred is read back and opened before the next; the older master key goes when no row names it,
never earlier. Whatever was interrupted goes on where rows still name it; a row that does not open stays as it
is, is told, and keeps the older key.
References: docs/decisions/0014-master-keys.md; docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mailseal.core.access import secret_name
from mailseal.core.errors import BadRequest
from mailseal.core.startup import StartRefused
from mailseal.core.stored import SealBroken
from mailseal.service.alarms import raise_alarm
from mailseal.service.world import SealedKey, Tx, World

BATCH = 100
PREDECESSOR = "master_key_predecessor"
"""The installation's value that is there while keys move; it holds the older master key, sealed."""
SETTLE_S = 1.0
"""Seconds in which what was sealed with the older master key before it went has reached the database."""


@dataclass(slots=True)
class Moving:
    """What has been done in one go, and what is left."""

    moved: int = 0
    left: int = 0
    broken: list[str] = field(default_factory=list)
    """Names of what does not open."""


async def begin(world: World, provider: str) -> None:
    """Lets the master key that `provider` names take over; raises BadRequest where that cannot be."""
    if world.keyring.older_key_id is not None:
        raise _under_way()
    try:
        succession = await asyncio.to_thread(world.keyring.successor, provider)
    except StartRefused as refused:
        raise BadRequest(f"{refused.message}: {refused.why}.", hint=refused.do) from None

    def unit(tx: Tx) -> None:
        # Another change may have begun, and even ended, while this one was made ready.
        if tx.installation.get(PREDECESSOR) or world.keyring.master_key_id != succession.replaces:
            raise _under_way()
        for name, value in succession.values.items():
            tx.installation.put(name, value)

    await world.store.write(unit)
    succession.take_over()


def _under_way() -> BadRequest:
    return BadRequest(
        "Keys are still moving from the master key before to the one in use.",
        hint="mailseal keys rotate-master without --to goes on with that.",
    )


async def go_on(world: World, now: datetime, *, batches: int = 20, settle: float = SETTLE_S) -> Moving:
    """Moves what some batches hold; where nothing is left, the older master key is forgotten."""
    moving = Moving()
    older = world.keyring.older_key_id
    if older is None:
        return moving
    if await _move_keys(world, older, batches, moving, now):
        await _move_secrets(world, moving)
        await _move_values(world, moving)
        await asyncio.sleep(settle)
        await _retire(world, older, moving)
    moving.left = await world.store.read(lambda tx: tx.keys.count_under(older))
    return moving


async def _move_keys(world: World, older: str, batches: int, moving: Moving, now: datetime) -> bool:
    """Whether the end was reached: no key under the older master key but those that do not open."""
    after = ""
    for _ in range(batches):
        keys = await world.store.read(partial(_keys_under, older, after))
        if not keys:
            return True
        after = keys[-1].ref.key_id
        current = [key for key in [await _current(world, key, moving, now) for key in keys] if key]
        moving.moved += await world.store.write(partial(_rewrap, current))
        await world.store.read(partial(_read_back, world, current))
    return False


async def _current(world: World, key: SealedKey, moving: Moving, now: datetime) -> SealedKey | None:
    """The key under the master key of now; None, and an alarm, where it does not open."""
    try:
        return world.keyring.current(key)
    except SealBroken as broken:
        moving.broken.append(f"key {key.ref.key_id}")
        place = key.place
        if place is None:
            world.alarm("the stock", str(broken))
        else:
            await raise_alarm(world, place.account_id, place.region, place.domain, broken, now)
        return None


def _keys_under(older: str, after: str, tx: Tx) -> Sequence[SealedKey]:
    return tx.keys.list_under(older, after, BATCH)


def _rewrap(current: Sequence[SealedKey], tx: Tx) -> int:
    return sum(tx.keys.rewrap(key) for key in current)


def _read_back(world: World, moved: Sequence[SealedKey], tx: Tx) -> None:
    """Raises SealBroken unless what is stored now opens under the master key that it names."""
    for key in moved:
        key_id = key.ref.key_id
        stored = tx.keys.load(key_id) or tx.keys.load_stock(key_id) or tx.keys.load_retired(key_id)
        if stored is not None:
            world.keyring.confirm_key(stored)


async def _move_secrets(world: World, moving: Moving) -> None:
    """Seals the secrets of all access keys anew; they are few."""
    after = ""
    while True:
        rows = await world.store.read(partial(_secrets_not_under, world.keyring.secret_head, after))
        if not rows:
            return
        after = rows[-1][0]
        changed: list[tuple[str, bytes, bytes]] = []
        for key_id, sealed in rows:
            try:
                changed.append((key_id, sealed, world.keyring.current_secret(secret_name(key_id), sealed)))
            except SealBroken as broken:
                moving.broken.append(f"the secret of {key_id}")
                world.alarm(key_id, str(broken))
        await world.store.write(partial(_reseal, changed))
        moving.moved += len(changed)


def _secrets_not_under(head: bytes, after: str, tx: Tx) -> Sequence[tuple[str, bytes]]:
    return tx.access_keys.list_not_under(head, after, BATCH)


def _reseal(changed: Sequence[tuple[str, bytes, bytes]], tx: Tx) -> None:
    for key_id, before, sealed in changed:
        tx.access_keys.reseal(key_id, before, sealed)


async def _move_values(world: World, moving: Moving) -> None:
    """Seals the installation's own secrets anew."""

    def unit(tx: Tx) -> int:
        changed = world.keyring.current_values(tx.installation.values())
        for name, value in changed.items():
            tx.installation.put(name, value)
        return len(changed)

    if await world.store.read(lambda tx: bool(world.keyring.current_values(tx.installation.values()))):
        moving.moved += await world.store.write(unit)


async def _retire(world: World, older: str, moving: Moving) -> None:
    """Deletes the older master key and forgets it, unless a row names it or a secret does not open."""
    head = world.keyring.secret_head

    def unit(tx: Tx) -> bool:
        if tx.keys.count_under(older) or tx.access_keys.list_not_under(head, "", 1):
            return False
        if world.keyring.older_key_id == older:
            tx.installation.delete(PREDECESSOR)
        return True

    if await world.store.write(unit):
        world.keyring.forget_older(older)
