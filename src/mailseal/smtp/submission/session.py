"""One submission session: the commands of one connection, in their order, until it ends.

Rule: a recipient is answered with what the next hop said to it, and the message likewise; whatever goes
wrong inside is 451, logged once, and nothing is acknowledged. After STARTTLS only what is inside TLS is read.
References: RFC 5321 §4.1.4, RFC 6409 §3, RFC 2920 §3.2, RFC 3207 §4.2, RFC 3030 §2, RFC 4954 §4.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mailseal.core.envelope import HandedOver, RecipientTaken
from mailseal.core.errors import NotAuthenticated, Refusal
from mailseal.service.admit import Gate
from mailseal.service.submit import Begun, SignedIn, begin_submission, submit
from mailseal.service.world import HandOver, World
from mailseal.smtp.submission import commands, replies
from mailseal.smtp.submission.arrival import stray_line_end
from mailseal.smtp.submission.commands import Command, CommandRefused
from mailseal.smtp.submission.limits import Limits, Room
from mailseal.smtp.submission.receiving import Received, receive_chunk, receive_dotted
from mailseal.smtp.submission.signingin import signed_in_by
from mailseal.smtp.wire import LineTooLong, Wire, WireLost
from mailseal.telemetry import Request, Survival, Telemetry

BAD_ORDER = "503 Bad sequence of commands"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all sessions of a listener share."""

    world: World
    gate: Gate
    telemetry: Telemetry
    limits: Limits
    room: Room
    tls: ssl.SSLContext | None
    our_name: str
    is_clear_allowed: bool
    """Whether passwords are taken outside of TLS; for loopback only."""


@dataclass(slots=True)
class Transaction:
    """A message between MAIL FROM and the answer to its end."""

    begun: Begun
    hand_over: HandOver
    needs_utf8: bool
    recipients: int = 0
    received: Received | None = None
    """What came in chunks so far."""


class Ended(Exception):
    """The session is over; the text is the last reply, empty where none is due."""


