"""From the configuration to the listening milter.

Rule: what the configuration says wrongly is told in three lines that name its key; a socket that would sign
for nobody is not opened.
References: docs/config.md; docs/mta.md.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import socket
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

from mailseal.app.counting import Door, at_door
from mailseal.app.ports import bind_stream, format_address, parse_address
from mailseal.app.sharing import Sharing
from mailseal.config import Config, SetupError
from mailseal.core.access import parse_account_id
from mailseal.core.errors import BadRequest
from mailseal.milter.admission import Network, Place, Terms
from mailseal.milter.listen import Milter
from mailseal.service.world import World
from mailseal.telemetry import Telemetry

_KEY = "[milter] listen"
_BACKLOG = 256


async def open_milter(
    config: Config, world: World, telemetry: Telemetry, parts: AsyncExitStack, sharing: Sharing
) -> tuple[str, ...]:
    """The sockets on which MTAs are answered, as MTAs are told them; raises SetupError."""
    if not config.milter.listen:
        return ()
    shared = terms_of(config)
    networks = _networks(config.milter.mta_networks, "mta_networks")
    milter = Milter(at_door(world, telemetry, Door.MILTER), telemetry)
    parts.push_async_callback(milter.close)
    told = []
    for line in config.milter.listen:
        where, *named = line.split() or [""]
        place = _place(config, named, line) if named else shared.place
        if place is None and not shared.logins:
            raise SetupError(
                f"{_KEY}: {where} would sign for nobody",
                "it names no account, and there is neither [milter] account nor a list of logins",
                'account = "000000000001"',
            )
        opened = _bind(config, where, parts, sharing)
        await milter.listen(opened, Terms(place, shared.logins, shared.sign_networks), networks)
        told.append(_told(opened))
    return tuple(told)


def terms_of(config: Config) -> Terms:
    """What holds on every socket that names no account of its own; raises SetupError."""
    given = config.milter
    place = _place(config, [given.account], "account") if given.account else None
    logins = {}
    for line in given.logins:
        login, *named = line.split() or [""]
        if not named:
            what = f"[milter] logins: {line!r} is not a login, a blank and an account"
            raise SetupError(what, do='logins = ["news@example.com 000000000001 us-east-1"]')
        logins[_folded(login)] = _place(config, named, line)
    return Terms(place, logins, _networks(given.sign_networks, "sign_networks"))


def _folded(login: str) -> str:
    """`*@Example.com` as it is looked up; a login itself is compared to the letter."""
    return login.lower() if login.startswith("*@") else login


def _place(config: Config, named: list[str], line: str) -> Place:
    region = named[1] if len(named) > 1 else config.milter.region or config.api.regions[0]
    try:
        account_id = parse_account_id(named[0])
    except BadRequest as refusal:
        raise SetupError(f"[milter] {line!r} names no account", do=refusal.hint or refusal.message) from None
    if len(named) > 2 or region not in config.api.regions:
        served = ", ".join(config.api.regions)
        raise SetupError(f"[milter] {line!r} names no region that is served", do=f"one of {served}")
    return Place(account_id, region)


def _networks(texts: tuple[str, ...], key: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as fault:
        raise SetupError(f"[milter] {key}: {fault}", do='write "127.0.0.0/8" or "2001:db8::/32"') from None


def _bind(config: Config, where: str, parts: AsyncExitStack, sharing: Sharing) -> socket.socket:
    inherited = sharing.inherited(where.removeprefix("unix:"))
    if inherited is not None:
        parts.callback(inherited.close)
        return inherited
    if not where.startswith("unix:"):
        opened = bind_stream(parse_address(where, key=_KEY), key=_KEY, reuse_port=sharing.reuse_port)
        parts.callback(opened.close)
        return opened
    return bind_unix(config, Path(where.removeprefix("unix:")), parts)


def unix_paths(config: Config) -> tuple[Path, ...]:
    """The unix sockets on which MTAs are to be answered."""
    named = (line.split()[0] for line in config.milter.listen if line.split())
    return tuple(Path(where.removeprefix("unix:")) for where in named if where.startswith("unix:"))


def bind_unix(config: Config, path: Path, parts: AsyncExitStack | ExitStack) -> socket.socket:
    """A listening unix socket that is gone when `parts` are closed; raises SetupError."""
    opened = _bind_unix(path, config.milter.socket_group)
    parts.callback(opened.close)
    parts.callback(path.unlink, missing_ok=True)
    return opened


def _bind_unix(path: Path, group: str) -> socket.socket:
    """A listening unix socket for its owner and one group; a stale one is replaced, a live one is not."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if _is_live(path):
            raise SetupError(f"{_KEY}: another program answers on {path}", do="stop it, or name another path")
        with suppress(FileNotFoundError):
            path.unlink()
        opened.bind(str(path))
        if group:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(0o660)
        opened.setblocking(False)
        opened.listen(_BACKLOG)
    except (OSError, KeyError) as fault:
        opened.close()
        reason = fault.strerror if isinstance(fault, OSError) else f"there is no group {group}"
        raise SetupError(
            f"{_KEY}: {path} cannot be listened on: {reason}",
            do="name a folder that this user may write to, and a group that this user is in",
        ) from None
    except SetupError:
        opened.close()
        raise
    finally:
        os.umask(before)
    return opened


def _is_live(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _told(opened: socket.socket) -> str:
    if opened.family == socket.AF_UNIX:
        return f"unix:{opened.getsockname()}"
    host, port = opened.getsockname()[:2]
    return format_address((host, port))
