"""One domain in a whole world of fakes: an owner who publishes, a worker that turns, mail that is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.commands import CreateIdentity, DkimAttributesInput, PutDkimSigning, SendEmail
from mailseal.core.identity import Identity, dkim_attributes
from mailseal.core.names import dkim_name
from mailseal.core.verification import ed25519_records, expected_records
from mailseal.service import configure, publish, rotate, send, verify
from mailseal.service.world import World
from tests.fakes import FakeClock, KeepingNextHop, ScriptedDns, fake_world, opened_store

DOMAIN = "example.com"
WHO = Principal("000000000001", "us-east-1", "MSTEST")
ELSEWHERE = Principal("000000000001", "eu-west-1", "MSTEST")
MAIL = (
    b"From: news@example.com\r\nTo: you@example.net\r\nSubject: hello\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n"
)


class Scene:
    """A world, and what people do in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        assert isinstance(world.resolver, ScriptedDns)
        assert isinstance(world.clock, FakeClock)
        assert isinstance(world.next_hop, KeepingNextHop)
        self.dns, self.clock, self.next_hop = world.resolver, world.clock, world.next_hop
        self.dns.domains.add(DOMAIN)

    async def create(self, name: str = DOMAIN, who: Principal = WHO, **dkim: Any) -> Identity:
        given = DkimAttributesInput(**dkim) if dkim else None
        return await configure.create_identity(self.world, who, CreateIdentity(name, given), self.clock.now())

    async def put(self, origin: str, who: Principal = WHO, name: str = DOMAIN, **dkim: Any) -> Identity:
        given = DkimAttributesInput(**dkim) if dkim else None
        command = PutDkimSigning(name, origin, given)
        return await configure.put_dkim_signing(self.world, who, command, self.clock.now())

    async def get(self, who: Principal = WHO, name: str = DOMAIN) -> Identity:
        return await configure.get_identity(self.world, who, name, self.clock.now())

    async def delete(self, who: Principal = WHO, name: str = DOMAIN) -> None:
        await configure.delete_identity(self.world, who, name, self.clock.now())

    async def owner_publishes(self, who: Principal = WHO, name: str = DOMAIN) -> None:
        """The owner publishes what the newest setting asks for, and takes nothing away."""
        identity = await self.get(who, name)
        at, policy = self.clock.now(), self.world.policy
        wanted = expected_records(identity, identity.newest, at, policy)
        for record in wanted + ed25519_records(identity, at, policy):
            by_text = record.type.value == "TXT"
            self.dns.publish(record.owner, record.value.encode() if by_text else record.value)

    def owner_removes(self, *selectors: str) -> None:
        for selector in selectors:
            self.dns.cnames.pop(dkim_name(selector, DOMAIN), None)
            self.dns.texts.pop(dkim_name(selector, DOMAIN), None)

    async def work(self, seconds: float = 0) -> None:
        """The clock moves, and the worker does all that is due."""
        self.clock.advance(seconds=seconds)
        for _ in range(4):
            while await publish.publish(self.world):
                pass
            await verify.tick(self.world)
            await rotate.tick(self.world)

    async def proven(self, who: Principal = WHO) -> Identity:
        """The identity after its owner obeyed and two rounds have seen it."""
        await self.owner_publishes(who)
        await self.work()
        await self.work(6)
        return await self.get(who)

    async def send(self, who: Principal = WHO, raw: bytes = MAIL) -> bytes:
        """The message as the next hop got it."""
        await send.send_email(self.world, who, SendEmail(raw=raw), self.clock.now())
        return self.next_hop.given[-1][1]


@asynccontextmanager
async def scene(folder: Path, **parts: Any) -> AsyncIterator[Scene]:
    """A scene on a database in that folder."""
    async with opened_store(folder) as store:
        yield Scene(fake_world(store, **parts))


def status(identity: Identity) -> str:
    """The DKIM status that the wire shows."""
    return dkim_attributes(identity).status.value
