"""Our zone on servers that are not ours, each configured as docs/operating.md says: they follow every change,
and a signing one proves what it gives.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from mailseal.app.carriers import secondaries_of
from mailseal.config import Config, DnsConfig
from mailseal.core.rotation import Answer
from mailseal.nameserver.listen import start_name_server
from mailseal.nameserver.secondaries import DnsServers
from mailseal.nameserver.transfer import Secondary, Transfers
from mailseal.nameserver.zone import Zone, ZoneSettings
from mailseal.sandbox.settings import free_ports
from mailseal.service import following
from mailseal.service.following import Follower
from mailseal.service.world import World
from mailseal.store.sqlite import ServedZones, SqliteStore
from tests.fakes import fake_world
from tests.peers import carriers
from tests.peers.carriers import ZONE
from tests.unit.nameserver.zones import LONG_KEY

T = TypeVar("T")
WITHIN_S = 60.0
NAMES = 200
KEYS = ("transfer.example.net hmac-sha256 ZXhhbXBsZTogb3BlbnNzbCByYW5kIC1iYXNlNjQgMzI=",)
SETTINGS = ZoneSettings(ZONE, ("ns1.example.net", f"ns2.{ZONE}"), {f"ns2.{ZONE}": ("192.0.2.54",)})


@dataclass
class Counted:
    """What a database's zones give, and how many whole zones were taken."""

    served: ServedZones
    whole: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.served, name)

    def page(self, zone: str, serial: int, after: str, limit: int) -> Any:
        self.whole += after == ""
        return self.served.page(zone, serial, after, limit)


@dataclass
class Primary:
    """Our side: database, name server, and what tells and asks the secondaries; on a thread of its own."""

    loop: asyncio.AbstractEventLoop
    port: int
    counted: Counted
    store: SqliteStore
    texts: dict[str, bytes] = field(default_factory=dict)
    world: World | None = None
    bells: list[asyncio.Event] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def do(self, awaited: Awaitable[T]) -> T:
        async def done() -> T:
            return await awaited

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(WITHIN_S)

    def follow(self, ports: Sequence[int]) -> None:
        """Begins to tell and ask the secondaries on these ports."""

        async def begin() -> None:
            config = Config(dns=DnsConfig(secondaries=lines(ports), tsig_keys=KEYS))
            servers = DnsServers(secondaries_of(config))
            self.world = fake_world(self.store, name_servers=servers)
            for name in servers.names:
                bell = asyncio.Event()
                self.bells.append(bell)
                self.tasks.append(asyncio.create_task(self._follow(Follower(name), bell)))

        self.do(begin())

    async def _follow(self, follower: Follower, bell: asyncio.Event) -> None:
        assert self.world is not None
        while True:
            pause = await following.follow(self.world, follower)
            try:
                async with asyncio.timeout(pause):
                    await bell.wait()
            except TimeoutError:
                pass
            bell.clear()

    def change(self, **texts: bytes | None) -> None:
        """Gives these names these texts under one new serial."""

        def unit(tx: Any) -> None:
            for label, text in texts.items():
                answer = Answer(text, 60)
                tx.zone.serve(ZONE, f"{label}.{ZONE}", answer, self.world_now(), alone=False)
            tx.zone.advance(ZONE)

        async def write() -> None:
            await self.store.write(unit)
            for bell in self.bells:
                bell.set()

        self.do(write())
        self.texts |= {label: text for label, text in texts.items() if text is not None}
        for label in [label for label, text in texts.items() if text is None]:
            self.texts.pop(label, None)

    def world_now(self) -> Any:
        assert self.world is not None
        return self.world.clock.now()

    def wait_until_followed(self) -> None:
        """Returns when every secondary was seen with our serial."""

        async def followed() -> None:
            assert self.world is not None
            while not all(standing.has_followed for standing in await following.standings(self.world)):
                await asyncio.sleep(0.05)

        self.do(asyncio.wait_for(followed(), WITHIN_S - 5))


