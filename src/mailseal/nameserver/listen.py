"""Our name server's sockets: UDP and TCP, IPv4 and IPv6, on the running event loop.

Rule: no client holds more than its share: datagrams come in bounded batches, streams are few and short.
References: RFC 7766 §6.2 (TCP), RFC 1035 §4.2.2 (two-octet length).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from mailseal.nameserver.answer import failure
from mailseal.nameserver.cache import CachedAnswers
from mailseal.nameserver.cookies import Asked, Cookies, take_cookie, with_cookie
from mailseal.nameserver.datagrams import HostOf, Receive, Send, receive_and_send
from mailseal.nameserver.rate import RateLimit
from mailseal.nameserver.transfer import TransferBroken, Transfers
from mailseal.nameserver.wire import Rcode, format_decline
from mailseal.nameserver.zone import Zone, ZoneSource

_log = logging.getLogger("mailseal.nameserver")

_BATCH = 64
"""Datagrams answered in one turn of the event loop: more would make the other listeners wait."""
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
_BIND_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What TCP clients may take."""

    at_most: int = 256
    at_most_each: int = 64
    idle_s: float = 5.0
    queries_each: int = 1000


_LIMITS = StreamLimits()
_FOR_SECONDARIES = (Rcode.REFUSED, Rcode.NOTAUTH)
"""What everybody gets who asks for a transfer, or signs with a key that is none of the zone's."""


class _FaultLog:
    """A `with` block that outlives a fault and logs it, at most one a second: queries come faster."""

    def __init__(self) -> None:
        self._told_at = float("-inf")

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(fault, Exception):
            return False
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= 1.0:
            self._told_at = now
            _log.error("a DNS query could not be answered", exc_info=fault)
        return True


