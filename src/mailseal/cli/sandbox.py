"""`mailseal sandbox`: a whole Mailseal on loopback, started in the foreground or left behind.

Rule: the first screen says where everything is and what to try; what it prints can be pasted where it was
printed. The server is imported only where it is started.
References: docs/operating.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, Any

import click

from mailseal import __version__
from mailseal.cli.sandbox_ask import DATA, QUESTIONS
from mailseal.config import SetupError
from mailseal.core.access import parse_access_key_id, parse_secret
from mailseal.core.errors import BadRequest
from mailseal.core.observations import printable
from mailseal.sandbox.child import SandboxFailed, start_detached
from mailseal.sandbox.settings import (
    ANY_CREDENTIALS,
    HOSTED_ZONE,
    LOOPBACK,
    PORT_BASE,
    DurationError,
    Place,
    Ports,
    SandboxSettings,
    environment,
    parse_duration,
)
from mailseal.telemetry import Line, Sink, format_human, format_json

DEFAULT_DATA = ".sandbox"
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""Two names for one thing: JavaScript reads the first, boto3 the second."""


class Duration(click.ParamType[timedelta | None]):
    """A length of time: 90s, 10m, 72h, 8d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | None:
        """The length of time, None for `never`."""
        if value is None or isinstance(value, timedelta) or value == "never":
            return value if isinstance(value, timedelta) else None
        try:
            return parse_duration(value)
        except DurationError as refused:
            self.fail(str(refused), param, ctx)


class KeyPair(click.ParamType[tuple[str, str]]):
    """An access key and its secret, with a colon between them."""

    name = "id:secret"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two; the secret may hold further colons."""
        if isinstance(value, tuple):
            return value[0], value[1]
        access_key_id, colon, secret = value.partition(":")
        try:
            return parse_access_key_id(access_key_id), parse_secret(secret)
        except BadRequest as refused:
            self.fail(refused.message if colon else "write ID:SECRET", param, ctx)


