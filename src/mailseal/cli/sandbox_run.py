"""Starting and stopping a sandbox: the same Mailseal as in production, with the edges of a developer's world.

Rule: all on 127.0.0.1; ready means that every address answers; what is started last is stopped first.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop

from mailseal.app import Edges, Running, start
from mailseal.app.ports import refused
from mailseal.config import (
    ApiConfig,
    Config,
    DnsConfig,
    KeysConfig,
    NextHopConfig,
    ResolverConfig,
    SetupError,
    SigningConfig,
    StoreConfig,
)
from mailseal.core.regions import REGIONS
from mailseal.sandbox.accounts import fixed_key, given_key
from mailseal.sandbox.client import NoSandbox, SandboxClient, SandboxRefusal
from mailseal.sandbox.clock import SandboxClock
from mailseal.sandbox.customer_dns import start_customer_dns
from mailseal.sandbox.customers import Customers
from mailseal.sandbox.face import Sandbox
from mailseal.sandbox.http import SandboxApi
from mailseal.sandbox.obedient import ObedientCustomer
from mailseal.sandbox.settings import (
    ACCOUNT_ID,
    ANY_CREDENTIALS,
    BLANK_TTL,
    HOSTED_ZONE,
    LOOPBACK,
    NAME_SERVER,
    RESOLVERS,
    Place,
    SandboxSettings,
    read_place,
    write_place,
)
from mailseal.sandbox.zones import CustomerZones
from mailseal.sealing.masterkey import write_master_key
from mailseal.telemetry import Line, Sink

KEEP_CLOCK_EVERY_SECONDS = 1.0
STOCK_2048, STOCK_1024 = 8, 2


@dataclass(frozen=True, slots=True)
class Manner:
    """How a start is told: where lines go, and what to do once everything answers."""

    log: Sink
    ready: Callable[[Place, float], None]
    until_stdin_ends: bool = False


def config_of(settings: SandboxSettings) -> Config:
    """The configuration that a sandbox runs with."""
    ports = settings.ports
    return Config(
        store=StoreConfig(database=f"sqlite:{settings.database}", master_key=f"file:{settings.master_key}"),
        dns=DnsConfig(
            hosted_zone=HOSTED_ZONE,
            name_servers=(NAME_SERVER,),
            addresses=(f"{NAME_SERVER} {LOOPBACK}",),
            listen=(f"{LOOPBACK}:{ports.our_dns}",),
            blank_ttl=BLANK_TTL,
        ),
        resolver=ResolverConfig(
            vantages=tuple(f"udp://{host}:{ports.customers_dns}" for host in RESOLVERS),
            allow_networks=("127.0.0.0/8",),
            port=ports.customers_dns,
        ),
        keys=KeysConfig(stock_2048=STOCK_2048, stock_1024=STOCK_1024, own_keys_per_second=0),
        api=ApiConfig(listen=(f"{LOOPBACK}:{ports.api}",), regions=REGIONS),
        nexthop=NextHopConfig(f"maildir:{settings.mailbox}"),
        signing=SigningConfig(batch=False),
    )


def run(settings: SandboxSettings, manner: Manner, began: float) -> None:
    """Runs until it is told to stop; raises SetupError or StartRefused where it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, manner, began))