class Session:
    """The state of one connection."""

    def __init__(self, setting: Setting, wire: Wire) -> None:
        self._setting = setting
        self._wire = wire
        self._hello = ""
        self._signed_in: SignedIn | None = None
        self._transaction: Transaction | None = None
        self._errors = 0
        self._idle_commands = 0
        self._auth_failures = 0
        self._verbs: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "BDAT": self._bdat,
            "RSET": self._rset,
            "NOOP": self._noop,
            "VRFY": self._vrfy,
            "QUIT": self._quit,
        }

    @property
    def is_delivering(self) -> bool:
        """Whether a message is on its way, so that ending now would leave its sender unsure."""
        return self._transaction is not None and self._transaction.recipients > 0

    async def run(self) -> None:
        """Greets, and serves until either side ends it."""
        self._say(f"220 {self._setting.our_name} ESMTP Mailseal")
        ends = time.monotonic() + self._setting.limits.session_s
        opens = time.monotonic() + self._setting.limits.before_sign_in_s
        try:
            while True:
                until = ends if self._signed_in else opens
                await self._one(until - time.monotonic())
        except Ended as end:
            if str(end):
                self._say(str(end))
        except WireLost:
            return
        except asyncio.CancelledError:
            self._say("421 Service closing; the connection is closed")
            raise
        finally:
            await self._give_up()
            self._wire.close()

    async def _one(self, left: float) -> None:
        """Reads one command and carries it out."""
        if left <= 0:
            raise Ended("421 Timeout; the connection is closed")
        end: Ended | WireLost | None = None
        with Survival(self._setting.telemetry, "submission") as survival:
            try:
                await self._step(left)
            except (Ended, WireLost) as why:
                end = why
        if end is not None:
            raise end
        if survival.failed:
            await self._give_up()
            self._refuse(replies.NOT_NOW)

    async def _step(self, left: float) -> None:
        limits = self._setting.limits
        try:
            line = await self._wire.line(limits.auth_line, min(limits.command_s, left))
            if len(line) > limits.command_line and not line[:5].upper().startswith(b"AUTH "):
                raise LineTooLong("a command of too many octets")
            command = commands.parse_command(line)
            await self._carry_out(command)
        except LineTooLong:
            # Where the next command begins cannot be known for sure.
            raise Ended("500 Line too long") from None
        except CommandRefused as refused:
            self._refuse(f"{refused.code} {refused}")
        except Refusal as refusal:
            self._refuse(replies.reply_to_refusal(refusal))

    async def _carry_out(self, command: Command) -> None:
        act = self._verbs.get(command.verb)
        if act is None:
            raise CommandRefused(500, "Command not recognized")
        await act(command.rest)

    def _say(self, *lines: str) -> None:
        for line in lines[:-1]:
            self._wire.write(f"{line[:3]}-{line[4:]}\r\n".encode("ascii", "backslashreplace"))
        self._wire.write(f"{lines[-1]}\r\n".encode("ascii", "backslashreplace"))

    def _refuse(self, reply: str) -> None:
        """Says a refusal; ends the session after too many."""
        self._say(reply)
        self._errors += 1
        if self._errors >= self._setting.limits.errors:
            raise Ended("421 Too many errors; the connection is closed")

    def _idle(self) -> None:
        """Counts a command that brings no message nearer."""
        self._idle_commands += 1
        if self._idle_commands >= self._setting.limits.idle_commands:
            raise Ended("421 Too many commands without a message; the connection is closed")

    async def _give_up(self) -> None:
        """Ends the message that was begun, if any."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if transaction.received is not None:
            transaction.received.release()
        await transaction.hand_over.abandon()

    # -- one function a command

    async def _ehlo(self, rest: str) -> None:
        self._idle()
        self._hello = commands.parse_hello(rest)
        await self._give_up()
        offered = [f"SIZE {self._setting.limits.message_bytes}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
        offered.append("CHUNKING")
        if self._setting.tls is not None and not self._wire.is_tls:
            offered.append("STARTTLS")
        if self._may_sign_in():
            offered.append("AUTH PLAIN LOGIN")
        self._say(*(f"250 {line}" for line in (self._setting.our_name, *offered)))

    async def _helo(self, rest: str) -> None:
        self._idle()
        self._hello = commands.parse_hello(rest)
        await self._give_up()
        self._say(f"250 {self._setting.our_name}")

    async def _starttls(self, rest: str) -> None:
        tls = self._setting.tls
        if tls is None or self._wire.is_tls:
            raise CommandRefused(503 if self._wire.is_tls else 502, "STARTTLS is not offered now")
        if rest:
            raise CommandRefused(501, "STARTTLS takes no parameter")
        self._say("220 Ready to start TLS")
        await self._wire.start_tls(tls)
        # RFC 3207 §4.2: what was known from outside of TLS is forgotten.
        self._hello, self._signed_in = "", None
        await self._give_up()

    async def _auth(self, rest: str) -> None:
        mechanism, initial = commands.parse_auth(rest)
        if not self._hello or self._signed_in is not None or self._transaction is not None:
            raise CommandRefused(503, BAD_ORDER[4:])
        if not self._may_sign_in():
            raise CommandRefused(538, "Encryption required: say STARTTLS first")
        try:
            self._signed_in = await signed_in_by(self._setting, self._wire, mechanism, initial)
        except NotAuthenticated:
            await self._failed_to_sign_in()
            return
        self._idle_commands = 0
        self._say("235 Authentication successful.")

    async def _failed_to_sign_in(self) -> None:
        limits = self._setting.limits
        self._auth_failures += 1
        self._setting.telemetry.count("mailseal_submission_sign_ins_refused_total")
        await asyncio.sleep(limits.auth_penalty_s)
        if self._auth_failures >= limits.auth_tries:
            raise Ended(f"421 {replies.BAD_CREDENTIALS[4:]}; the connection is closed")
        self._refuse(replies.BAD_CREDENTIALS)

    async def _mail(self, rest: str) -> None:
        if self._signed_in is None:
            raise CommandRefused(530, "Authentication required")
        if self._transaction is not None:
            raise CommandRefused(503, BAD_ORDER[4:])
        wanted = commands.parse_mail(rest, self._setting.limits.message_bytes)
        world = self._setting.world
        try:
            begun = await begin_submission(
                world, self._setting.gate, self._signed_in, wanted.address, world.clock.real_now()
            )
        except NotAuthenticated as refusal:
            self._signed_in = None
            raise refusal
        hand_over = world.next_hop.begin(
            begun.envelope_sender, size=wanted.size, is_8bit=wanted.is_8bit, needs_utf8=wanted.needs_utf8
        )
        self._transaction = Transaction(begun, hand_over, wanted.needs_utf8)
        self._say("250 Ok")

    async def _rcpt(self, rest: str) -> None:
        transaction = self._transaction
        if transaction is None or transaction.received is not None:
            raise CommandRefused(503, BAD_ORDER[4:])
        address = commands.parse_recipient(rest, utf8=transaction.needs_utf8)
        if transaction.recipients >= self._setting.limits.recipients:
            raise CommandRefused(452, "Too many recipients")
        answer = await transaction.hand_over.recipient(address)
        if not isinstance(answer, RecipientTaken):
            self._refuse(replies.reply_to_recipient(answer))
            return
        transaction.recipients += 1
        self._say("250 Ok")

    async def _data(self, rest: str) -> None:
        transaction = self._with_recipients()
        if rest or transaction.received is not None:
            raise CommandRefused(501 if rest else 503, BAD_ORDER[4:])
        self._say("354 End data with <CR><LF>.<CR><LF>")
        received = await receive_dotted(self._wire, self._setting.room, self._setting.limits)
        await self._finish(transaction, received)

    async def _bdat(self, rest: str) -> None:
        chunk = commands.parse_chunk(rest)
        limits = self._setting.limits
        if chunk.size > 2 * limits.message_bytes:
            raise Ended("552 Message size exceeds fixed limit")
        transaction = self._transaction
        into = transaction.received if transaction is not None and transaction.recipients else None
        received = await receive_chunk(self._wire, self._setting.room, limits, chunk.size, into)
        if transaction is None or not transaction.recipients:
            # The octets had to be read, or they would be taken for commands.
            received.release()
            raise CommandRefused(503, BAD_ORDER[4:])
        transaction.received = received
        if chunk.is_last:
            await self._finish(transaction, received)
        else:
            self._say(f"250 {chunk.size} octets received")

    def _with_recipients(self) -> Transaction:
        if self._transaction is None:
            raise CommandRefused(503, BAD_ORDER[4:])
        if not self._transaction.recipients:
            raise CommandRefused(554, "No valid recipients")
        return self._transaction

    async def _finish(self, transaction: Transaction, received: Received) -> None:
        """Says what became of the message, and forgets it."""
        begun = time.monotonic()
        transaction.received = received
        reply = replies.NOT_NOW
        with Survival(self._setting.telemetry, "submission"):
            reply = await self._outcome(transaction, received)
        self._idle_commands = 0
        await self._give_up()
        self._told(reply, transaction, time.monotonic() - begun)
        if reply.startswith("250"):
            self._say(reply)
        else:
            self._refuse(reply)

    async def _outcome(self, transaction: Transaction, received: Received) -> str:
        """The reply to the whole message."""
        if received.is_too_large:
            return "552 Message size exceeds fixed limit"
        if received.is_crowded_out:
            return replies.NEXT_HOP_BUSY
        stray = stray_line_end(received.message)
        if stray:
            return f"550 The message has a {stray} that stands alone: lines end in CRLF and nothing else"
        assert self._signed_in is not None
        world, who = self._setting.world, self._signed_in.who
        try:
            answer = await submit(world, who, transaction.begun, transaction.hand_over, received.message)
        except Refusal as refusal:
            return replies.reply_to_refusal(refusal)
        if isinstance(answer, HandedOver):
            self._errors = 0
        return replies.reply_to_message(answer, transaction.begun.message_id)

    def _told(self, reply: str, transaction: Transaction, seconds: float) -> None:
        """The one line and the counts of a message."""
        assert self._signed_in is not None
        who, box = self._signed_in.who, transaction.begun.mail_from
        self._setting.telemetry.request(
            Request(
                at=self._setting.world.clock.real_now(),
                request_id=transaction.begun.message_id,
                operation="Submission",
                method="SMTP",
                status=int(reply[:3]),
                seconds=seconds,
                identity=str(box) if box else None,
                account=who.account_id,
                region=who.region,
                access_key_id=who.access_key_id,
                error=None if reply.startswith("2") else reply,
            )
        )

    async def _rset(self, rest: str) -> None:
        self._idle()
        await self._give_up()
        self._say("250 Ok")

    async def _noop(self, rest: str) -> None:
        self._idle()
        self._say("250 Ok")

    async def _vrfy(self, rest: str) -> None:
        self._idle()
        self._say("252 Send some mail, I'll try my best")

    async def _quit(self, rest: str) -> None:
        raise Ended("221 Bye")

    def _may_sign_in(self) -> bool:
        return self._wire.is_tls or self._setting.is_clear_allowed
