"""`mailseal serve`: runs Mailseal until it is told to stop.

Rule: the first line of a service's log says that it is ready; SIGTERM drains and stops, a database that
cannot be written any more stops it too.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from mailseal import __version__
from mailseal.app import Edges, Role, Roles, Running, start
from mailseal.app.ports import format_address
from mailseal.app.roles import check_roles, parse_roles
from mailseal.app.sharing import ALONE, Sharing
from mailseal.cli.ending import Exit
from mailseal.cli.options import given, output, shared
from mailseal.cli.output import text
from mailseal.cli.serve_many import run_many
from mailseal.config import Config, SetupError, find_config, load_config
from mailseal.sealing.process import close_memory
from mailseal.telemetry import Line, Sink, format_human, format_json

_NEXT_HOP_S = 2.0


@click.command()
@click.option("--role", "roles", multiple=True, metavar="LIST", help=f"Only this work: {','.join(Role)}.")
@click.option("--processes", type=click.IntRange(1, 256), default=1, help="So many, on PostgreSQL.")
@shared
def serve(roles: tuple[str, ...], processes: int) -> int:
    """Runs Mailseal with the configuration that is found, or named by --config."""
    wanted = parse_roles(roles)
    path = find_config(given("config"), os.environ)
    if path is None:
        raise SetupError(
            "no configuration was found",
            "neither --config nor MAILSEAL_CONFIG names one, and none lies at the usual places",
            "mailseal init, or for a try: mailseal sandbox",
        )
    config = load_config(path, os.environ)
    check_roles(config, wanted, processes)
    close_memory()
    if processes > 1:
        one = partial(_serve, config, path, wanted)
        return run_many(config, path, wanted, processes, one)
    return uvloop.run(_serve(config, path, wanted, ALONE, _told_already))


async def _serve(
    config: Config, path: Path, roles: Roles, sharing: Sharing, say_ready: Callable[[], None]
) -> int:
    """One process from start to stop; its exit code."""
    as_service = bool(given("as_json")) or not sys.stdout.isatty()
    running = await start(config, edges=Edges(on_log=_sink(as_service)), roles=roles, sharing=sharing)
    try:
        if as_service:
            _say_ready(running)
        elif sharing.among == 1:
            await _show_start(running, path)
        say_ready()
        return await _until_stopped(running)
    finally:
        await running.close()


async def _until_stopped(running: Running) -> int:
    """The exit code, once a signal came or the database gave up."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def stopped() -> None:
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
    loop.add_signal_handler(signal.SIGHUP, running.certificates.look)
    ends: set[asyncio.Future[Any]] = {stop, running.failed}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if running.failed.done():
        running.telemetry.say("stopping", text=running.failed.result())
        return Exit.BUG
    running.telemetry.say("stopping", text="told to stop; requests on their way are finished")
    return Exit.WELL


def _told_already() -> None:
    """A process that is alone has no parent to tell."""


def _sink(as_service: bool) -> Sink:
    """Lines to stdout for a service's log, to stderr beside a person's work."""
    form, stream = (format_json, sys.stdout) if as_service else (format_human, sys.stderr)

    def write(line: Line) -> None:
        stream.write(form(line) + "\n")
        stream.flush()

    return write


def _say_ready(running: Running) -> None:
    running.telemetry.say(
        "ready",
        version=__version__,
        api=running.api_url or None,
        dns=" ".join(format_address(address) for address in running.dns_addresses) or None,
        control=str(running.control_path),
        milter=" ".join(running.milter_sockets) or None,
        hosted_zone=running.world.hosted_zone,
        pid=os.getpid(),
    )


async def _show_start(running: Running, path: Path) -> None:
    """The start screen: what answers where, and what comes next."""
    world, config = running.world, running.config
    counted = await running.store.read(lambda tx: sum(tx.identities.count_by_status().values()))
    serial = await running.store.read(lambda tx: tx.zone.serial(world.hosted_zone))
    certificate = "" if config.api.certificate else "  no certificate, so loopback only"
    rows = [("API, console", f"{running.api_url}{certificate}")] if running.api_url else []
    if running.dns_addresses:
        rows.append(("DNS", ", ".join(format_address(address) for address in running.dns_addresses)))
    rows += [
        ("hosted zone", f"{world.hosted_zone}, serial {serial}"),
        ("next hop", f"{config.nexthop.url}, {await _next_hop(running)}"),
    ]
    if running.milter_sockets:
        rows.append(("milter", ", ".join(running.milter_sockets)))
    if config.api.metrics:
        rows.append(("metrics", config.api.metrics))
    out = output()
    identities = f"{counted} {'identity' if counted == 1 else 'identities'}"
    out.line(text(f"Mailseal {__version__}  {path}, SQLite, {identities}"))
    out.line()
    for name, value in rows:
        out.line(text(f"  {name:12}  {value}"))
    out.line(text(f"Ready in {seconds_since_start():.1f} s; SIGTERM drains and stops."))
    out.next("mailseal doctor")
    out.line()


def seconds_since_start() -> float:
    """Seconds since this process was started, the loading of its modules included (proc(5), starttime)."""
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2]
        started = int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, AttributeError):
        return time.process_time()


async def _next_hop(running: Running) -> str:
    """Whether the next hop answers, asked for two seconds at most."""
    try:
        async with asyncio.timeout(_NEXT_HOP_S):
            problem = await running.next_hop.answers()
    except TimeoutError:
        problem = "no answer yet"
    return f"does not answer: {problem}" if problem else "answers"
