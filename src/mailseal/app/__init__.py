"""The composition root: from one configuration to a running Mailseal, and back.

Rule: everything is made here and in `inside` once and passed on; what is started last is stopped first. A
sandbox and tests give other `Edges`; all that lies between them is the same.
References: docs/operating.md; ARCHITECTURE.md.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mailseal.app import doors
from mailseal.app.health import open_health
from mailseal.app.inside import Edges, open_inside
from mailseal.app.milter import open_milter
from mailseal.app.parts import SystemClock, make_zone
from mailseal.app.ports import Address
from mailseal.app.submission import bind_submission, open_submission
from mailseal.app.surroundings import WatchedSource
from mailseal.config import Config
from mailseal.service import disclose, following
from mailseal.service.admit import Gate
from mailseal.service.takeover import release_leases
from mailseal.service.world import World
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop
from mailseal.store.sqlite import SqliteStore
from mailseal.telemetry import Telemetry
from mailseal.worker import Worker

__all__ = ["Edges", "Running", "SystemClock", "start"]


@dataclass(frozen=True, slots=True)
class Running:
    """A Mailseal that runs; `close` stops listening, lets work end, and closes the database."""

    config: Config
    world: World
    worker: Worker
    store: SqliteStore
    next_hop: SmtpNextHop | MaildirNextHop
    telemetry: Telemetry
    api_url: str
    submission_addresses: tuple[Address, ...]
    """Where mail is submitted with STARTTLS, then where inside TLS."""
    dns_addresses: tuple[Address, ...]
    control_path: Path
    milter_sockets: tuple[str, ...]
    """Where the milter answers, as MTAs are told it."""
    failed: asyncio.Future[str]
    """Done, with the reason, when the database can no longer be written: the process has to end."""
    parts: AsyncExitStack = field(repr=False)

    @property
    def dns_address(self) -> Address:
        """The first address on which our name server answers."""
        return self.dns_addresses[0]

    async def close(self) -> None:
        """Stops everything, what was started last first."""
        await self.parts.aclose()


async def start(config: Config, *, edges: Edges | None = None) -> Running:
    """A running Mailseal; raises SetupError or StartRefused, and leaves nothing open then."""
    async with AsyncExitStack() as parts:
        running = await _start(config, edges or Edges(), parts)
        # From here on `running.close` ends what was started.
        running.parts.push_async_exit(parts.pop_all())
        return running


async def _start(config: Config, edges: Edges, parts: AsyncExitStack) -> Running:
    sockets = doors.bind_api(config, parts)
    submission = bind_submission(config, parts)
    url = doors.api_url(config, sockets[0])
    inside = await open_inside(config, edges, parts, api_url=url)
    store, world, telemetry = inside.store, inside.world, inside.telemetry
    await disclose.settle(world)
    worker = Worker(world, inside.bells, telemetry, pace=edges.pace)
    known = await store.read(lambda tx: tuple(tx.zone.zones()))
    source = WatchedSource(store.served, inside.arrivals)
    zones = [make_zone(config, apex, source) for apex in known]
    await store.write(lambda tx: [tx.zone.settle(zone.apex, zone.shape()) for zone in zones])
    await following.settle(world)
    name_server = await doors.open_name_server(config, zones, store.served)
    inside.arrivals.listening = name_server.addresses
    parts.push_async_callback(name_server.close)
    # The database's lock keeps every other process out, so whatever is leased was left by a dead one.
    if released := await release_leases(world):
        telemetry.say("taken up", count=released, text="what an earlier process had begun")
    worker.start()
    parts.push_async_callback(worker.close)

    sandbox = edges.sandbox(world, url) if edges.sandbox else None
    control = await doors.open_control(config, world, telemetry, inside.account, sandbox, parts)
    await open_health(config, world, telemetry, parts)
    milter_sockets = await open_milter(config, world, telemetry, parts)
    gate = Gate(edges.guests)
    await open_submission(config, world, telemetry, submission, gate, parts)
    await doors.open_api(config, world, telemetry, sockets, sandbox, gate, parts)
    return Running(
        config=config,
        world=world,
        worker=worker,
        store=store,
        next_hop=inside.next_hop,
        telemetry=telemetry,
        api_url=url,
        submission_addresses=submission.addresses,
        dns_addresses=name_server.addresses,
        control_path=control,
        milter_sockets=milter_sockets,
        failed=inside.failed,
        parts=AsyncExitStack(),
    )
