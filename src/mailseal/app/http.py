"""HTTP listeners: uvicorn over sockets that are open already, and the control socket.

Rule: signals are not uvicorn's business, nor is logging; over the control socket only this user and root are
heard.
References: unix(7), SO_PEERCRED.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mailseal.config import SetupError

_DRAIN_S = 10
_KEEP_ALIVE_S = 75
_UCRED = struct.Struct("3i")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever starts us decides what a signal means."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _LocalProtocol(HttpToolsProtocol):
    """HTTP for the control socket: another user's process is not answered."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if not _is_ours(transport.get_extra_info("socket")):
            transport.abort()


def _is_ours(connection: Any) -> bool:
    """Whether the peer is this user or root; True where the system cannot say, for the socket is 0600."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(credentials)
    return user in (0, os.getuid())


class HttpListener:
    """One application on some open sockets; `close` lets requests on their way finish."""

    def __init__(self, server: _Server, serving: asyncio.Task[None]) -> None:
        self.tls: ssl.SSLContext | None = server.config.ssl
        """What clients are shown, where it is shown inside TLS."""
        self._server = server
        self._serving = serving

    async def close(self) -> None:
        """Stops listening, waits ten seconds at most for answers on their way, and closes."""
        self._server.should_exit = True
        await self._serving


async def listen_http(
    application: Any, sockets: Sequence[socket.socket], *, certificate: str = "", certificate_key: str = ""
) -> HttpListener:
    """A listener that answers already; raises SetupError for a certificate that cannot be read."""
    local = any(one.family == socket.AF_UNIX for one in sockets)
    config = uvicorn.Config(
        application,
        http=_LocalProtocol if local else HttpToolsProtocol,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_certfile=certificate or None,
        ssl_keyfile=certificate_key or None,
    )
    try:
        config.load()
    except OSError as fault:
        raise SetupError(
            f"the certificate {certificate} cannot be used: {fault.strerror or fault}",
            do="correct [api] certificate and certificate_key",
        ) from None
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    listening = asyncio.create_task(server.is_listening.wait())
    await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        listening.cancel()
        await serving
        raise RuntimeError("the HTTP listener ended as soon as it was started")
    return HttpListener(server, serving)


def bind_control(path: Path) -> socket.socket:
    """The control socket, mode 0600, in a folder that is ours; a stale one is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid not in (0, os.getuid()):
        what = f"the folder {path.parent} belongs to another user"
        raise SetupError(what, do="name another: [api] control")
    with suppress(FileNotFoundError):
        path.unlink()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode holds from the first moment on: nobody connects between bind and chmod.
    before = os.umask(0o177)
    try:
        opened.bind(str(path))
    finally:
        os.umask(before)
    opened.setblocking(False)
    opened.listen(64)
    return opened
