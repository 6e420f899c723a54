"""The page of metrics, and the two questions of whoever watches over processes: alive, and ready?

Rule: levels that the database holds are read when somebody looks; a database that is away takes nothing from
the page but those. No sign-in, and nothing on it that is a secret.
References: docs/operating.md; docs/decisions/0008-no-logging-library.md.
"""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack

from mailseal.app.http import listen_http
from mailseal.app.ports import bind_stream, format_address, parse_address
from mailseal.app.sharing import Sharing
from mailseal.config import Config, SetupError
from mailseal.core.zone import serials_behind
from mailseal.native.http import HEALTHY, Application, Receive, Scope, Send, format_readiness
from mailseal.service.following import standings
from mailseal.service.readiness import DATABASE, PARTS, WITHIN_S, not_ready
from mailseal.service.stock import stock_levels
from mailseal.service.verify import backlog
from mailseal.service.world import Tx, World
from mailseal.telemetry import Telemetry, format_metrics

_KEY = "[api] metrics"
_MARKS_AT_MOST = 1000
_DUE_AT_MOST = 10_000
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


async def open_health(
    config: Config, world: World, telemetry: Telemetry, parts: AsyncExitStack, sharing: Sharing
) -> None:
    """The pages /metrics, /healthz and /readyz, where an address for them is configured; each of several
    processes has them on a port of its own, the next ones after the first's."""
    if not config.api.metrics:
        return
    text, first = parse_address(config.api.metrics, key=_KEY)
    address = (text, first + sharing.number)
    host = ipaddress.ip_address(text)
    if host.is_global or host.is_unspecified:
        what = f"{_KEY} may not be on {format_address(address)}"
        why = "nobody signs in there, and the whole Internet could ask"
        raise SetupError(what, why, f'{_KEY} = "127.0.0.1:9590", or an address of a private network')
    listener = await listen_http(_pages(world, telemetry), [bind_stream(address, key=_KEY)])
    parts.push_async_callback(listener.close)


def _pages(world: World, telemetry: Telemetry) -> Application:
    async def page(scope: Scope, receive: Receive, send_part: Send) -> None:
        status, kind, body = 404, _TEXT, b""
        match scope["path"]:
            case "/metrics":
                await _gather(world, telemetry)
                status, body = 200, format_metrics(telemetry).encode()
            case "/healthz":
                status, kind, body = 200, b"application/json", HEALTHY
            case "/readyz":
                lacking = await not_ready(world)
                status, kind, body = 503 if lacking else 200, b"application/json", format_readiness(lacking)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send_part({"type": "http.response.start", "status": status, "headers": headers})
        await send_part({"type": "http.response.body", "body": body})

    return page


async def _gather(world: World, telemetry: Telemetry) -> None:
    """Reads the levels that the database holds; those of a database that is away stay as they were."""
    lacking = await not_ready(world)
    for part in PARTS:
        telemetry.level("mailseal_ready", int(part not in lacking), part=part)
    if DATABASE in lacking:
        return
    with telemetry.surviving("metrics"):
        async with asyncio.timeout(WITHIN_S):
            await _read_levels(world, telemetry)


async def _read_levels(world: World, telemetry: Telemetry) -> None:
    for bits, level in (await stock_levels(world)).items():
        telemetry.level("mailseal_stock_keys", level, bits=str(bits))
        telemetry.level("mailseal_stock_target_keys", world.stock_target[bits], bits=str(bits))
    due, seconds = await backlog(world, _DUE_AT_MOST)
    telemetry.level("mailseal_due_checks", due)
    telemetry.level("mailseal_due_seconds", round(seconds, 3))
    marked = await world.store.read(lambda tx: len(tx.zone.marked(_MARKS_AT_MOST)))
    telemetry.level("mailseal_unpublished_names", marked)
    for zone, serial in (await world.store.read(_serials)).items():
        telemetry.level("mailseal_zone_serial", serial, zone=zone)
    for standing in await standings(world):
        behind = serials_behind(standing.seen_serial, standing.serial)
        labels = {"server": standing.server, "zone": standing.zone}
        telemetry.level("mailseal_server_serials_behind", behind, **labels)


def _serials(tx: Tx) -> dict[str, int]:
    return {zone: tx.zone.serial(zone) for zone in tx.zone.zones()}
