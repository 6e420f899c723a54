"""A next hop that fails at one of fourteen points, in one of four ways, and knows what it acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from enum import StrEnum

POINTS = (
    "greeting",
    "ehlo",
    "starttls",
    "handshake",
    "ehlo inside tls",
    "mail",
    "first recipient",
    "last recipient",
    "data",
    "within the message",
    "end of the message",
    "rset",
    "mail on a kept connection",
    "quit",
)


class How(StrEnum):
    """The four ways."""

    LATER = "4xx"
    NEVER = "5xx"
    CUT = "cut"
    HANG = "hang"


@dataclass
class FailingHop:
    """The server; `acknowledged` holds what it answered 250 to, `seen` whatever came with its final dot."""

    tls: ssl.SSLContext
    point: str = ""
    how: How = How.CUT
    acknowledged: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.append(writer)
        with contextlib.suppress(_Cut, ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._fails("greeting", writer):
            writer.write(b"220 hop\r\n")
        mails, inside, recipients = 0, False, []
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                if not await self._fails("ehlo inside tls" if inside else "ehlo", writer):
                    writer.write(b"250-hop\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n")
            elif verb == b"STAR":
                if await self._fails("starttls", writer):
                    continue
                writer.write(b"220 go\r\n")
                await self._fails("handshake", writer)
                await writer.start_tls(self.tls)
                inside = True
            elif verb == b"MAIL":
                mails += 1
                recipients = []
                if await self._fails("mail", writer):
                    continue
                if mails > 1 and await self._fails("mail on a kept connection", writer):
                    continue
                writer.write(b"250 ok\r\n")
            elif verb == b"RCPT":
                point = "last recipient" if b"<two@" in line else "first recipient"
                if not await self._fails(point, writer):
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                    writer.write(b"250 ok\r\n")
            elif verb == b"DATA":
                if not await self._fails("data", writer):
                    writer.write(b"354 go\r\n")
                    await self._take(reader, writer, tuple(recipients))
            elif verb == b"RSET":
                if not await self._fails("rset", writer):
                    writer.write(b"250 ok\r\n")
            elif verb == b"QUIT":
                await self._fails("quit", writer)
                return

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipients: tuple[str, ...]
    ) -> None:
        first = await reader.readline()
        is_refused = await self._fails("within the message", writer)
        message = first + await reader.readuntil(b"\r\n.\r\n")
        if is_refused:
            return
        self.seen.append(message)
        if not await self._fails("end of the message", writer):
            self.acknowledged.append((recipients, message[:-3]))
            writer.write(b"250 taken\r\n")

    async def _fails(self, point: str, writer: asyncio.StreamWriter) -> bool:
        """Whether this is the point, and its refusal was sent; a cut or a hang does not come back."""
        if point != self.point:
            return False
        self.reached.add(point)
        if self.how in (How.LATER, How.NEVER):
            writer.write(b"451 4.0.0 later\r\n" if self.how is How.LATER else b"550 5.0.0 never\r\n")
            return True
        if self.how is How.HANG:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 120)
        writer.transport.abort()
        raise _Cut


class _Cut(Exception):
    """The connection was cut."""
