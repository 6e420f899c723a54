"""A milter in a thread, with a world in which example.com is proven, for MTAs that are not ours."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from mailseal.milter.admission import Network, Place, Terms
from mailseal.milter.listen import Limits, Milter
from mailseal.telemetry import Line, Telemetry
from tests.unit.service.scenes import DOMAIN, WHO, Scene, scene

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
T = TypeVar("T")


class SigningMilter:
    """Signs for example.com; what it is made of can be broken and mended while it runs."""

    def __init__(self, here: Scene, milter: Milter, lines: list[Line]) -> None:
        self._whole = milter.world
        self._here = here
        self._milter = milter
        self._loop = asyncio.get_running_loop()
        self.lines = lines

    @contextmanager
    def broken(self, **parts: Any) -> Iterator[None]:
        """For the time of the block the world has these parts instead of its own."""
        self._milter.world = replace(self._whole, **parts)
        try:
            yield
        finally:
            self._milter.world = self._whole

    def limited(self, limits: Limits) -> None:
        """From now on these limits hold."""
        self._milter.limits = limits

    @property
    def limits(self) -> Limits:
        """What holds now."""
        return self._milter.limits

    def is_at_work(self) -> bool:
        """Whether it is about to answer for a letter."""
        return any(one.work is not None for one in list(self._milter.connections))

    def cut(self) -> None:
        """Ends every connection, as a milter that dies."""
        self._loop.call_soon_threadsafe(lambda: [one.abort() for one in list(self._milter.connections)])

    def letters(self, outcome: str) -> int:
        """How many letters came to that."""
        key = ("mailseal_milter_letters_total", (("outcome", outcome),))
        return int(self._milter.telemetry.counts.get(key, 0))

    def keys(self) -> dict[str, str]:
        """Every key record by its name, as receivers find it."""
        dns = self._here.dns
        found = {name: dns.zone_text(target) for name, target in dns.cnames.items()}
        return {name: text.decode() for name, text in found.items() if text}

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """What an async function gives on the milter's own event loop."""

        async def run() -> T:
            return await make()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)


@contextmanager
def running_milter(
    folder: Path,
    where: Path | tuple[str, int],
    *,
    group: str = "",
    limits: Limits | None = None,
    sign_networks: tuple[Network, ...] = LOOPBACK,
) -> Iterator[SigningMilter]:
    """A milter on a unix socket, for one group, or on a port."""
    ready: list[SigningMilter] = []
    started, stop = threading.Event(), threading.Event()
    faults: list[BaseException] = []

    async def serve() -> None:
        async with AsyncExitStack() as parts:
            here = await parts.enter_async_context(scene(folder))
            await here.create(DOMAIN)
            await here.proven()
            lines: list[Line] = []
            telemetry = Telemetry(lines.append, lambda: datetime.now(UTC))
            world = replace(here.world, clock=_RealSigning(here.clock))
            milter = Milter(world, telemetry, limits or Limits())
            terms = Terms(Place(WHO.account_id, WHO.region), {}, sign_networks)
            await milter.listen(_bound(where, group), terms, LOOPBACK)
            parts.push_async_callback(milter.close)
            ready.append(SigningMilter(here, milter, lines))
            started.set()
            await asyncio.to_thread(stop.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as fault:
            faults.append(fault)
            raise
        finally:
            started.set()

    thread = threading.Thread(target=run, name="milter", daemon=True)
    thread.start()
    assert started.wait(60)
    assert not faults, faults
    try:
        yield ready[0]
    finally:
        stop.set()
        thread.join(60)
        if isinstance(where, Path):
            where.unlink(missing_ok=True)


class _RealSigning:
    """The scene's clock, but signatures have the machine's time: verifiers look at t= and x=."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now(self) -> datetime:
        at: datetime = self._clock.now()
        return at

    def real_now(self) -> datetime:
        return datetime.now(UTC)


def _bound(where: Path | tuple[str, int], group: str) -> socket.socket:
    if isinstance(where, tuple):
        return socket.create_server(where)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind(str(where))
    if group:
        shutil.chown(where, group=group)
    where.chmod(0o660)
    return opened
