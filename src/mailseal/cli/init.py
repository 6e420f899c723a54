"""`mailseal init`: configuration, master key, database, unit file and the first access key.

Rule: nothing that exists is written over; the access key is shown once; all answers can be given as flags.
References: docs/operating.md; systemd.exec(5).
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from publicsuffixlist import PublicSuffixList

from mailseal.app.installation import FIRST_ACCOUNT, add_access_key, new_access_key, open_installation
from mailseal.app.parts import addresses_of, hosted_zone_of, make_next_hop
from mailseal.app.ports import format_address
from mailseal.cli.options import given, output, shared
from mailseal.cli.output import CYAN, GREEN, Output, columns, text
from mailseal.cli.unitfile import format_unit
from mailseal.config import (
    Config,
    DnsConfig,
    NextHopConfig,
    ResolverConfig,
    SetupError,
    StoreConfig,
    database_path,
    format_config,
)
from mailseal.core.access import AccessKey
from mailseal.sealing.keyring import Keyring
from mailseal.sealing.masterkey import write_master_key
from mailseal.sealing.providers import load_master_key
from mailseal.store.sqlite import SqliteStore

_SYSTEM_CONFIG = Path("/etc/mailseal/mailseal.toml")
_SYSTEM_DATA = Path("/var/lib/mailseal")
_UNIT = Path("/etc/systemd/system/mailseal.service")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be written, and where."""

    config: Config
    config_path: Path
    key_path: Path
    database: Path
    unit_path: Path
    user: str


@click.command()
@click.option("--zone", help="Hosted zone: a name that you delegate to this machine.")
@click.option("--name-server", "name_servers", multiple=True, help="A name server of the zone; repeatable.")
@click.option("--address", "addresses", multiple=True, help="An address of this machine; repeatable.")
@click.option("--next-hop", help="Where signed mail goes: smtp://host:port or maildir:/path.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the database, and all else with it.")
@click.option("--database", help="sqlite: and the path of the database.")
@click.option("--user", help="The user that runs the service.")
@shared
def init(
    zone: str | None,
    name_servers: tuple[str, ...],
    addresses: tuple[str, ...],
    next_hop: str | None,
    data: Path | None,
    database: str | None,
    user: str | None,
) -> None:
    """Makes an installation: asks what it needs, or takes it from flags."""
    asker = _Asker(asks=not given("yes") and sys.stdin.isatty())
    if asker.asks:
        output().aside("Six answers; Enter takes what stands in brackets.")
    zone = asker.answer("hosted zone, a name to delegate to this machine", zone, None, "--zone")
    servers = asker.list("its name servers", name_servers, [f"ns1.{zone.lower().removesuffix('.')}"])
    hosts = asker.list("their addresses", addresses, _own_addresses())
    hop = asker.answer("next hop for signed mail", next_hop, "smtp://127.0.0.1:10025", "--next-hop")
    folder = data.absolute() / "data" if data else _SYSTEM_DATA
    place = asker.answer("database", database, f"sqlite:{folder / 'mailseal.db'}", "--database")
    runs_as = asker.answer(
        "user that runs the service", user, "mailseal" if data is None else getpass.getuser(), "--user"
    )
    _carry_out(_plan(zone, servers, hosts, hop, place, runs_as, data))


@dataclass(frozen=True, slots=True)
class _Asker:
    asks: bool

    def answer(self, question: str, flag: str | None, default: str | None, name: str) -> str:
        """What the flag says, or what was answered, or the default; raises SetupError where none is."""
        if flag is not None:
            return flag
        if self.asks:
            return str(click.prompt(f"  {question}", default=default, err=True)).strip()
        if default is None:
            raise SetupError(f"init needs {name}: {question}", do=f"mailseal init {name} dkim.example.net")
        return default

    def list(self, question: str, flags: tuple[str, ...], default: list[str]) -> list[str]:
        """The same for several, with blanks between them."""
        return list(flags) or self.answer(question, None, " ".join(default), "").split()


def _own_addresses() -> list[str]:
    """The addresses by which this machine reaches the Internet, without sending anything."""
    found = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 53))
                found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return found or ["127.0.0.1"]


def _plan(
    zone: str, servers: list[str], hosts: list[str], hop: str, place: str, user: str, data: Path | None
) -> Plan:
    """Everything that will be written, checked; raises SetupError, and nothing has been written then."""
    home = data.absolute() if data else _SYSTEM_CONFIG.parent
    named = given("config")
    config_path = Path(named).absolute() if named else home / "mailseal.toml"
    key_path = config_path.with_name("master.key")
    inside = [name for name in servers if name.lower().removesuffix(".").endswith("." + zone.lower())]
    config = Config(
        store=StoreConfig(database=place, master_key=f"file:{key_path}"),
        dns=DnsConfig(
            hosted_zone=zone,
            name_servers=tuple(servers),
            addresses=tuple(f"{name} {host}" for name in inside for host in hosts),
            listen=tuple(format_address((host, 53)) for host in hosts),
        ),
        resolver=ResolverConfig(vantages=system_resolvers(), roots=("iana",)),
        nexthop=NextHopConfig(url=hop),
    )
    hosted_zone_of(config)
    addresses_of(config)
    database = database_path(config).absolute()
    for path in (config_path, key_path, database):
        if path.exists():
            raise SetupError(
                f"{path} exists already", "init writes nothing over", f"mailseal serve --config {config_path}"
            )
    systemd = data is None and _UNIT.parent.is_dir() and os.access(_UNIT.parent, os.W_OK)
    unit = _UNIT if systemd else config_path.with_name("mailseal.service")
    return Plan(config, config_path, key_path, database, unit, user)