@click.group(invoke_without_command=True)
@click.option(
    "--data", type=click.Path(path_type=Path), default=DEFAULT_DATA, help="Folder that keeps the data."
)
@click.option("--temporary", is_flag=True, help="Keep nothing: a folder that goes with the sandbox.")
@click.option("--fresh", is_flag=True, help="Start empty.")
@click.option("--ports", type=click.Choice(["fixed", "auto"]), default="fixed", help="auto: any free ones.")
@click.option("--port-base", type=click.IntRange(0, 65000), default=PORT_BASE, help="80, 53, 54 above this.")
@click.option("--publish-after", type=Duration(), default="5s", help="Customers obey after this; or never.")
@click.option(
    "--speed", type=click.FloatRange(1, 100_000), default=1.0, help="Due times run that much faster."
)
@click.option(
    "--access-key", "access_keys", type=KeyPair(), multiple=True, help="A fixed key, ID:SECRET; repeatable."
)
@click.option("--any-credentials", is_flag=True, help="Let dummy keys of test suites in, signatures unread.")
@click.option("--detach", is_flag=True, help="Return when it is ready, or say why it is not.")
@click.option("--json", "as_json", is_flag=True, help="Where everything is, and log lines, as JSON.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
@click.option("--log", type=click.Path(path_type=Path), hidden=True)
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def sandbox(**given: Any) -> None:
    """A whole Mailseal on 127.0.0.1 for developers: API, DNS, mailbox, and a clock that can be moved."""
    ctx = click.get_current_context()
    ctx.meta[DATA] = given["data"]
    if ctx.invoked_subcommand is None:
        options = Options(**given)
        if options.detach:
            _detach(options)
        else:
            _run(options, monotonic())


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is to be started."""

    data: Path
    temporary: bool
    fresh: bool
    ports: str
    port_base: int
    publish_after: timedelta | None
    speed: float
    access_keys: tuple[tuple[str, str], ...]
    any_credentials: bool
    detach: bool
    as_json: bool
    quiet: bool
    log: Path | None
    until_stdin_ends: bool


def _run(options: Options, began: float) -> None:
    """Runs in this process until it is told to stop."""
    from mailseal.cli import sandbox_run

    if options.fresh:
        sandbox_run.empty_folder(options.data)
    ports = Ports.free() if options.ports == "auto" else Ports.from_base(options.port_base)
    with _folder(options) as folder:
        settings = _settings(options, folder, ports)
        ready = partial(_say_ready, settings, options.as_json)
        manner = sandbox_run.Manner(_sink(options), ready, options.until_stdin_ends)
        sandbox_run.run(settings, manner, began)


def _settings(options: Options, data: Path, ports: Ports) -> SandboxSettings:
    return SandboxSettings(
        data, ports, options.publish_after, options.speed, options.access_keys, options.any_credentials
    )


@contextmanager
def _folder(options: Options) -> Iterator[Path]:
    if options.temporary:
        with tempfile.TemporaryDirectory(prefix="mailseal-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        yield options.data.absolute()


def _sink(options: Options) -> Sink:
    """Where lines go: beside a person's work, as JSON on standard output, to a file, or nowhere."""
    if options.quiet:
        return lambda line: None
    if options.log is not None:
        options.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return partial(_write_line, options.log.open("a", encoding="utf-8", buffering=1), format_human)
    if options.as_json:
        return partial(_write_line, sys.stdout, format_json)
    return partial(_write_line, sys.stderr, format_human)


def _write_line(file: IO[str], form: Callable[[Line], str], line: Line) -> None:
    # A name in a request is whatever somebody sent: it is shown, and not obeyed.
    file.write(printable(form(line), at_most=4000) + "\n")
    file.flush()


def _say_ready(settings: SandboxSettings, as_json: bool, place: Place, seconds: float) -> None:
    if as_json:
        click.echo(json.dumps({"event": "ready", **asdict(place)}))
    else:
        click.echo(start_screen(settings, place, seconds) + "\n")
    sys.stdout.flush()


def start_screen(settings: SandboxSettings, place: Place, seconds: float) -> str:
    """What a person sees once everything answers: addresses, variables, and one command to try."""
    checkout = "MAILSEAL_CHECKOUT" in os.environ
    program, again = ("./dev mailseal", "./dev run") if checkout else ("mailseal", "mailseal sandbox")
    if settings.publish_after is None:
        customers = f"records by {program} sandbox dns"
    else:
        customers = f"publishes what is asked after {settings.publish_after.total_seconds():g} s"
    found = environment(place.api_url, *settings.shown_key)
    lines = [f"  export {name}={value}" for name, value in found.items() if name not in REGIONS]
    lines.insert(2, "  export " + " ".join(f"{name}={found[name]}" for name in REGIONS))
    exports = "\n".join(lines)
    warning = f"\n  Any credentials: {ANY_CREDENTIALS}\n" if settings.any_credentials else ""
    return f"""\
Mailseal sandbox {__version__}  all on {LOOPBACK}, data in {shown(settings.data)}/, ready in {seconds:.1f} s

  API, console    {place.api_url}
  our DNS         {place.our_dns}  hosted zone {HOSTED_ZONE}
  customers' DNS  {place.customers_dns}  {customers}
  mailbox         {shown(settings.mailbox)}  Maildir

  For any AWS client:
{exports}
{warning}
Next, in a second terminal: {program} identity create example.com
Ctrl-C stops, the data stays; {again} --fresh starts empty."""


def shown(path: Path) -> str:
    """The path as a person in this folder would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _detach(options: Options) -> None:
    """Leaves a sandbox behind that is ready; raises SetupError with what it said where it is not."""
    if options.temporary:
        raise SetupError("--detach and --temporary do not go together", do="--detach --fresh starts empty")
    began = monotonic()
    data = options.data.absolute()
    try:
        place = start_detached([*_arguments(options), "--log", str(data / "sandbox.log")])
    except SandboxFailed as failed:
        raise SetupError(failed.what, failed.why, failed.do) from None
    settings = _settings(options, data, _ports_of(place))
    if options.as_json:
        _say_ready(settings, True, place, 0)
        return
    screen = start_screen(settings, place, monotonic() - began)
    screen = screen.replace("Ctrl-C stops", "mailseal sandbox stop ends it")
    click.echo(screen.replace("Next, in a second terminal", "Next"))


def _arguments(options: Options) -> list[str]:
    """The options of a start as a child process takes them."""
    after = options.publish_after
    return [
        *("--data", str(options.data.absolute())),
        *("--ports", options.ports),
        *("--port-base", str(options.port_base)),
        *("--publish-after", "never" if after is None else f"{after.total_seconds()}s"),
        *("--speed", str(options.speed)),
        *(part for pair in options.access_keys for part in ("--access-key", ":".join(pair))),
        *(["--any-credentials"] if options.any_credentials else []),
        *(["--fresh"] if options.fresh else []),
    ]


def _ports_of(place: Place) -> Ports:
    addresses = (place.api_url, place.our_dns, place.customers_dns)
    return Ports(*(int(address.rpartition(":")[2]) for address in addresses))


for question in QUESTIONS:
    sandbox.add_command(question)
