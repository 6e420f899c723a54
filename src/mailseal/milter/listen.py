"""The milter's sockets: MTAs connect, hand in letters, and get a signature or a word to try again.

Rule: an error of ours is TEMPFAIL, never a letter that passes unsigned by accident; what all connections hold
in memory is bounded, and beyond the bound letters are deferred.
References: milter SMFIC_BODYEOB, milter SMFIR_TEMPFAIL; docs/mta.md; docs/operating.md.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mailseal.milter.admission import Network, Stranger, Terms, is_inside, place_of
from mailseal.milter.conversation import Conversation, Letter, Say
from mailseal.milter.wire import CONTINUE, TEMPFAIL, Packets, WireError, format_insert
from mailseal.service.passing import Outcome, Passed, sign_passing
from mailseal.service.remembered import Remembered
from mailseal.service.world import World
from mailseal.telemetry import Telemetry, redacted

ANSWER_WITHIN = 30.0
"""Seconds for one letter; Postfix gives up by itself after 300, Sendmail after 300 too."""
IDLE_S = 7500.0
"""As long as libmilter lets a connection be silent (7,210 s), and a little more."""
_FIELD_NAME = b"DKIM-Signature"
_FIELDS = re.compile(rb"^DKIM-Signature:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What all connections together may take."""

    connections: int = 500
    held_bytes: int = 256 << 20
    idle_s: float = IDLE_S
    answer_s: float = ANSWER_WITHIN


@dataclass(slots=True)
class Milter:
    """What all connections share; belongs to one event loop."""

    world: World
    telemetry: Telemetry
    limits: Limits = field(default_factory=Limits)
    held_bytes: int = 0
    connections: set[Connection] = field(default_factory=set)
    remembered: Remembered = field(default_factory=Remembered)
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def listen(self, opened: socket.socket, terms: Terms, mta_networks: tuple[Network, ...]) -> None:
        """Takes MTAs in on an open socket, TCP only from those networks."""
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self, terms, mta_networks)

        if opened.family == socket.AF_UNIX:
            server = await loop.create_unix_server(connection, sock=opened)
        else:
            server = await loop.create_server(connection, sock=opened)
        self._servers.append(server)

    async def close(self) -> None:
        """Stops listening, answers the letters that are whole, and ends every connection."""
        for server in self._servers:
            server.close()
        working = [one.work for one in self.connections if one.work is not None]
        if working:
            await asyncio.wait(working, timeout=self.limits.answer_s)
        for one in list(self.connections):
            one.abort()


