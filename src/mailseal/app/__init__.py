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
from mailseal.app.certificates import Certificates
from mailseal.app.database import Database
from mailseal.app.health import open_health
from mailseal.app.inside import Edges, Inside, open_inside
from mailseal.app.milter import open_milter
from mailseal.app.parts import SystemClock, make_zone
from mailseal.app.ports import Address
from mailseal.app.roles import ALL, Role, Roles, check_roles
from mailseal.app.sharing import ALONE, Sharing
from mailseal.app.submission import NO_SOCKETS, bind_submission, open_submission
from mailseal.app.surroundings import WatchedSource
from mailseal.config import Config
from mailseal.service import disclose, following
from mailseal.service.admit import Gate
from mailseal.service.takeover import release_leases
from mailseal.service.world import World
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop
from mailseal.telemetry import Telemetry
from mailseal.worker import Worker

__all__ = ["ALL", "Edges", "Role", "Roles", "Running", "SystemClock", "start"]


@dataclass(frozen=True, slots=True)
class Running:
    """A Mailseal that runs; `close` stops listening, lets work end, and closes the database."""

    config: Config
    world: World
    worker: Worker
    store: Database
    next_hop: SmtpNextHop | MaildirNextHop
    telemetry: Telemetry
    api_url: str
    submission_addresses: tuple[Address, ...]
    """Where mail is submitted with STARTTLS, then where inside TLS."""
    dns_addresses: tuple[Address, ...]
    control_path: Path
    certificates: Certificates
    milter_sockets: tuple[str, ...]
    """Where the milter answers, as MTAs are told it."""
    failed: asyncio.Future[str]
    """Done, with the reason, when the database can no longer be written: the process has to end."""
    parts: AsyncExitStack = field(repr=False)

    @property
    def dns_address(self) -> Address:
        """The first address on which our name server answers, where it does in this process."""
        return self.dns_addresses[0]

    async def close(self) -> None:
        """Stops everything, what was started last first."""
        await self.parts.aclose()


async def start(
    config: Config, *, edges: Edges | None = None, roles: Roles = ALL, sharing: Sharing = ALONE
) -> Running:
    """A running Mailseal that does the work of these roles; raises SetupError or StartRefused, and leaves
    nothing open then."""
    check_roles(config, roles, sharing.among)
    async with AsyncExitStack() as parts:
        running = await _start(config, edges or Edges(), roles, sharing, parts)
        # From here on `running.close` ends what was started.
        running.parts.push_async_exit(parts.pop_all())
        return running


async def _start(
    config: Config, edges: Edges, roles: Roles, sharing: Sharing, parts: AsyncExitStack
) -> Running:
    sockets = doors.bind_api(config, parts, sharing) if Role.API in roles else []
    submission = bind_submission(config, parts, sharing) if Role.SIGNER in roles else NO_SOCKETS
    url = doors.api_url(config, sockets[0]) if sockets else ""
    inside = await open_inside(config, edges, parts, api_url=url)
    world, telemetry = inside.world, inside.telemetry
    dns_addresses = await _open_zones(config, inside, roles, sharing, parts)
    worker = Worker(world, inside.bells, telemetry, pace=edges.pace)
    if Role.WORKER in roles:
        worker.start()
        parts.push_async_callback(worker.close)

    sandbox = edges.sandbox(world, url) if edges.sandbox else None
    control = await doors.open_control(config, world, telemetry, inside.account, sandbox, parts, sharing)
    await open_health(config, world, telemetry, parts, sharing)
    certificates = Certificates(telemetry)
    # Last of all to be started, first to be closed, and together: no door waits for another one to drain.
    api, letters, mail = (AsyncExitStack() for _ in range(3))
    parts.push_async_callback(_close_together, api, letters, mail)
    milter_sockets: tuple[str, ...] = ()
    if Role.SIGNER in roles:
        milter_sockets = await open_milter(config, world, telemetry, letters, sharing)
    gate = Gate(edges.guests)
    await open_submission(config, world, telemetry, submission, gate, certificates, mail)
    if sockets:
        await doors.open_api(config, world, telemetry, sockets, sandbox, gate, certificates, api)
    _keep_watching(certificates, parts)
    return Running(
        config=config,
        world=world,
        worker=worker,
        store=inside.store,
        next_hop=inside.next_hop,
        telemetry=telemetry,
        api_url=url,
        submission_addresses=submission.addresses,
        dns_addresses=dns_addresses,
        control_path=control,
        certificates=certificates,
        milter_sockets=milter_sockets,
        failed=inside.failed,
        parts=AsyncExitStack(),
    )


async def _open_zones(
    config: Config, inside: Inside, roles: Roles, sharing: Sharing, parts: AsyncExitStack
) -> tuple[Address, ...]:
    """Where our name server answers, after what an earlier process left behind has been settled."""
    store, world = inside.store, inside.world
    await disclose.settle(world)
    known = await store.read(lambda tx: tuple(tx.zone.zones()))
    source = WatchedSource(store.served, inside.arrivals)
    zones = [make_zone(config, apex, source) for apex in known]
    await store.write(lambda tx: [tx.zone.settle(zone.apex, zone.shape()) for zone in zones])
    await following.settle(world)
    if Role.DNS in roles:
        name_server = await doors.open_name_server(config, zones, store.served, sharing)
        inside.arrivals.listening = name_server.addresses
        parts.push_async_callback(name_server.close)
    # On SQLite the lock keeps every other process out, so whatever is leased was left by a dead one.
    if not store.is_shared and (released := await release_leases(world)):
        inside.telemetry.say("taken up", count=released, text="what an earlier process had begun")
    return inside.arrivals.listening


async def _close_together(*doors_of: AsyncExitStack) -> None:
    await asyncio.gather(*(one.aclose() for one in doors_of))


def _keep_watching(certificates: Certificates, parts: AsyncExitStack) -> None:
    watching = asyncio.create_task(certificates.watch(), name="certificates")

    async def end() -> None:
        watching.cancel()
        await asyncio.wait({watching})

    parts.push_async_callback(end)