def lines(ports: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{port} transfer.example.net" for port in ports)


@contextmanager
def primary(folder: Path) -> Iterator[Primary]:
    """Our name server with an empty zone that this machine may take with the document's key."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    [port] = free_ports(1)

    async def begin() -> tuple[Primary, Any]:
        store = SqliteStore.open(folder / "mailseal.db", holder="a test")
        zone = Zone(SETTINGS, store.served)
        await store.write(lambda tx: tx.zone.settle(ZONE, zone.shape()))
        counted = Counted(store.served)
        allowed = secondaries_of(Config(dns=DnsConfig(secondaries=lines([1]), tsig_keys=KEYS)))
        transfers = Transfers([zone], counted, allowed)
        server = await start_name_server([("127.0.0.1", port)], [zone], store.served, transfers=transfers)
        return Primary(loop, port, counted, store), server

    async def end(ours: Primary, server: Any) -> None:
        for task in ours.tasks:
            task.cancel()
        await asyncio.gather(*ours.tasks, return_exceptions=True)
        await server.close()
        await ours.store.close()

    try:
        ours, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(WITHIN_S)
        try:
            yield ours
        finally:
            asyncio.run_coroutine_threadsafe(end(ours, server), loop).result(WITHIN_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def ask(port: int, label: str, rdtype: str = "TXT", *, dnssec: bool = False) -> dns.message.Message:
    query = dns.message.make_query(f"{label}.{ZONE}".removeprefix("."), rdtype, want_dnssec=dnssec)
    query.flags &= ~dns.flags.RD
    response, _ = dns.query.udp_with_fallback(
        query, "127.0.0.1", port=port, timeout=20, ignore_unexpected=True
    )
    return response


def text_at(port: int, label: str) -> bytes | None:
    """What a server gives at a name of the zone; None where it says that there is no such name."""
    response = ask(port, label)
    if response.rcode() == dns.rcode.NXDOMAIN:
        return None
    assert response.rcode() == dns.rcode.NOERROR, response
    assert response.flags & dns.flags.AA
    return b"".join(response.answer[0][0].strings)


def follow_changes(ours: Primary, ports: Sequence[int], changes: int, seed: int) -> None:
    """Makes that many changes and holds every server against all that was ever there."""
    chance = random.Random(seed)
    ever = set()
    for number in range(changes):
        label = f"t{chance.randrange(NAMES)}"
        ever.add(label)
        text = chance.choice((None, b"", LONG_KEY, b"p=%d" % number))
        ours.change(**{label: text})
    ours.wait_until_followed()
    for port in ports:
        for label in sorted(ever):
            assert text_at(port, label) == ours.texts.get(label), (port, label)


SERVERS: dict[str, Callable[[Path, int], AbstractContextManager[int]]] = {
    "knot": carriers.knot,
    "nsd": carriers.nsd,
    "bind": carriers.bind,
    "powerdns": carriers.powerdns,
}


@pytest.mark.needs_debian("knot", "nsd", "bind9", "pdns-server", "pdns-backend-sqlite3")
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_configured_as_the_document_says_follows_each_change(tmp_path: Path, name: str) -> None:
    with primary(tmp_path) as ours, SERVERS[name](tmp_path, ours.port) as port:
        ours.follow([port])
        ours.change(first=LONG_KEY, second=b"")
        ours.wait_until_followed()
        assert text_at(port, "first") == LONG_KEY
        ours.change(first=b"", third=b"p=3")
        ours.change(second=None)
        ours.wait_until_followed()
        found = {label: text_at(port, label) for label in ("first", "second", "third")}
        assert found == {"first": b"", "second": None, "third": b"p=3"}
        assert ask(port, "ns2", "A").answer[0][0].address == "192.0.2.54"


@pytest.mark.suite_dns
@pytest.mark.needs_debian("knot", "nsd", "bind9")
@pytest.mark.timeout(180)
def test_knot_nsd_and_bind_follow_a_thousand_changes_step_by_step(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(primary(tmp_path))
        ports = [stack.enter_context(SERVERS[name](tmp_path, ours.port)) for name in ("knot", "nsd", "bind")]
        ours.follow(ports)
        ours.change(**{f"t{number}": LONG_KEY for number in range(NAMES)})
        ours.wait_until_followed()
        taken_whole = ours.counted.whole
        follow_changes(ours, ports, 1000, seed=1)
        # NSD begins again where a change reaches it while it still takes in the last one.
        assert ours.counted.whole - taken_whole <= 10, "changes go out as differences"


def validated(
    port: int, label: str, rdtype: str, keys: dict[dns.name.Name, dns.rrset.RRset]
) -> dns.message.Message:
    """The answer, after the signatures of all its records were found good."""
    response = ask(port, label, rdtype, dnssec=True)
    for rrset in [*response.answer, *response.authority]:
        if rrset.rdtype != dns.rdatatype.RRSIG:
            section = response.answer if rrset in response.answer else response.authority
            proof = response.find_rrset(section, rrset.name, rrset.rdclass, dns.rdatatype.RRSIG, rrset.rdtype)
            dns.dnssec.validate(rrset, proof, keys)
    return response


def wait_until_signed(port: int) -> dict[dns.name.Name, dns.rrset.RRset]:
    """The zone's keys, as soon as the server gives them."""
    for _ in range(300):
        response = ask(port, "", "DNSKEY", dnssec=True)
        found = [rrset for rrset in response.answer if rrset.rdtype == dns.rdatatype.DNSKEY]
        if found:
            return {dns.name.from_text(ZONE): found[0]}
        threading.Event().wait(0.1)
    raise AssertionError("the server does not sign")


@pytest.mark.needs_debian("knot", "bind9")
@pytest.mark.parametrize("name", ["knot", "bind"])
def test_a_secondary_signs_the_zone_and_what_changes_in_it(tmp_path: Path, name: str) -> None:
    server = carriers.knot if name == "knot" else carriers.bind
    with primary(tmp_path) as ours, server(tmp_path, ours.port, signing=True) as port:
        ours.follow([port])
        ours.change(first=LONG_KEY)
        ours.wait_until_followed()
        keys = wait_until_signed(port)
        assert b"".join(validated(port, "first", "TXT", keys).answer[0][0].strings) == LONG_KEY
        for number in range(5):
            ours.change(first=b"p=%d" % number, second=b"" if number % 2 else None)
            ours.wait_until_followed()
            answer = validated(port, "first", "TXT", keys).answer
            assert b"".join(answer[0][0].strings) == b"p=%d" % number
            absent = validated(port, "second", "TXT", keys)
            assert bool(absent.answer) == bool(number % 2)


def test_the_keys_of_the_document_are_those_of_its_servers() -> None:
    assert isinstance(
        secondaries_of(Config(dns=DnsConfig(secondaries=lines([53]), tsig_keys=KEYS)))[0], Secondary
    )
    for language in ("knot", "nsd", "bind", "pdns", "bind-signing"):
        assert KEYS[0].split()[2] in carriers.written(language, 53), language