class Connection(asyncio.Protocol):
    """One connection of an MTA, letter after letter."""

    def __init__(self, milter: Milter, terms: Terms, mta_networks: tuple[Network, ...]) -> None:
        self._milter = milter
        self._terms = terms
        self._mta_networks = mta_networks
        self._packets = Packets()
        self._conversation = Conversation()
        self._waiting: list[tuple[bytes, bytes]] = []
        self._transport: asyncio.Transport | None = None
        self._acknowledge: Callable[[], None] = _nothing
        self._idle: asyncio.TimerHandle | None = None
        self._held = 0
        self.work: asyncio.Task[None] | None = None
        """A letter that is being signed; nothing else is heard meanwhile."""

    def connection_made(self, transport: Any) -> None:
        """Lets the MTA in, or closes at once; uvloop's transports are none of asyncio's by inheritance."""
        self._transport = transport
        opened = transport.get_extra_info("socket")
        peer = transport.get_extra_info("peername")
        is_tcp = opened is not None and opened.family != socket.AF_UNIX
        full = len(self._milter.connections) >= self._milter.limits.connections
        if full or (is_tcp and not (peer and is_inside(peer[0], self._mta_networks))):
            self._milter.telemetry.count("mailseal_milter_connections_total", outcome="refused")
            transport.abort()
            return
        self._milter.telemetry.count("mailseal_milter_connections_total", outcome="accepted")
        self._milter.connections.add(self)
        if is_tcp:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._acknowledge = lambda: _acknowledge_now(opened)
            self._acknowledge()
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives back what the connection held."""
        self._milter.connections.discard(self)
        self._hold(0)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Hears all packets that are complete."""
        self._acknowledge()
        try:
            self._waiting += self._packets.feed(data)
            if self.work is None:
                self._hear()
        except WireError as fault:
            self._milter.telemetry.count("mailseal_milter_connections_total", outcome="broken")
            self._milter.telemetry.say("milter", error="protocol", text=str(fault))
            self.abort()

    def abort(self) -> None:
        """Ends the connection; the MTA does what it was told to do without its milter: try again later."""
        if self._transport is not None:
            self._transport.abort()

    def _hear(self) -> None:
        replies = []
        packets, self._waiting = self._waiting, []
        for number, (letter, content) in enumerate(packets):
            reply, say = self._conversation.hear(letter, content)
            if reply:
                replies.append(reply)
            if say is Say.NOTHING:
                continue
            self._waiting = packets[number + 1 :]
            if say is Say.LETTER:
                self._begin()
            elif self._transport is not None:
                self._transport.close()
            break
        if replies and self._transport is not None:
            self._transport.write(b"".join(replies))
        if self.work is None:
            self._hold(self._conversation.size)

    def _hold(self, size: int) -> None:
        """Books what this connection holds; a letter for which there is no room is given up, and deferred."""
        milter = self._milter
        milter.held_bytes += size - self._held
        self._held = size
        if size and milter.held_bytes > milter.limits.held_bytes:
            self._conversation.give_up()
            milter.held_bytes -= self._held
            self._held = 0

    def _begin(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
        # What the letter holds stays booked until it is answered.
        self._hold(self._conversation.size)
        letter = self._conversation.take_letter()
        self.work = asyncio.ensure_future(self._answer(letter))

    async def _answer(self, letter: Letter) -> None:
        reply = await self._milter_reply(letter)
        self.work = None
        self._hold(0)
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(reply)
        self._be_patient()
        self._transport.resume_reading()
        self.data_received(b"")

    async def _milter_reply(self, letter: Letter) -> bytes:
        """The packets that answer for a letter; TEMPFAIL whenever it could not be decided or signed."""
        milter = self._milter
        with milter.telemetry.surviving("milter"):
            async with asyncio.timeout(milter.limits.answer_s):
                return await reply_to(milter, self._terms, letter)
        milter.telemetry.count("mailseal_milter_letters_total", outcome="deferred")
        return TEMPFAIL

    def _be_patient(self) -> None:
        """Begins the time anew that the MTA may stay silent."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._milter.limits.idle_s, self.abort)


async def reply_to(milter: Milter, terms: Terms, letter: Letter) -> bytes:
    """The packets that answer for a letter: its signatures on top, or none, each outcome counted by name."""
    telemetry = milter.telemetry
    if letter.raw is None:
        telemetry.count("mailseal_milter_letters_total", outcome="deferred")
        telemetry.say("milter", error="too large", request_id=letter.queue_id or None)
        return TEMPFAIL
    place = place_of(terms, letter)
    if isinstance(place, Stranger):
        telemetry.count("mailseal_milter_letters_total", outcome=place)
        return CONTINUE
    passed = await sign_passing(milter.world, place.account_id, place.region, letter.raw, milter.remembered)
    telemetry.count("mailseal_milter_letters_total", outcome=passed.outcome)
    if passed.is_remembered:
        telemetry.count("mailseal_milter_remembered_total")
    if passed.outcome is not Outcome.SIGNED:
        telemetry.say(
            "unsigned",
            identity=passed.author or None,
            account=place.account_id,
            region=place.region,
            error=passed.outcome,
            text=redacted(passed.detail),
            request_id=letter.queue_id or None,
        )
    return _inserted(passed) + CONTINUE


def _inserted(passed: Passed) -> bytes:
    """The packets that put the signatures on top, the first of them topmost."""
    values = _FIELDS.split(passed.fields)[1:]
    lines = (value.removesuffix(b"\r\n").replace(b"\r\n", b"\n") for value in reversed(values))
    return b"".join(format_insert(_FIELD_NAME, value) for value in lines)


def _acknowledge_now(opened: socket.socket) -> None:
    """Asks the kernel not to delay its acknowledgement, for which an MTA with Nagle's rule would wait 40 ms;
    it forgets this after a while (tcp(7), TCP_QUICKACK)."""
    with suppress(OSError):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _nothing() -> None:
    """Over a unix socket nothing is delayed."""
