"""Keys made ahead of need: filling the stock, and taking a key from it to its place.

Rule: a key is made outside every transaction; inside one it is only taken, bound to its place and stored.
References: docs/decisions/0002-units-and-group-commit.md; RFC 6376 §3.3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.stored import SealBroken
from mailseal.dkim.keys import ED25519_BITS, generate_ed25519_key
from mailseal.service.alarms import note
from mailseal.service.world import SealedKey, Tx, World

T = TypeVar("T")


class StockEmpty(Exception):
    """No key of the wanted length is left; raised in a unit, for `write_with_keys` to make one and rerun."""

    def __init__(self, bits: int) -> None:
        super().__init__(f"no key of {bits} bits in stock")
        self.bits = bits


def take_key(tx: Tx, world: World, bits: int, place: KeyPlace) -> KeyRef:
    """A key from the stock, now bound to its place and stored there; raises StockEmpty.

    One that does not open was tampered with: it is thrown away and told.
    """
    while True:
        stocked = tx.keys.take_stock(bits)
        if stocked is None:
            raise StockEmpty(bits)
        try:
            placed = world.keyring.placed(stocked, place)
        except SealBroken as broken:
            world.alarm("the stock", str(broken))
            note(tx, place.account_id, place.region, place.domain, broken, world.clock.now())
            continue
        tx.keys.put(placed)
        return stocked.ref


async def write_with_keys(world: World, unit: Callable[[Tx], T], now: datetime) -> T:
    """What the unit gives; where it finds the stock empty a key is made and the unit runs again.

    The key that was made goes into the stock in the unit's own transaction, so that nobody else can take it
    first. Four rounds at most: one for each length there is, and one for a stock that was emptied meanwhile.
    """
    fresh: list[SealedKey] = []

    def with_fresh(tx: Tx) -> T:
        for key in fresh:
            tx.keys.add_stock(key)
        return unit(tx)

    for _ in range(4):
        try:
            return await world.store.write(with_fresh)
        except StockEmpty as empty:
            world.stock_missed(empty.bits)
            fresh.append(await make_sealed(world, empty.bits, now))
    return await world.store.write(with_fresh)


async def make_sealed(world: World, bits: int, now: datetime) -> SealedKey:
    """A key made for this call, sealed for the stock and not yet in it.

    Ed25519 keys cost nothing and are always made so.
    """
    private = generate_ed25519_key() if bits == ED25519_BITS else await world.key_maker.make(bits)
    return world.keyring.seal(private, world.new_id(), now, None)


async def add_to_stock(world: World, bits: int, now: datetime) -> SealedKey:
    """Makes one key, seals it and puts it into the stock."""
    sealed = await make_sealed(world, bits, now)
    await world.store.write(lambda tx: tx.keys.add_stock(sealed))
    return sealed


async def stock_levels(world: World) -> Mapping[int, int]:
    """How many keys of each wanted length wait in the stock."""
    levels = await world.store.read(lambda tx: tx.keys.stock_levels())
    return {bits: levels.get(bits, 0) for bits in world.stock_target}


async def stock_missing(world: World) -> int | None:
    """The length of which a key is missing most, or None while the stock is full."""
    levels = await stock_levels(world)
    missing = {bits: target - levels[bits] for bits, target in world.stock_target.items()}
    bits = max(missing, key=lambda one: missing[one] / max(1, world.stock_target[one]), default=None)
    return bits if bits is not None and missing[bits] > 0 else None
