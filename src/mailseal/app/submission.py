"""The door of mail submission: its sockets and certificate, from the configuration.

Rule: passwords and mail cross no network in clear.
References: docs/config.md; RFC 8314 §3.3.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from mailseal.app.certificates import Certificates
from mailseal.app.counting import Door, at_door
from mailseal.app.ports import Address, bind_stream, format_address, is_loopback, parse_address
from mailseal.app.sharing import Sharing
from mailseal.config import Config, SetupError
from mailseal.service.admit import Gate
from mailseal.service.world import World
from mailseal.smtp.submission.limits import Limits, Room
from mailseal.smtp.submission.listen import SubmissionListener
from mailseal.smtp.submission.session import Setting
from mailseal.smtp.tls import server_tls
from mailseal.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class SubmissionSockets:
    """Where mail is submitted: with STARTTLS, and inside TLS from the start."""

    starttls: tuple[socket.socket, ...]
    implicit: tuple[socket.socket, ...]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses of both kinds."""
        return tuple(opened.getsockname()[:2] for opened in (*self.starttls, *self.implicit))


NO_SOCKETS = SubmissionSockets((), ())


def bind_submission(config: Config, parts: AsyncExitStack, sharing: Sharing) -> SubmissionSockets:
    """The open sockets of mail submission; raises SetupError."""
    given = config.submission
    if given.listen_tls and not given.certificate:
        raise SetupError(
            "[submission] listen_tls needs a certificate", do="[submission] certificate and certificate_key"
        )
    for text in given.listen:
        address = parse_address(text, key="[submission] listen")
        if not given.certificate and not is_loopback(address):
            raise SetupError(
                f"mail may not be submitted on {format_address(address)} without a certificate",
                "passwords and mail would cross the network in clear",
                "[submission] certificate and certificate_key",
            )
    starttls = _bound(given.listen, "[submission] listen", parts, sharing)
    return SubmissionSockets(starttls, _bound(given.listen_tls, "[submission] listen_tls", parts, sharing))


async def open_submission(
    config: Config,
    world: World,
    telemetry: Telemetry,
    sockets: SubmissionSockets,
    gate: Gate,
    certificates: Certificates,
    parts: AsyncExitStack,
) -> None:
    """Mail submission, answering on its sockets, where there are any."""
    if not (sockets.starttls or sockets.implicit):
        return
    given = config.submission
    limits = Limits()
    room = Room(given.connections, given.connections_per_client, limits.messages_waiting_bytes)
    name = given.name or next(iter(config.dns.name_servers), "localhost").removesuffix(".")
    tls = _tls(config)
    if tls is not None:
        certificates.keep(tls, given.certificate, given.certificate_key)
    behind = at_door(world, telemetry, Door.SUBMISSION)
    setting = Setting(behind, gate, telemetry, limits, room, tls, name, given.plaintext_on_loopback)
    listener = SubmissionListener(setting)
    parts.push_async_callback(listener.close)
    for opened in sockets.starttls:
        await listener.listen(opened)
    for opened in sockets.implicit:
        await listener.listen(opened, implicit_tls=tls)


def _tls(config: Config) -> ssl.SSLContext | None:
    given = config.submission
    if not given.certificate:
        return None
    try:
        return server_tls(given.certificate, given.certificate_key)
    except OSError as fault:
        raise SetupError(
            f"the certificate {given.certificate} cannot be used: {fault.strerror or fault}",
            do="correct [submission] certificate and certificate_key",
        ) from None


def _bound(
    texts: Sequence[str], key: str, parts: AsyncExitStack, sharing: Sharing
) -> tuple[socket.socket, ...]:
    opened = []
    for text in texts:
        opened.append(bind_stream(parse_address(text, key=key), key=key, reuse_port=sharing.reuse_port))
        parts.callback(opened[-1].close)
    return tuple(opened)
