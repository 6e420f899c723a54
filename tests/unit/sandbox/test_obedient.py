"""The obedient customer, on a real database: what it publishes, when, and what it leaves alone."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from mailseal.core.access import AccessKey, Principal
from mailseal.core.commands import CreateIdentity, DkimAttributesInput, PutDkimSigning
from mailseal.core.mailfrom import PutMailFrom
from mailseal.sandbox.accounts import close_account, fresh_key, open_account
from mailseal.sandbox.customers import Customers
from mailseal.sandbox.obedient import ObedientCustomer
from mailseal.sandbox.zones import CustomerZones
from mailseal.service.configure import create_identity, put_dkim_signing
from mailseal.service.mailfrom import put_mail_from
from mailseal.service.world import World
from tests.fakes import START, fake_world, opened_store, pooled_key

REGION = "us-east-1"


class Scene:
    """A world with one account and a customer who obeys."""

    def __init__(self, world: World, key: AccessKey, after: timedelta) -> None:
        self.world = world
        self.who = Principal(key.account_id, REGION, key.access_key_id)
        self.customers = Customers(CustomerZones(), None)
        self.said: list[str] = []
        self.customer = ObedientCustomer(
            world, self.customers, after, lambda name, text: self.said.append(f"{name}: {text}")
        )

    async def create(self, name: str) -> None:
        await create_identity(self.world, self.who, CreateIdentity(name), START)
        self.customer.ask()

    def published(self) -> list[str]:
        return [record.type for record in self.customers.zones.records()]


def play(folder: Path, story: Callable[[Scene], Awaitable[None]], after: float = 0) -> None:
    async def played() -> None:
        async with opened_store(folder) as store:
            world, key = fake_world(store), fresh_key()
            await open_account(world, key, START)
            await story(Scene(world, key, timedelta(seconds=after)))

    asyncio.run(played())


def test_what_a_new_identity_asks_for_is_published_once(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.customer.look()
        assert scene.said == ["example.com: 3 CNAME published"]
        assert scene.published() == ["CNAME"] * 3
        scene.customers.forget("example.com")
        scene.customer.ask()
        await scene.customer.look()
        assert scene.published() == []

    play(tmp_path, story)


def test_a_mistake_stands_until_it_is_repaired(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.customers.make_mistake(scene.world, scene.who, "example.com", "DOUBLED_DOMAIN")
        await scene.customer.look()
        names = {record.name.rstrip(".") for record in scene.customers.zones.records()}
        assert len(names) == 3
        assert all(name.endswith(".example.com.example.com") for name in names)
        await scene.customers.repair(scene.world, scene.who, "example.com")
        await scene.customer.look()
        assert not any(
            record.name.rstrip(".").endswith("example.com.example.com")
            for record in scene.customers.zones.records()
        )
        assert len(scene.published()) == 3

    play(tmp_path, story)


def test_nothing_is_published_before_its_time(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.customer.look()
        await scene.customer.look()
        assert scene.published() == []

    play(tmp_path, story, after=3600)


def test_an_own_key_of_an_identity_that_signs_is_published_when_it_is_named(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.customer.look()
        key = base64.b64encode(pooled_key().to_pkcs8()).decode()
        own = DkimAttributesInput(selector="own1", private_key=key)
        command = PutDkimSigning("example.com", "EXTERNAL", own)
        await put_dkim_signing(scene.world, scene.who, command, START)
        scene.customer.ask((scene.who.account_id, REGION, "example.com"))
        await scene.customer.look()
        assert sorted(scene.published()) == ["CNAME", "CNAME", "CNAME", "TXT"]

    play(tmp_path, story)


def test_a_mail_from_domains_records_are_published_once_and_beside_them_nothing_comes_back(
    tmp_path: Path,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.customer.look()
        scene.customers.forget("example.com")
        for domain in ("bounce.example.com", "bounce.example.com", "mail.example.com"):
            await put_mail_from(scene.world, scene.who, PutMailFrom("example.com", domain), START)
            scene.customer.ask((scene.who.account_id, REGION, "example.com"))
            await scene.customer.look()
        assert sorted(scene.published()) == ["MX", "MX", "TXT", "TXT"]
        scene.customers.forget("example.com")
        scene.customer.ask((scene.who.account_id, REGION, "example.com"))
        await scene.customer.look()
        assert scene.published() == []
        assert scene.said[1:] == ["example.com: 1 MX, 1 TXT published"] * 2

    play(tmp_path, story)


def test_an_identity_that_is_gone_by_then_is_left_alone(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.create("example.com")
        await scene.create("example.org")
        assert await close_account(scene.world, scene.who.account_id, START) == 2
        scene.customer.ask((scene.who.account_id, REGION, "example.com"))
        await scene.customer.look()
        assert scene.published() == []

    play(tmp_path, story)


def test_a_customer_that_runs_sees_what_is_asked_for_later(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        running = asyncio.create_task(scene.customer.run())
        await scene.create("example.com")
        async with asyncio.timeout(10):
            while not scene.said:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert scene.published() == ["CNAME"] * 3

    play(tmp_path, story)
