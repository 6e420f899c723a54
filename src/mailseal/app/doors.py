"""What listens: the API, the control socket and the name server.

Rule: without a certificate the API is for this machine only; each door gets its application and knows no
other one.
References: docs/config.md.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from mailseal.app.carriers import secondaries_of
from mailseal.app.certificates import Certificates
from mailseal.app.counting import Door, at_door
from mailseal.app.http import bind_control, listen_http
from mailseal.app.ports import Address, bind_stream, format_address, is_loopback, parse_address, refused
from mailseal.app.sharing import Sharing
from mailseal.config import Config, SetupError, control_path
from mailseal.console.app import Console
from mailseal.nameserver.listen import RunningNameServer, start_name_server
from mailseal.nameserver.rate import RateLimit
from mailseal.nameserver.transfer import Transfers, TransferSource
from mailseal.nameserver.zone import Zone, ZoneSource
from mailseal.native.http import Application, NativeApi, Trusted
from mailseal.service.admit import Gate
from mailseal.service.world import World
from mailseal.sesv1.http import QueryApi
from mailseal.sesv2.admission import Admission
from mailseal.sesv2.http import SesApi
from mailseal.telemetry import Telemetry


def bind_api(config: Config, parts: AsyncExitStack, sharing: Sharing) -> list[socket.socket]:
    """The API's open sockets; raises SetupError for an address that is taken or may not be used."""
    addresses = [parse_address(text, key="[api] listen") for text in config.api.listen]
    if not addresses:
        raise SetupError("[api] listen is empty", do='listen = ["127.0.0.1:8080"]')
    for address in addresses:
        if not config.api.certificate and not is_loopback(address):
            raise SetupError(
                f"the API may not listen on {format_address(address)} without a certificate",
                "signed requests carry mail and keys, and would cross the network in clear",
                "[api] certificate and certificate_key, or loopback and a proxy that ends TLS",
            )
    opened = []
    for address in addresses:
        opened.append(bind_stream(address, key="[api] listen", reuse_port=sharing.reuse_port))
        parts.callback(opened[-1].close)
    return opened


class NameServerSource(ZoneSource, TransferSource, Protocol):
    """What the name server answers from, and what it hands on to other servers."""


async def open_name_server(
    config: Config, zones: Sequence[Zone], source: NameServerSource, sharing: Sharing
) -> RunningNameServer:
    """Our name server, answering; raises SetupError for an address that cannot be had."""
    if sharing.reuse_port:
        return await _one_of_many(config, zones, source)
    addresses = [parse_address(text, key="[dns] listen") for text in config.dns.listen]
    for address in addresses:
        try:
            probe = await start_name_server([address], [], source) if address[1] else None
        except OSError as fault:
            raise refused(address, fault, key="[dns] listen") from None
        if probe is not None:
            await probe.close()
    return await _answering(config, addresses, zones, source)


async def _one_of_many(config: Config, zones: Sequence[Zone], source: NameServerSource) -> RunningNameServer:
    """Our name server beside others of this machine; nothing is tried out, for it would be asked already."""
    addresses = [parse_address(text, key="[dns] listen") for text in config.dns.listen]
    if not all(port for _, port in addresses):
        raise SetupError("[dns] listen names no port", "each process would get another one", "name a port")
    try:
        return await _answering(config, addresses, zones, source, reuse_port=True)
    except OSError as fault:
        raise refused(addresses[0], fault, key="[dns] listen") from None


async def _answering(
    config: Config,
    addresses: Sequence[Address],
    zones: Sequence[Zone],
    source: NameServerSource,
    *,
    reuse_port: bool = False,
) -> RunningNameServer:
    transfers = Transfers(zones, source, secondaries_of(config))
    rate = RateLimit(config.dns.rate_limit)
    return await start_name_server(
        addresses, zones, source, transfers=transfers, rate=rate, reuse_port=reuse_port
    )


async def open_api(
    config: Config,
    world: World,
    telemetry: Telemetry,
    sockets: Sequence[socket.socket],
    sandbox: Application | None,
    gate: Gate,
    certificates: Certificates,
    parts: AsyncExitStack,
) -> None:
    """The APIs of SES, both versions, and our own on the open sockets; one gate to all of them."""
    world = at_door(world, telemetry, Door.API)
    native = NativeApi(world, telemetry, sandbox=sandbox, gate=gate)
    admission = Admission(world, gate)
    query_api = QueryApi(world, telemetry, admission)
    console = Console(world, telemetry, sandbox=sandbox)
    api = SesApi(world, telemetry, native, admission=admission, query_api=query_api, console=console)
    listener = await listen_http(
        api, sockets, certificate=config.api.certificate, certificate_key=config.api.certificate_key
    )
    parts.push_async_callback(listener.close)
    if listener.tls is not None:
        certificates.keep(listener.tls, config.api.certificate, config.api.certificate_key)


async def open_control(
    config: Config,
    world: World,
    telemetry: Telemetry,
    account: str,
    sandbox: Application | None,
    parts: AsyncExitStack,
    sharing: Sharing,
) -> Path:
    """The path of the control socket, over which the native API trusts who asks."""
    path = control_path(config)
    native = NativeApi(world, telemetry, trusted=Trusted(account), sandbox=sandbox)
    opened = sharing.inherited(path)
    if opened is None:
        opened = bind_control(path)
        parts.callback(path.unlink, missing_ok=True)
    listener = await listen_http(native, [opened])
    parts.push_async_callback(listener.close)
    return path


def api_url(config: Config, opened: socket.socket) -> str:
    """The URL of the API on its first socket."""
    host, port = opened.getsockname()[:2]
    return f"http{'s' if config.api.certificate else ''}://{format_address((host, port))}"
