"""One TCP connection of SMTP: lines and bytes in, bytes out, TLS in between; for either side.

Rule: what is kept in memory is bounded, every wait has an end, and nothing that came before TLS is read
after it.
References: RFC 5321 §2.3.8, RFC 5321 §4.5.3.2, RFC 3207 §4.2, RFC 2920 §3.2.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

_HIGH = 256 * 1024
"""Bytes that were not yet asked for; from there on the peer has to wait."""
_TLS_S = 30.0


class WireLost(Exception):
    """The connection is gone, was silent too long, or speaks no SMTP; the text says which."""


class LineTooLong(WireLost):
    """No end of a line within the longest one's length."""


class Wire(asyncio.Protocol):
    """A connection; what is written goes out when something is waited for, or at `flush`."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._in = bytearray()
        self._out: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self._end = ""
        self._is_held = False
        self.is_tls = False

    def connection_made(self, transport: Any) -> None:
        """The connection stands."""
        self._transport = transport
        self.is_tls = transport.get_extra_info("sslcontext") is not None

    def data_received(self, data: bytes) -> None:
        """More of what the peer says."""
        self._in += data
        if len(self._in) > _HIGH and not self._is_held:
            self._is_held = True
            self._transport.pause_reading()
        _wake(self._waiting)

    def eof_received(self) -> bool:
        """The peer says nothing more; outside of TLS it may still be answered."""
        self._end = self._end or "the other side closed the connection"
        _wake(self._waiting)
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing goes either way any more."""
        self._end = self._end or str(exc or "") or "the connection was closed"
        _wake(self._waiting)
        _wake(self._draining)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        self._draining = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        _wake(self._draining)
        self._draining = None

    @property
    def is_open(self) -> bool:
        """Whether nothing has ended it yet, and nothing was said that nobody asked for."""
        return not self._end and not self._in

    @property
    def has_line(self) -> bool:
        """Whether a whole line is here already."""
        return b"\n" in self._in

    def peer(self) -> str:
        """The other side's address."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    async def line(self, at_most: int, within: float) -> bytes:
        """The next line with what ends it, an LF; raises WireLost, LineTooLong."""
        start = 0
        while True:
            end = self._in.find(b"\n", start, at_most) + 1
            if end:
                return self._cut(end)
            if len(self._in) >= at_most:
                raise LineTooLong(f"a line of more than {at_most} octets")
            start = len(self._in)
            await self._more(within)

    async def some(self, at_most: int, within: float) -> bytes:
        """What has come, one octet at least; raises WireLost."""
        if not self._in:
            await self._more(within)
        return self._cut(min(at_most, len(self._in)))

    def give_back(self, rest: bytes) -> None:
        """Puts octets that were taken in front of all others again."""
        if rest:
            self._in[:0] = rest

    def write(self, data: bytes) -> None:
        """Says something, at the latest when something is waited for."""
        self._out.append(data)

    def flush(self) -> None:
        """Says now what has been written."""
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    async def drained(self, within: float) -> None:
        """Says all of it and waits until it has gone, but for a buffer's worth; raises WireLost."""
        self.flush()
        if self._draining is not None and not self._end:
            await _bounded(self._draining, within, "the other side does not read")
        if self._end:
            raise WireLost(self._end)

    async def start_tls(
        self, context: ssl.SSLContext, *, server_hostname: str | None = None, within: float = _TLS_S
    ) -> None:
        """Goes on inside TLS, as the server where no name is given; raises WireLost.

        Whatever came in clear after the command that began this is a stranger's (RFC 3207 §4.2).
        """
        self.flush()
        if self._in:
            raise WireLost("something was said in clear after STARTTLS")
        try:
            self._transport = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                context,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                ssl_handshake_timeout=within,
            )
        except (OSError, ssl.SSLError, TimeoutError) as fault:
            raise WireLost(f"TLS: {fault}") from None
        if self._transport is None:
            raise WireLost("TLS: the connection was closed")
        self.is_tls = True

    def close(self) -> None:
        """Says what has been written and closes."""
        if self._transport is not None:
            self.flush()
            self._transport.close()
        self._end = self._end or "closed by us"

    def abort(self) -> None:
        """Closes at once, whatever was still to be said."""
        self._end = self._end or "closed by us"
        if self._transport is not None:
            self._transport.abort()

    def _cut(self, length: int) -> bytes:
        cut = bytes(self._in[:length])
        del self._in[:length]
        if self._is_held and len(self._in) <= _HIGH // 2:
            self._is_held = False
            self._transport.resume_reading()
        return cut

    async def _more(self, within: float) -> None:
        """Waits for another piece; raises WireLost."""
        self.flush()
        if self._end:
            raise WireLost(self._end)
        before = len(self._in)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await _bounded(self._waiting, within, "the other side was silent too long")
        finally:
            self._waiting = None
        if len(self._in) == before:
            raise WireLost(self._end)


async def _bounded(wanted: asyncio.Future[None], within: float, otherwise: str) -> None:
    # A handle of the loop costs a third of asyncio.timeout, and this runs once a line.
    late = asyncio.get_running_loop().call_later(within, _wake, wanted, True)
    try:
        await wanted
    except TimeoutError:
        raise WireLost(otherwise) from None
    finally:
        late.cancel()


def _wake(waiting: asyncio.Future[None] | None, is_late: bool = False) -> None:
    if waiting is None or waiting.done():
        return
    if is_late:
        waiting.set_exception(TimeoutError())
    else:
        waiting.set_result(None)
