"""The listener of mail submission: connections in, one session each, and an orderly end.

Rule: too many connections are told so with 421 and closed before anything is read; at the end sessions that
wait are closed at once, and messages on their way have some seconds.
References: RFC 6409 §3.1, RFC 8314 §3.3, RFC 5321 §3.8.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from dataclasses import replace

from mailseal.smtp.submission.limits import Full
from mailseal.smtp.submission.session import Session, Setting
from mailseal.smtp.wire import Wire
from mailseal.telemetry import Survival

DRAIN_S = 10.0
_HANDSHAKE_S = 30.0


class SubmissionListener:
    """Open sockets on which mail is submitted."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], Session] = {}

    async def listen(self, opened: socket.socket, *, implicit_tls: ssl.SSLContext | None = None) -> None:
        """Answers on an open socket, inside TLS from the start where that is given."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Arrival(self),
            sock=opened,
            ssl=implicit_tls,
            ssl_handshake_timeout=_HANDSHAKE_S if implicit_tls else None,
        )
        self._servers.append(server)

    async def close(self) -> None:
        """Listens no longer, and ends every session; messages on their way have ten seconds."""
        for server in self._servers:
            server.close()
        for task, session in list(self._sessions.items()):
            if not session.is_delivering:
                task.cancel()
        if self._sessions:
            _, late = await asyncio.wait(self._sessions, timeout=DRAIN_S)
            for task in late:
                task.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=1)

    def begin(self, wire: Wire) -> None:
        """Starts the session of a connection, or turns it away."""
        client = wire.peer()
        setting = self._setting
        try:
            setting.room.enter(client)
        except Full:
            wire.write(b"421 Too many connections; try again later\r\n")
            wire.close()
            return
        if setting.is_clear_allowed and not _is_loopback(client):
            setting = replace(setting, is_clear_allowed=False)
        session = Session(setting, wire)
        task = asyncio.get_running_loop().create_task(self._run(session, wire, client))
        self._sessions[task] = session
        task.add_done_callback(lambda done: self._sessions.pop(done, None))

    async def _run(self, session: Session, wire: Wire, client: str) -> None:
        try:
            with Survival(self._setting.telemetry, "submission"):
                await session.run()
        except asyncio.CancelledError:
            # By `close`, which has nobody else to tell.
            wire.abort()
        finally:
            self._setting.room.leave(client)


class _Arrival(Wire):
    """A connection that has just been made."""

    def __init__(self, listener: SubmissionListener) -> None:
        super().__init__()
        self._listener = listener

    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)
        self._listener.begin(self)


def _is_loopback(client: str) -> bool:
    try:
        return ipaddress.ip_address(client.partition("%")[0]).is_loopback
    except ValueError:
        return False
