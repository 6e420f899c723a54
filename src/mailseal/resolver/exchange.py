"""One question put to one server: datagrams first, a stream where the answer does not fit.

Rule: only a message from that address, to that port, with our id and our question in our mixed case counts;
everything else is ignored until the deadline, so that a forged packet can neither be believed nor do harm.
References: RFC 5452 §9 (forged answers), RFC 7766 §5 (TCP), RFC 6891 §7 (servers without EDNS).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from dataclasses import dataclass, field

from mailseal.core.observations import RecordType
from mailseal.resolver.budget import LARGEST_STREAMED, Budget, NoAnswer
from mailseal.resolver.encrypted import Channel
from mailseal.resolver.reading import FORMERR, NOTIMP
from mailseal.resolver.wire import (
    MalformedResponse,
    Response,
    format_name,
    format_query,
    is_bare_error,
    is_reply_to,
    parse_response,
    with_mixed_case,
)

TRIES_S = (1.0, 2.0, 2.0)
"""How long each of the three datagrams may wait for its answer; all of it together for a stream."""
_LARGEST_DATAGRAM = 4096


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and as what."""

    host: str
    port: int
    recursion: bool
    gate: asyncio.Semaphore = field(repr=False, compare=False)
    """Bounds how many sockets are open at once."""
    tries_s: tuple[float, ...] = TRIES_S
    channel: Channel | None = None
    """Where it is asked over TLS or HTTPS, and in no other way."""


async def ask(
    server: Server,
    name: str,
    rtype: RecordType,
    budget: Budget,
    *,
    checking_disabled: bool = False,
    stream: bool = False,
) -> Response:
    """The server's response to one question; NoAnswer after three tries or where the budget is spent."""
    exchange = _Exchange(server, format_name(name), rtype, budget, checking_disabled)
    async with server.gate:
        if server.channel is not None:
            return await exchange.by_channel(server.channel)
        if stream:
            return await exchange.by_stream()
        response = await exchange.by_datagram()
        if response.rcode in (FORMERR, NOTIMP) and exchange.edns:
            exchange.edns = False
            response = await exchange.by_datagram()
        return await exchange.by_stream() if response.truncated else response


class _Exchange:
    def __init__(
        self, server: Server, name: bytes, rtype: RecordType, budget: Budget, checking_disabled: bool
    ) -> None:
        self._server = server
        self._name = name
        self._rtype = rtype
        self._budget = budget
        self._checking_disabled = checking_disabled
        self.edns = True

    def _format_query(self, *, mixed_case: bool, identity: bytes | None = None) -> bytes:
        chance = int.from_bytes(secrets.token_bytes(2 + len(self._name) // 8 + 1))
        return format_query(
            with_mixed_case(self._name, chance >> 16) if mixed_case else self._name,
            self._rtype,
            identity=(chance & 0xFFFF).to_bytes(2) if identity is None else identity,
            recursion=self._server.recursion,
            checking_disabled=self._checking_disabled,
            edns=self.edns,
        )

    async def by_datagram(self) -> Response:
        reason = ""
        last = len(self._server.tries_s) - 1
        for number, wait_s in enumerate(self._server.tries_s):
            self._budget.spend()
            # Some servers answer in lower case whatever they were asked: the last try lets them.
            query = self._format_query(mixed_case=number < last)
            datagrams = _Datagrams(self._server, query)
            try:
                return await datagrams.answer(wait_s)
            except NoAnswer as silence:
                reason = str(silence)
            finally:
                datagrams.close()
        raise NoAnswer(reason)

    async def by_stream(self) -> Response:
        self._budget.spend()
        query = self._format_query(mixed_case=True)
        try:
            async with asyncio.timeout(sum(self._server.tries_s)):
                message = await self._stream(query)
        except TimeoutError:
            raise NoAnswer("the answer did not fit a datagram, and over TCP none came in time") from None
        except (OSError, asyncio.IncompleteReadError):
            raise NoAnswer("the answer did not fit a datagram, and TCP failed") from None
        return _read_stream(message, query, "TCP")

    async def by_channel(self, channel: Channel) -> Response:
        self._budget.spend()
        # RFC 8484 §4.1: an id of zero lets caches on the way do their work; TLS keeps forgers out.
        query = self._format_query(mixed_case=False, identity=b"\0\0" if channel.path else None)
        seconds = sum(self._server.tries_s)
        try:
            async with asyncio.timeout(seconds):
                message = await channel.exchange(query)
        except TimeoutError:
            raise NoAnswer(f"no answer within {seconds:g} s") from None
        return _read_stream(message, query, "HTTPS" if channel.path else "TLS")

    async def _stream(self, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._server.host, self._server.port)
        try:
            writer.write(len(query).to_bytes(2) + query)
            await writer.drain()
            length = int.from_bytes(await reader.readexactly(2))
            if length > LARGEST_STREAMED:
                raise NoAnswer("the answer is larger than 16 KiB")
            return await reader.readexactly(length)
        finally:
            writer.transport.abort()


def _read_stream(message: bytes, query: bytes, way: str) -> Response:
    """The response in a message that came over a stream; NoAnswer where it is none."""
    if not is_reply_to(message, query) and not is_bare_error(message, query):
        raise NoAnswer(f"over {way} came an answer to another question")
    try:
        response = parse_response(message)
    except MalformedResponse as broken:
        raise NoAnswer(f"a broken answer came over {way}: {broken}") from None
    if response.truncated:
        raise NoAnswer(f"the answer is marked as truncated over {way} too")
    return response


class _Datagrams:
    """A socket of its own for one query: the kernel gives it a random port and keeps other senders out."""

    def __init__(self, server: Server, query: bytes) -> None:
        self._query = query
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Response] = self._loop.create_future()
        self._ignored = ""
        self._bare_error = b""
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect((server.host, server.port))
            self._socket.send(query)
        except OSError as unreachable:
            self._fail(f"the server can't be reached: {unreachable.strerror}")
        else:
            self._loop.add_reader(self._socket.fileno(), self._read)

    async def answer(self, wait_s: float) -> Response:
        """The response; NoAnswer where none came in `wait_s` seconds."""
        timer = self._loop.call_later(wait_s, self._too_late, wait_s)
        try:
            return await self._answer
        finally:
            timer.cancel()

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _too_late(self, wait_s: float) -> None:
        if self._bare_error and not self._answer.done():
            self._answer.set_result(parse_response(self._bare_error))
        self._fail(self._ignored or f"no answer within {wait_s:g} s")

    def _fail(self, reason: str) -> None:
        if not self._answer.done():
            self._answer.set_exception(NoAnswer(reason))

    def _read(self) -> None:
        try:
            message = self._socket.recv(_LARGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as refused:
            self._fail(f"the server can't be reached: {refused.strerror}")
            return
        if is_bare_error(message, self._query):
            # Nothing but the id speaks for it: believed only if the deadline brings nothing better.
            self._bare_error = message
            return
        if not is_reply_to(message, self._query):
            self._ignored = "only answers to other questions came"
            return
        with contextlib.suppress(asyncio.InvalidStateError):
            try:
                self._answer.set_result(parse_response(message))
            except MalformedResponse as broken:
                self._ignored = f"only a broken answer came: {broken}"
