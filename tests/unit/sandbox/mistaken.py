"""A domain whose owner makes mistakes by name: our zone, customers' DNS, and checks that really ask."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.commands import CreateIdentity, DkimAttributesInput
from mailseal.core.identity import Identity, dkim_attributes
from mailseal.nameserver.listen import start_name_server
from mailseal.nameserver.zone import Zone, ZoneSettings
from mailseal.resolver.asking import DnsResolver
from mailseal.sandbox.customer_dns import start_customer_dns
from mailseal.sandbox.customers import Customers
from mailseal.sandbox.settings import RESOLVERS
from mailseal.sandbox.zones import CustomerZones
from mailseal.service import configure, publish, verify
from mailseal.service.world import World
from tests.fakes import HOSTED_ZONE, FakeClock, fake_world, opened_store, pooled_key

DOMAIN = "example.com"
WHO = Principal("000000000001", "us-east-1", "MSTEST")
LOOPBACK = ("127.0.0.0/8",)
OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()


@dataclass
class Domain:
    """A domain with its owner, and what Mailseal says of it."""

    world: World
    customers: Customers
    name: str = DOMAIN

    async def create(self, *, own_key: bool = False) -> Identity:
        """An identity with Easy DKIM or an own key, its own part published."""
        given = DkimAttributesInput("s1", OWN_KEY) if own_key else None
        command = CreateIdentity(self.name, given)
        identity = await configure.create_identity(self.world, WHO, command, self.world.clock.now())
        while await publish.publish(self.world):
            pass
        return identity

    async def mistake(self, code: str) -> None:
        """The owner gets it wrong."""
        await self.customers.make_mistake(self.world, WHO, self.name, code)

    async def check(self) -> dict[str, Any]:
        """What a check at this moment finds, as it is kept."""
        clock = self.world.clock
        assert isinstance(clock, FakeClock)
        now = clock.advance(seconds=10)
        await verify.check_now(self.world, WHO, self.name, now)
        identity = await configure.get_identity(self.world, WHO, self.name, now)
        setting_id = identity.newest.setting_id
        kept = await self.world.store.read(lambda tx: tx.evidence.latest(setting_id))
        assert kept is not None
        status = dkim_attributes(identity).status.value
        members: dict[str, Any] = json.loads(kept[1])
        return members | {"dkim_status": status}


def codes(members: dict[str, Any]) -> set[str]:
    """The first diagnosis of each record."""
    return {record["diagnosis"] for record in members["records"]} - {None}


Story = Callable[[Domain], Coroutine[Any, Any, None]]


def tell(folder: Path, story: Story) -> None:
    """Runs a story in a world of its own."""

    async def run() -> None:
        async with opened_store(folder) as store:
            settings = ZoneSettings(
                HOSTED_ZONE, (f"ns1.{HOSTED_ZONE}",), {f"ns1.{HOSTED_ZONE}": ("127.0.0.1",)}
            )
            ours = await start_name_server([("127.0.0.1", 0)], [Zone(settings, store.served)], store.served)
            zones = CustomerZones()
            customers = await start_customer_dns(zones, ("127.0.0.1", 0), {HOSTED_ZONE: ours.addresses[0]})
            port = customers.address[1]
            resolver = DnsResolver(
                [f"udp://{host}:{port}" for host in RESOLVERS],
                allow_networks=LOOPBACK,
                port=port,
                tries_s=(0.5, 0.5),
            )
            world = replace(fake_world(store), resolver=resolver)
            try:
                await story(Domain(world, Customers(zones, None)))
            finally:
                await customers.close()
                await ours.close()

    asyncio.run(run())