async def _run(settings: SandboxSettings, manner: Manner, began: float) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if manner.until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), _on_stdin, loop, stop)
    async with AsyncExitStack() as parts:
        running, place = await _start(settings, manner, stop.set, parts)
        manner.ready(place, monotonic() - began)
        if settings.any_credentials:
            running.telemetry.say("any credentials", text=ANY_CREDENTIALS)
        ended = asyncio.create_task(stop.wait())
        either: set[asyncio.Future[Any]] = {ended, running.failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if running.failed.done():
            raise SetupError(f"the database stopped: {running.failed.result()}", do="look at the disk")


def _on_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The parent holds the other end and never writes: whatever comes is the end."""
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


async def _start(
    settings: SandboxSettings, manner: Manner, stop: Callable[[], None], parts: AsyncExitStack
) -> tuple[Running, Place]:
    prepare_folder(settings)
    clock = _clock(settings)
    customers = _customers(settings)
    await _open_customers_dns(settings, customers, parts)
    api = SandboxApi()
    asked: list[ObedientCustomer] = []
    edges = Edges(
        clock=clock,
        pace=settings.speed,
        access_keys=(fixed_key(), *(given_key(*one) for one in settings.access_keys)),
        guests=ACCOUNT_ID if settings.any_credentials else None,
        sandbox=lambda _world, _url: api,
        on_log=partial(_on_log, manner.log, asked),
    )
    running = await start(config_of(settings), edges=edges)
    parts.push_async_callback(running.close)
    api.sandbox = Sandbox(
        running.world, clock, customers, settings, running.api_url, running.worker.catch_up, stop
    )
    parts.enter_context(_told_place(settings, running))
    parts.callback(clock.keep, closing=True)
    await _keep_going(settings, running, clock, customers, asked, parts)
    place = read_place(settings.place_file)
    assert place is not None
    return running, place


def prepare_folder(settings: SandboxSettings) -> None:
    """Makes the data folder and the master key where they are missing."""
    settings.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.master_key.exists():
        write_master_key(settings.master_key)


def empty_folder(data: Path) -> None:
    """Removes what a sandbox has left in a folder; raises SetupError where it runs, or was never one."""
    if not data.exists():
        return
    if any(data.iterdir()) and not (data / "store").is_dir():
        raise SetupError(
            f"{data} is not a sandbox's folder",
            "--fresh empties only what a sandbox made",
            "name another --data",
        )
    place = running_place(data)
    if place is not None:
        what = f"a sandbox runs in {data} (process {place.pid})"
        raise SetupError(what, "its data would be gone while it is used", "mailseal sandbox stop")
    shutil.rmtree(data)


def running_place(data: Path) -> Place | None:
    """The sandbox that runs in a data folder: one that answers and says itself that it is the one."""
    place = read_place(data / "sandbox.json")
    if place is None:
        return None
    try:
        told = SandboxClient(place.api_url, timeout=5).ask("GET", "/sandbox/env")
    except (NoSandbox, SandboxRefusal):
        return None
    return place if told["pid"] == place.pid else None


def _clock(settings: SandboxSettings) -> SandboxClock:
    try:
        return SandboxClock(settings.clock_file, speed=settings.speed)
    except ValueError as fault:
        raise SetupError(str(fault), do="start with --fresh, or remove that file") from None


def _customers(settings: SandboxSettings) -> Customers:
    try:
        return Customers(CustomerZones(), settings.zones_file)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        what = f"{settings.zones_file} is not what a sandbox wrote: {fault}"
        raise SetupError(what, do="start with --fresh, or remove that file") from None


async def _open_customers_dns(settings: SandboxSettings, customers: Customers, parts: AsyncExitStack) -> None:
    address = (LOOPBACK, settings.ports.customers_dns)
    forward = {HOSTED_ZONE: (LOOPBACK, settings.ports.our_dns)}
    try:
        server = await start_customer_dns(customers.zones, address, forward)
    except OSError as fault:
        raise refused(address, fault, key="--port-base") from None
    parts.push_async_callback(server.close)


async def _keep_going(
    settings: SandboxSettings,
    running: Running,
    clock: SandboxClock,
    customers: Customers,
    asked: list[ObedientCustomer],
    parts: AsyncExitStack,
) -> None:
    """What goes on beside the server: the obedient customer, and a fast clock's memory."""
    if settings.publish_after is not None:
        say = partial(_say_published, running)
        asked.append(ObedientCustomer(running.world, customers, settings.publish_after, say))
        _go(asked[0].run(), parts)
    if settings.speed != 1:
        _go(_keep_clock(clock), parts)


def _go(work: Coroutine[object, object, None], parts: AsyncExitStack) -> None:
    task = asyncio.create_task(work)
    parts.push_async_callback(_ended, task)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _keep_clock(clock: SandboxClock) -> None:
    while True:
        clock.keep()
        await asyncio.sleep(KEEP_CLOCK_EVERY_SECONDS)


def _say_published(running: Running, name: str, text: str) -> None:
    running.telemetry.say("customers' DNS", identity=name, text=text)


def _on_log(log: Sink, asked: list[ObedientCustomer], line: Line) -> None:
    """Every line goes on; one of a request may have asked for records."""
    log(line)
    if line.event == "request":
        named = [line.fields.get(name) for name in ("account", "region", "identity")]
        for customer in asked:
            customer.ask(tuple(str(one) for one in named) if all(named) else ())


@contextlib.contextmanager
def _told_place(settings: SandboxSettings, running: Running) -> Iterator[None]:
    """The file that says where the sandbox is, as long as it runs."""
    ports = settings.ports
    place = Place(
        pid=os.getpid(),
        api_url=running.api_url,
        our_dns=f"{LOOPBACK}:{ports.our_dns}",
        customers_dns=f"{LOOPBACK}:{ports.customers_dns}",
        mailbox=str(settings.mailbox),
    )
    write_place(settings.place_file, place)
    yield
    settings.place_file.unlink(missing_ok=True)


def ready_line(place: Place) -> str:
    """The first line of `--json`: where everything is."""
    return json.dumps({"event": "ready", **asdict(place)})
