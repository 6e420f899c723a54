"""The operator's servers: told of each change, asked until they show it, and waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import apsw

from mailseal.core.rotation import STILL_GIVEN, Answer, EarlierAnswer
from mailseal.service import following
from mailseal.service.following import Follower
from mailseal.service.world import Tx, World
from mailseal.store.engine import from_ms
from mailseal.store.sqlite import SqliteStore
from tests.fakes import HOSTED_ZONE, FakeClock, fake_world, opened_store

OWNER = f"token.{HOSTED_ZONE}"


@dataclass
class FakeServers:
    """Servers that give the serials written here; 0 for one that does not answer."""

    serials: dict[str, int]
    told: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.serials)

    async def notify(self, server: str, zone: str) -> bool:
        assert zone == HOSTED_ZONE
        self.told.append(server)
        return self.serials[server] > 0

    async def serial_at(self, server: str, zone: str) -> int | None:
        assert zone == HOSTED_ZONE
        return self.serials[server] or None


def tell(folder: Path, servers: FakeServers, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        async with opened_store(folder) as store:
            await store.write(lambda tx: tx.zone.add(HOSTED_ZONE))
            await story(fake_world(store, name_servers=servers))

    asyncio.run(told())


async def change(world: World, text: bytes) -> int:
    """The serial under which OWNER gives that text."""
    now = world.clock.now()

    def unit(tx: Tx) -> int:
        tx.zone.serve(HOSTED_ZONE, OWNER, Answer(text, 600), now, alone=False)
        return tx.zone.advance(HOSTED_ZONE)

    return await world.store.write(unit)


async def earlier(world: World) -> list[EarlierAnswer]:
    """What the name may still give somewhere, oldest first."""
    statement = "SELECT text, expires_at FROM earlier_answers ORDER BY serial"
    with contextlib.closing(apsw.Connection(str(_store(world).path))) as connection:
        return [EarlierAnswer(text, from_ms(at)) for text, at in connection.execute(statement)]


def _store(world: World) -> SqliteStore:
    assert isinstance(world.store, SqliteStore)
    return world.store


def test_a_change_is_waited_for_until_the_last_server_shows_it(tmp_path: Path) -> None:
    servers = FakeServers({"192.0.2.1": 1, "192.0.2.2": 1})

    async def story(world: World) -> None:
        assert isinstance(world.clock, FakeClock)
        await change(world, b"one")
        serial = await change(world, b"two")
        assert [old.until for old in await earlier(world)] == [STILL_GIVEN, STILL_GIVEN]
        servers.serials["192.0.2.1"] = serial
        for name in servers.names:
            assert await following.follow(world, Follower(name)) < 1
        assert servers.told == ["192.0.2.1", "192.0.2.2"]
        assert [old.until for old in await earlier(world)] == [STILL_GIVEN, STILL_GIVEN]
        world.clock.advance(minutes=5)
        servers.serials["192.0.2.2"] = serial
        await following.follow(world, Follower("192.0.2.2"))
        wait = timedelta(seconds=2)
        now = world.clock.now()
        assert [old.until for old in await earlier(world)] == [now + wait, now + timedelta(minutes=10) + wait]
        assert all(standing.has_followed for standing in await following.standings(world))
        assert await following.follow(world, Follower("192.0.2.2")) == following.REST_S

    tell(tmp_path, servers, story)


def test_a_servers_lag_is_the_age_of_the_oldest_serial_that_it_has_not_shown() -> None:
    follower = Follower("192.0.2.1")

    def lag(ours: int, seen: int | None, now: float) -> float:
        follower.note(following.Standing("192.0.2.1", HOSTED_ZONE, ours, seen, None), now)
        return follower.lag(HOSTED_ZONE, now)

    assert lag(1, 1, 0.0) == 0
    assert lag(2, 1, 10.0) == 0
    assert lag(3, 1, 14.0) == 4
    assert lag(3, 2, 15.0) == 1, "it has shown 2, and 3 is a second old"
    assert lag(3, 3, 16.0) == 0
    assert follower.lag("another.example.net", 20.0) == 0


def test_a_server_half_way_lets_only_expire_what_it_no_longer_gives(tmp_path: Path) -> None:
    servers = FakeServers({"192.0.2.1": 0})

    async def story(world: World) -> None:
        half = await change(world, b"one")
        await change(world, b"two")
        servers.serials["192.0.2.1"] = half
        await following.look(world, "192.0.2.1", HOSTED_ZONE)
        first, second = await earlier(world)
        assert first.until < STILL_GIVEN
        assert second == EarlierAnswer(b"one", STILL_GIVEN)

    tell(tmp_path, servers, story)


def test_a_server_that_does_not_answer_is_told_again_and_asked_ever_more_seldom(tmp_path: Path) -> None:
    servers = FakeServers({"192.0.2.1": 0})

    async def story(world: World) -> None:
        follower = Follower("192.0.2.1")
        await change(world, b"one")
        pauses = [await following.follow(world, follower) for _ in range(4)]
        assert len(servers.told) == 4, "it has not said that it heard"
        servers.serials["192.0.2.1"] = 1
        pauses += [await following.follow(world, follower) for _ in range(12)]
        assert len(servers.told) == 5
        assert pauses[-1] == following.LAST_LOOK_S

    tell(tmp_path, servers, story)


def test_a_server_that_is_taken_out_of_the_configuration_holds_up_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await change(world, b"one")
        await following.settle(world)
        assert (await earlier(world))[0].until < STILL_GIVEN

    tell(tmp_path, FakeServers({}), story)


def test_a_serial_from_before_a_restored_backup_is_overtaken(tmp_path: Path) -> None:
    servers = FakeServers({"192.0.2.1": 900})

    async def story(world: World) -> None:
        await change(world, b"one")
        assert not await following.look(world, "192.0.2.1", HOSTED_ZONE)
        assert await world.store.read(lambda tx: tx.zone.serial(HOSTED_ZONE)) == 901
        assert _store(world).served.begins_at(HOSTED_ZONE) == 901

    tell(tmp_path, servers, story)


def test_a_server_that_has_followed_is_noted_again_while_it_still_serves(tmp_path: Path) -> None:
    servers = FakeServers({"192.0.2.1": 1})

    async def story(world: World) -> None:
        clock = world.clock
        assert isinstance(clock, FakeClock)
        servers.serials["192.0.2.1"] = await change(world, b"one")
        follower = Follower("192.0.2.1")
        await following.follow(world, follower)
        [first] = await following.standings(world)
        clock.advance(minutes=5)
        await following.follow(world, Follower("192.0.2.1"))
        [later] = await following.standings(world)
        assert first.has_followed
        assert later.seen_at == clock.now()
        clock.advance(minutes=5)
        servers.serials["192.0.2.1"] = 0
        await following.follow(world, Follower("192.0.2.1"))
        [lost] = await following.standings(world)
        assert lost.seen_at == later.seen_at
        [asked] = await following.ask_standings(world)
        assert (asked.given, asked.seen_at) == (None, later.seen_at)

    tell(tmp_path, servers, story)