class RunningNameServer:
    """The open listeners; `addresses` are those really bound, which matters where port 0 was asked for."""

    def __init__(
        self,
        answers: CachedAnswers,
        limits: StreamLimits,
        transfers: Transfers | None = None,
        rate: RateLimit | None = None,
    ) -> None:
        self._limits = limits
        self._transfers = transfers
        self._rate = rate or RateLimit(0)
        self._cookies = Cookies(time.time)
        self._answers = answers
        self._closing: list[Callable[[], None]] = []
        self._streams: dict[asyncio.Task[None], str] = {}
        self._faults = _FaultLog()
        self.addresses: tuple[tuple[str, int], ...] = ()

    async def open(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen on one address, UDP and TCP on the same port."""
        datagrams, listener = bind_both(host, port, reuse_port=reuse_port)
        loop = asyncio.get_running_loop()
        loop.add_reader(datagrams.fileno(), self._on_datagrams, *receive_and_send(datagrams))
        server = await asyncio.start_server(self._on_stream, sock=listener)

        def close() -> None:
            loop.remove_reader(datagrams.fileno())
            datagrams.close()
            server.close()

        self._closing.append(close)
        self.addresses = (*self.addresses, (host, datagrams.getsockname()[1]))

    async def close(self) -> None:
        """Stop listening and drop the streams that are open."""
        while self._closing:
            self._closing.pop()()
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    def _on_datagrams(self, receive: Receive, send: Send, host_of: HostOf) -> None:
        # If it fails: what is cached was true a moment ago, better than silence while the database is away.
        with self._faults:
            self._rate.begin(time.monotonic())
            self._answers.refresh()
        for _ in range(_BATCH):
            try:
                message, client = receive()
            except OSError:
                # Empty, or the kernel tells of a client that is gone; the next datagram wakes us again.
                return
            host = host_of(client)
            response, is_proven = self._answers.kept(message), False
            if response is None:
                response, is_proven = self._reply(message, host)
            if response is not None and not is_proven:
                response = self._rate.verdict(response, host)
            try:
                if response is not None:
                    send(response, client)
            except OSError:
                # A full send buffer or a forged source port 0 loses this one answer: the client asks again.
                continue

    def _respond(self, message: bytes, respond: Callable[[bytes], bytes | None]) -> bytes | None:
        """The response; SERVFAIL where making it failed."""
        with self._faults:
            return respond(message)
        return failure(message)

    def _reply(self, message: bytes, host: str) -> tuple[bytes | None, bool]:
        """The datagram to send, and whether the client has proven that it is where it says."""
        asked = take_cookie(message)
        if asked is not None:
            return self._with_cookie(asked, host, over_tcp=False)
        response = self._respond(message, self._answers.for_datagram)
        if response is not None and response[3] & 0xF in _FOR_SECONDARIES:
            response = next(self._answer(message, response, host, over_tcp=False), None)
        return response, False

    def _with_cookie(self, asked: Asked, host: str, *, over_tcp: bool) -> tuple[bytes | None, bool]:
        """The answer to a query that came with a cookie, with ours, and whether theirs was good."""
        if not asked.is_formed:
            return format_decline(asked.message, Rcode.FORMERR), False
        respond = self._answers.for_stream if over_tcp else self._answers.for_datagram
        response = self._respond(asked.message, respond)
        if response is None:
            return None, False
        cookie, is_proven = self._cookies.reply(asked, host)
        return with_cookie(response, asked, cookie, over_tcp=over_tcp), is_proven

    def _answer(self, message: bytes, response: bytes, host: str, *, over_tcp: bool) -> Iterator[bytes]:
        """The messages that go out in answer: `response`, unless a secondary of ours asked for more."""
        stream = None
        if self._transfers is not None and response[3] & 0xF in _FOR_SECONDARIES:
            with self._faults:
                stream = self._transfers.respond(message, host, over_tcp=over_tcp)
        return iter((response,)) if stream is None else stream

    def _make_room(self, host: str) -> None:
        """Ends the stream that said nothing for longest where there are too many, so that idle clients can't
        lock others out: the same client's where that has its share."""
        same = [stream for stream, client in self._streams.items() if client == host]
        if len(same) >= self._limits.at_most_each:
            same[0].cancel()
        elif len(self._streams) >= self._limits.at_most:
            next(iter(self._streams)).cancel()

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        host = str((writer.get_extra_info("peername") or ("",))[0])
        self._make_room(host)
        self._streams[task] = host
        try:
            for _ in range(self._limits.queries_each):
                async with asyncio.timeout(self._limits.idle_s):
                    message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                asked = take_cookie(message)
                if asked is not None:
                    response, _ = self._with_cookie(asked, host, over_tcp=True)
                else:
                    response = self._respond(message, self._answers.for_stream)
                if response is None:
                    return
                for part in self._answer(message, response, host, over_tcp=True):
                    async with asyncio.timeout(self._limits.idle_s):
                        writer.write(len(part).to_bytes(2) + part)
                        await writer.drain()
                    # Back to the end of the line of those waiting; and a long answer lets others have a turn.
                    self._streams[task] = self._streams.pop(task)
                    await asyncio.sleep(0)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError, TransferBroken):
            return
        finally:
            self._streams.pop(task, None)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()


async def start_name_server(
    listen: Sequence[tuple[str, int]],
    zones: Sequence[Zone],
    source: ZoneSource,
    *,
    limits: StreamLimits = _LIMITS,
    transfers: Transfers | None = None,
    rate: RateLimit | None = None,
    reuse_port: bool = False,
) -> RunningNameServer:
    """A name server that answers for `zones` on each address of `listen`; OSError where one is taken.

    With `reuse_port` other processes of this user may answer there too.
    """
    running = RunningNameServer(CachedAnswers(zones, source.generation), limits, transfers, rate)
    try:
        for host, port in listen:
            await running.open(host, port, reuse_port=reuse_port)
    except OSError:
        await running.close()
        raise
    return running


def bind_both(host: str, port: int, *, reuse_port: bool = False) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on the same address and port, a free one where `port` is 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(_BIND_ATTEMPTS):
        listener = socket.socket(family, socket.SOCK_STREAM)
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        try:
            for opened in (listener, datagrams):
                opened.setblocking(False)
                if family == socket.AF_INET6:
                    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if reuse_port:
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            listener.bind((host, port))
            datagrams.bind((host, listener.getsockname()[1]))
            listener.listen()
            return datagrams, listener
        except OSError:
            listener.close()
            datagrams.close()
            # With port 0 the TCP port was free by chance; its UDP twin may be taken.
            if port or attempt == _BIND_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt raises or returns")
