"""The front end over the real use cases and a real database; the world's edges alone are fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mailseal.core.access import AccessKey, secret_name
from mailseal.service import linking, mailfrom, publish, verify
from mailseal.service.addresses import use_link
from mailseal.service.world import World
from mailseal.sesv2.http import SesApi
from mailseal.telemetry import Line, Telemetry
from tests.fakes import START, KeepingNextHop, ScriptedDns, fake_world, opened_store
from tests.unit.sesv2.rig import KEY_ID, SECRET, Answer, Wire, answered

ACCOUNT = "000000000001"


@dataclass
class TwoClocks:
    """The world's clock, which is moved, and the real one, which is the time of each signature."""

    at: datetime = START
    real: datetime = START

    def now(self) -> datetime:
        return self.at

    def real_now(self) -> datetime:
        return self.real


class Whole:
    """One application on a database of its own."""

    def __init__(self, world: World, clock: TwoClocks) -> None:
        assert isinstance(world.resolver, ScriptedDns)
        self.world, self.clock, self.dns = world, clock, world.resolver
        self.lines: list[Line] = []
        telemetry = Telemetry(self.lines.append, clock.real_now)
        self.api = SesApi(world, telemetry, _no_native)

    async def ask(self, wire: Wire) -> Answer:
        """The answer to one request at the time of its signature."""
        self.clock.real = wire.time
        return await answered(self.api, wire)

    async def open_link(self) -> None:
        """The reader of the newest mail follows its link and confirms the address."""
        assert isinstance(self.world.next_hop, KeepingNextHop)
        mail = self.world.next_hop.given[-1][1]
        token = mail.partition(b"/mailseal/verify/")[2].split()[0].decode()
        assert await use_link(self.world, token, self.clock.now()) is not None

    async def work(self, seconds: float) -> None:
        """The clock moves, and every check that is due is made."""
        self.clock.at += timedelta(seconds=seconds)
        while await publish.publish(self.world):
            pass
        await verify.tick(self.world)
        await mailfrom.tick(self.world)
        for address in await linking.claim(self.world, 10):
            await linking.attend(self.world, address)


async def _no_native(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asked for the native API")


@asynccontextmanager
async def whole(folder: Path) -> AsyncIterator[Whole]:
    """An application with the rig's access key, on a database in that folder."""
    clock = TwoClocks()
    async with opened_store(folder) as store:
        world = fake_world(store, clock=clock)
        key = AccessKey(KEY_ID, ACCOUNT)
        sealed = world.keyring.seal_secret(secret_name(KEY_ID), SECRET.encode())

        def unit(tx: Any) -> None:
            tx.access_keys.add_account(ACCOUNT, START)
            tx.access_keys.add(key, sealed, START)

        await store.write(unit)
        yield Whole(world, clock)


def tell(folder: Path, story: Callable[[Whole], Awaitable[None]]) -> None:
    """Runs a story in an application of its own."""

    async def told() -> None:
        async with whole(folder) as application:
            await story(application)

    asyncio.run(told())