def system_resolvers() -> tuple[str, ...]:
    """The resolvers that this machine uses, as vantages."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    hosts = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and "%" not in line[1]]
    return tuple(f"udp://{format_address((host, 53))}" for host in hosts[:3]) or ("udp://127.0.0.1:53",)


def _carry_out(plan: Plan) -> None:
    """Writes it all, and shows what was written and what comes next."""
    for path in (plan.config_path, plan.database):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_master_key(plan.key_path)
    key = asyncio.run(_make_database(plan))
    make_next_hop(plan.config)
    plan.config_path.write_text(format_config(plan.config, title=str(plan.config_path)), encoding="utf-8")
    plan.unit_path.write_text(_unit(plan), encoding="utf-8")
    _give_to_user(plan)
    if given("as_json"):
        output().object(_members(plan, key))
    else:
        _show(output(), plan, key)


async def _make_database(plan: Plan) -> AccessKey:
    store = SqliteStore.open(plan.database, holder="mailseal init")
    try:
        keyring = Keyring(load_master_key(plan.config.store.master_key, data_dir=plan.database.parent))
        await open_installation(store, keyring, (hosted_zone_of(plan.config),))
        key = new_access_key(FIRST_ACCOUNT)
        await add_access_key(store, keyring, key, datetime.now(UTC))
        return key
    finally:
        await store.close()


def _give_to_user(plan: Plan) -> None:
    """Files that root wrote go to the user that runs the service, where there is one."""
    if os.geteuid() != 0:
        return
    try:
        for path in (plan.key_path, plan.config_path, plan.database, plan.database.parent):
            shutil.chown(path, plan.user)
        for path in plan.database.parent.glob(f"{plan.database.name}-*"):
            shutil.chown(path, plan.user)
        shutil.chown(plan.database.with_name(plan.database.name + ".lock"), plan.user)
    except LookupError:
        output().aside(
            f"There is no user {plan.user} yet: useradd --system {plan.user}, then chown the above."
        )


def _unit(plan: Plan) -> str:
    program = shutil.which("mailseal") or sys.argv[0]
    return format_unit(program, plan.config_path, plan.user, plan.database.parent)


def _delegation(plan: Plan) -> list[tuple[str, str, str]]:
    zone = hosted_zone_of(plan.config)
    rows = [(f"{zone}.", "NS", f"{name.removesuffix('.')}.") for name in plan.config.dns.name_servers]
    for name, addresses in addresses_of(plan.config).items():
        rows += [(f"{name}.", "AAAA" if ":" in address else "A", address) for address in addresses]
    return rows


def _parent(zone: str) -> str:
    """The zone that a hosted zone is delegated from, as a rule: the domain that somebody registered."""
    registered = PublicSuffixList().privatesuffix(zone)
    return zone.partition(".")[2] if registered in (None, zone) else str(registered)


def _members(plan: Plan, key: AccessKey) -> dict[str, object]:
    return {
        "config": str(plan.config_path),
        "master_key": str(plan.key_path),
        "database": str(plan.database),
        "unit": str(plan.unit_path),
        "account": key.account_id,
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret,
        "delegation": [{"name": n, "type": t, "value": v} for n, t, v in _delegation(plan)],
    }


def _show(out: Output, plan: Plan, key: AccessKey) -> None:
    written = [
        (plan.config_path, "every line explained"),
        (plan.key_path, "seals the private keys, mode 0400"),
        (plan.database, f"account {key.account_id}"),
        (plan.unit_path, "port 53 without root"),
    ]
    out.line()
    for line in columns([[text(("✓", GREEN), f" {path}"), text(what)] for path, what in written]):
        out.line(line)
    out.line()
    out.line("  Access key, shown once:")
    out.line(text("  ", (f"export AWS_ACCESS_KEY_ID={key.access_key_id}", CYAN)))
    out.line(text("  ", (f"export AWS_SECRET_ACCESS_KEY={key.secret}", CYAN)))
    out.line()
    out.line("  Back up master.key, away from the database: without it no key opens again.")
    out.line()
    rows = _delegation(plan)
    out.line(f"  For the zone {_parent(hosted_zone_of(plan.config))}:")
    for line in columns(
        [[text((name, CYAN)), text(kind), text((value, CYAN))] for name, kind, value in rows]
    ):
        out.line(line)
    out.line()
    these = "this line" if len(rows) == 1 else f"these {len(rows)} lines"
    start = "systemctl enable --now mailseal" if plan.unit_path == _UNIT else ""
    out.next(f"publish {these}, then {start or f'mailseal serve --config {plan.config_path}'}")
