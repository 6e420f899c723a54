"""Taking keys from the stock: whoever had one made gets one, however many others take at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailseal.core.access import Principal
from mailseal.core.commands import CreateIdentity
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.service.configure import create_identity
from mailseal.service.stock import add_to_stock, stock_levels, take_key, write_with_keys
from mailseal.service.world import Tx
from tests.fakes import PoolKeyMaker, fake_world, opened_store

WHO = Principal("000000000001", "us-east-1", "MSAKTEST")


def test_a_key_made_for_a_call_is_taken_by_that_call(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(tmp_path) as store:
            maker = PoolKeyMaker()
            world = fake_world(store, key_maker=maker)
            thieves = 0

            def unit(tx: Tx) -> KeyRef:
                return take_key(tx, world, 2048, KeyPlace("a", "r", "example.com", "s"))

            async def steal() -> None:
                nonlocal thieves
                while not asked.done():
                    thieves += (await store.write(lambda tx: tx.keys.take_stock(2048))) is not None

            asked = asyncio.ensure_future(write_with_keys(world, unit, world.clock.now()))
            await asyncio.gather(asked, *(steal() for _ in range(4)))
            assert asked.result().bits == 2048
            assert (maker.made, thieves) == ([2048], 0)

    asyncio.run(story())


def test_a_call_that_found_no_key_in_stock_is_counted_and_one_that_found_one_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(tmp_path) as store:
            missed: list[int] = []
            world = fake_world(store, stock_missed=missed.append)
            await add_to_stock(world, 2048, world.clock.now())
            assert await stock_levels(world) == {2048: 1, 1024: 0}
            await create_identity(world, WHO, CreateIdentity("a.example.com"), world.clock.now())
            assert (missed, await stock_levels(world)) == ([], {2048: 0, 1024: 0})
            await create_identity(world, WHO, CreateIdentity("b.example.com"), world.clock.now())
            assert (missed, await stock_levels(world)) == ([2048], {2048: 0, 1024: 0})

    asyncio.run(story())


def test_many_who_create_at_once_on_an_empty_stock_all_get_a_key(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(tmp_path) as store:
            world = fake_world(store)

            async def client(own: int) -> None:
                for number in range(10):
                    command = CreateIdentity(f"d{own}-{number}.example.com")
                    await create_identity(world, WHO, command, world.clock.now())

            await asyncio.gather(*(client(own) for own in range(16)))
            counts = await store.read(lambda tx: tx.identities.count_by_status())
            assert sum(counts.values()) == 160

    asyncio.run(story())
