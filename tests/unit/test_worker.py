"""The worker's loops: what is due gets done, a fault ends nothing, and nothing is asked in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from mailseal.core.access import Principal
from mailseal.core.addressid import AddressName, created
from mailseal.core.commands import CreateIdentity
from mailseal.core.envelope import NoAnswer
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.observations import AuthorityReport
from mailseal.core.verification import expected_records
from mailseal.service.addresses import create_address, get_address
from mailseal.service.configure import create_identity, get_identity
from mailseal.service.world import World
from mailseal.telemetry import Line, Telemetry
from mailseal.worker import Bells, Worker
from tests.fakes import FakeClock, KeepingNextHop, ScriptedDns, fake_world, opened_store

WHO = Principal("000000000001", "us-east-1", "test")
T = TypeVar("T")


class Bench:
    """A worker over a real database with faked edges."""

    def __init__(self, world: World, worker: Worker, bells: Bells, lines: list[Line]) -> None:
        self.world, self.worker, self.bells, self.lines = world, worker, bells, lines

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.world.clock, FakeClock)
        return self.world.clock

    @property
    def dns(self) -> ScriptedDns:
        assert isinstance(self.world.resolver, ScriptedDns)
        return self.world.resolver

    async def create(self, name: str) -> None:
        self.dns.domains.add(name)
        await create_identity(self.world, WHO, CreateIdentity(name), self.clock.now())

    async def publish(self, name: str) -> None:
        """Plays the owner."""
        identity = await get_identity(self.world, WHO, name, self.clock.now())
        for record in expected_records(identity, identity.newest, self.clock.now(), self.world.policy):
            self.dns.publish(record.owner, record.value)

    async def status(self, name: str) -> DkimStatus:
        identity = await get_identity(self.world, WHO, name, self.clock.now())
        return identity.newest.proof.status

    async def until(self, true: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
        """Returns when it holds; fails the test when it does not within that time."""
        async with asyncio.timeout(seconds):
            while not await true():
                await asyncio.sleep(0.005)


def on_bench(folder: Path, test: Callable[[Bench], Awaitable[T]], **parts: Any) -> T:
    async def run() -> T:
        async with opened_store(folder) as store:
            bells = Bells()
            lines: list[Line] = []
            world = fake_world(store)
            world = replace(world, wake_publisher=bells.publisher.set, wake_worker=bells.worker.set, **parts)
            telemetry = Telemetry(lines.append, world.clock.now)
            bench = Bench(world, Worker(world, bells, telemetry), bells, lines)
            try:
                return await test(bench)
            finally:
                await bench.worker.close()

    return asyncio.run(run())


def test_a_created_domain_is_published_without_being_asked(tmp_path: Path) -> None:
    async def test(bench: Bench) -> float:
        bench.worker.start()
        await bench.create("example.com")
        began = asyncio.get_running_loop().time()
        identity = await get_identity(bench.world, WHO, "example.com", bench.clock.now())
        slot, zone = identity.slots[0], bench.world.hosted_zone

        async def served() -> bool:
            return await bench.world.store.read(lambda tx: tx.zone.look_up(zone, slot.owner)) is not None

        await bench.until(served)
        return asyncio.get_running_loop().time() - began

    assert on_bench(tmp_path, test) < 1.0


def test_published_records_turn_pending_into_success_and_that_is_told(tmp_path: Path) -> None:
    async def test(bench: Bench) -> list[Line]:
        await bench.create("example.com")
        await bench.publish("example.com")
        await bench.worker.catch_up()
        assert await bench.status("example.com") is DkimStatus.PENDING
        bench.clock.advance(seconds=6)
        await bench.worker.catch_up()
        assert await bench.status("example.com") is DkimStatus.SUCCESS
        return bench.lines

    told = [(line.event, line.fields["identity"], line.fields["text"]) for line in on_bench(tmp_path, test)]
    assert told == [("check", "example.com", "PENDING → SUCCESS")]


def test_a_running_worker_sees_a_moved_clock_when_it_is_woken(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.worker.start()
        await bench.create("example.com")
        await bench.publish("example.com")
        for _ in range(3):
            bench.clock.advance(seconds=11)
            bench.bells.worker.set()
            await asyncio.sleep(0.1)

        async def proven() -> bool:
            return await bench.status("example.com") is DkimStatus.SUCCESS

        await bench.until(proven)

    on_bench(tmp_path, test)


def test_a_fault_in_a_check_is_told_and_other_domains_go_on(tmp_path: Path) -> None:
    async def test(bench: Bench) -> list[Line]:
        await bench.create("bad.example")
        await bench.create("good.example")
        await bench.publish("good.example")
        bench.dns.domains.discard("bad.example")
        for _ in range(2):
            await bench.worker.catch_up()
            bench.clock.advance(seconds=6)
        assert await bench.status("good.example") is DkimStatus.SUCCESS
        assert await bench.status("bad.example") is DkimStatus.PENDING
        return bench.lines

    faults = [line.fields for line in on_bench(tmp_path, test) if line.event == "fault"]
    assert {fields["where"] for fields in faults} == {"check"}
    assert "nobody scripted" in str(faults[0]["detail"])


def test_a_loop_outlives_a_fault(tmp_path: Path) -> None:
    class Failing:
        """A maker of keys that fails the first two times."""

        made = 0

        async def make(self, bits: int) -> Any:
            Failing.made += 1
            if Failing.made <= 2:
                raise OSError("no more processes")
            raise asyncio.CancelledError

    async def test(bench: Bench) -> list[Line]:
        bench.worker.start()

        async def tried() -> bool:
            return Failing.made >= 3

        await bench.until(tried)
        return bench.lines

    faults = [line for line in on_bench(tmp_path, test, key_maker=Failing()) if line.event == "fault"]
    assert [line.fields["where"] for line in faults] == ["worker_fill_stock"] * 2


def test_the_stock_is_filled_to_its_target(tmp_path: Path) -> None:
    async def test(bench: Bench) -> dict[int, int]:
        bench.worker.start()

        async def full() -> bool:
            levels = await bench.world.store.read(lambda tx: tx.keys.stock_levels())
            return levels == bench.world.stock_target

        await bench.until(full)
        await asyncio.sleep(0.05)
        return dict(await bench.world.store.read(lambda tx: tx.keys.stock_levels()))

    assert on_bench(tmp_path, test) == {2048: 2, 1024: 1}


def test_a_stock_with_a_rate_is_filled_no_faster(tmp_path: Path) -> None:
    async def test(bench: Bench) -> int:
        bench.worker.start()

        async def begun() -> bool:
            return bool(await bench.world.store.read(lambda tx: tx.keys.stock_levels()))

        await bench.until(begun)
        await asyncio.sleep(0.3)
        return sum((await bench.world.store.read(lambda tx: tx.keys.stock_levels())).values())

    assert on_bench(tmp_path, test, refill_per_minute=1) == 1


def test_one_silent_domain_does_not_hold_up_the_others(tmp_path: Path) -> None:
    class PartlySilent(ScriptedDns):
        """Asked about one domain, it never answers."""

        async def ask_authorities(self, domain: str, questions: Any) -> AuthorityReport:
            if domain == "silent.example":
                await asyncio.sleep(60)
            return await super().ask_authorities(domain, questions)

    async def test(bench: Bench) -> None:
        bench.worker.start()
        await bench.create("silent.example")
        for number in range(5):
            await bench.create(f"n{number}.example")
            await bench.publish(f"n{number}.example")
        for _ in range(3):
            await asyncio.sleep(0.1)
            bench.clock.advance(seconds=11)
            bench.bells.worker.set()

        async def all_proven() -> bool:
            seen = [await bench.status(f"n{number}.example") for number in range(5)]
            return set(seen) == {DkimStatus.SUCCESS}

        await bench.until(all_proven)

    dns = PartlySilent()

    async def with_zone(bench: Bench) -> None:
        served = bench.world.store
        assert hasattr(served, "served")
        dns.zone_text = lambda owner: getattr(
            served.served.look_up(bench.world.hosted_zone, owner), "text", None
        )
        await test(bench)

    on_bench(tmp_path, with_zone, resolver=dns)


def test_an_idle_worker_asks_the_database_seldom(tmp_path: Path) -> None:
    async def test(bench: Bench) -> int:
        bench.worker.start()
        await asyncio.sleep(0.2)
        reads = 0
        read = bench.world.store.read

        class Counting:
            """The store, counting."""

            async def read(self, unit: Any) -> Any:
                nonlocal reads
                reads += 1
                return await read(unit)

            write = bench.world.store.write

        bench.worker._world = replace(bench.world, store=Counting())
        await asyncio.sleep(0.5)
        return reads

    assert on_bench(tmp_path, test) <= 3


def test_deleting_does_not_leave_work_that_is_always_due(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.create("example.com")
        await bench.publish("example.com")
        for _ in range(40):
            await bench.worker.catch_up()
            bench.clock.advance(hours=3)
        due = await bench.world.store.read(lambda tx: tx.identities.next_due_at())
        assert due is not None
        assert due > bench.clock.now() - timedelta(hours=3)

    on_bench(tmp_path, test)


def test_a_mail_that_was_not_taken_is_offered_again_and_a_link_runs_out(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.worker.start()
        assert isinstance(bench.world.next_hop, KeepingNextHop)
        kept = bench.world.next_hop
        kept.answers = [NoAnswer("cut")]
        await create_address(bench.world, WHO, CreateIdentity("me@example.com"), bench.clock.now())
        assert kept.given == []
        bench.clock.advance(minutes=2)
        bench.bells.worker.set()

        async def mailed() -> bool:
            return len(kept.given) == 1

        await bench.until(mailed)
        bench.clock.advance(hours=24)
        bench.bells.worker.set()

        async def failed() -> bool:
            found = await get_address(bench.world, WHO, "me@example.com", bench.clock.now())
            return found.address.status is DkimStatus.FAILED

        await bench.until(failed)

    on_bench(tmp_path, test)


def test_a_next_hop_that_never_answers_holds_up_no_check(tmp_path: Path) -> None:
    class Silent:
        """A next hop that takes the call and says nothing."""

        async def hand_over(self, envelope: object, message: bytes) -> NoAnswer:
            await asyncio.Event().wait()
            return NoAnswer("")

    async def test(bench: Bench) -> None:
        def unit(tx: Any) -> None:
            for number in range(20):
                name = AddressName(f"a{number}", "example.com")
                tx.addresses.save(created(WHO.account_id, WHO.region, name, bench.clock.now()).address)

        await bench.world.store.write(unit)
        bench.worker.start()
        await bench.create("example.net")

        async def checked() -> bool:
            identity = await get_identity(bench.world, WHO, "example.net", bench.clock.now())
            return identity.newest.proof.last_checked_at is not None

        bench.bells.worker.set()
        await bench.until(checked)

    on_bench(tmp_path, test, next_hop=Silent())
