"""One question put to a resolver over TLS or HTTPS, on connections that are kept for the next ones.

Rule: nothing is sent before the certificate holds for the name that the operator wrote; whatever else goes
wrong is `NoAnswer` with a reason.
References: RFC 7858 §3.1 and §3.4 (TLS), RFC 8310 §8.1 (names), RFC 8484 §4.1 and §6 (HTTPS).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

from mailseal.resolver.budget import LARGEST_STREAMED, NoAnswer

_IDLE_S = 8.0
"""Servers close idle connections after ten seconds or more."""
_KEPT = 8
_HEAD_AT_MOST = 16 * 1024
_MEDIA_TYPE = "application/dns-message"

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Channel:
    """A resolver behind TLS; `path` is None for DNS over TLS itself."""

    host: str
    port: int
    name: str
    """What its certificate has to hold for."""
    path: str | None
    context: ssl.SSLContext = field(repr=False)
    _idle: list[tuple[float, _Stream]] = field(default_factory=list, init=False, repr=False)

    async def exchange(self, message: bytes) -> bytes:
        """The bytes that answer a query; NoAnswer where none came. The caller bounds the time."""
        try:
            return await self._exchange(message)
        except ssl.SSLCertVerificationError as refused:
            raise NoAnswer(
                f"its certificate does not hold for {self.name}: {refused.verify_message}"
            ) from None
        except asyncio.IncompleteReadError:
            raise NoAnswer("the server hung up before its answer was complete") from None
        except (OSError, asyncio.LimitOverrunError) as broken:
            reason = getattr(broken, "strerror", None) or type(broken).__name__
            raise NoAnswer(f"the server can't be reached over TLS: {reason}") from None

    async def _exchange(self, message: bytes) -> bytes:
        kept = self._take()
        if kept is not None:
            try:
                return await self._on(kept, message)
            except (OSError, asyncio.IncompleteReadError):
                # The server closed it while it was idle (RFC 7766 §6.2.3): that says nothing about a new one.
                pass
        opened = await asyncio.open_connection(
            self.host, self.port, ssl=self.context, server_hostname=self.name, limit=_HEAD_AT_MOST
        )
        return await self._on(opened, message)

    def _take(self) -> _Stream | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, stream = self._idle.pop()
            if now - since < _IDLE_S and not stream[0].at_eof():
                return stream
            stream[1].transport.abort()
        return None

    async def _on(self, stream: _Stream, message: bytes) -> bytes:
        """One exchange on a connection, which is kept only if all went well."""
        reader, writer = stream
        keep = False
        try:
            if self.path is None:
                writer.write(len(message).to_bytes(2) + message)
                answer, keep = await _framed(reader), True
            else:
                writer.write(self._request(message))
                answer, keep = await _http_answer(reader)
            return answer
        finally:
            if keep and len(self._idle) < _KEPT:
                self._idle.append((asyncio.get_running_loop().time(), stream))
            else:
                writer.transport.abort()

    def _request(self, message: bytes) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.name}\r\nContent-Type: {_MEDIA_TYPE}\r\n"
            f"Accept: {_MEDIA_TYPE}\r\nContent-Length: {len(message)}\r\n\r\n"
        )
        return head.encode("ascii") + message


async def _framed(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2))
    return await _bounded(reader, length)


async def _bounded(reader: asyncio.StreamReader, length: int) -> bytes:
    if length > LARGEST_STREAMED:
        raise NoAnswer("the answer is larger than 16 KiB")
    return await reader.readexactly(length)


async def _http_answer(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """The body of an HTTP response, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = head[0].split(" ")[1:2]
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    if status != ["200"]:
        raise NoAnswer(f"the server answered HTTP {''.join(status)[:3] or 'nonsense'}")
    if fields.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise NoAnswer("over HTTPS came something that is no DNS message")
    keep = head[0].startswith("HTTP/1.1") and "close" not in fields.get("connection", "").lower()
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader), keep
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise NoAnswer("over HTTPS came an answer without a length")
    return await _bounded(reader, int(length)), keep


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            raise NoAnswer("over HTTPS came a broken answer") from None
        body += await _bounded(reader, length)
        await reader.readuntil(b"\r\n")
        if not length:
            return body
        if len(body) > LARGEST_STREAMED:
            raise NoAnswer("the answer is larger than 16 KiB")
