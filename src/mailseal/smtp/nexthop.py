"""The next hop by SMTP: one signed message handed to the operator's mail server, all recipients or none.

Rule: acknowledged only after the server's 250 to the final dot; the bytes go out as they were signed. What
the server says is a value; a lost answer is `NoAnswer`, because the message may have been taken.
References: RFC 5321 §4.1.1.4, RFC 5321 §4.5.2, RFC 6531 §3.4, RFC 3207 §4; docs/operating.md.
"""

from __future__ import annotations

import asyncio
import ipaddress
from urllib.parse import urlsplit

from mailseal.core.envelope import (
    Busy,
    Declined,
    Envelope,
    MailAnswer,
    NoAnswer,
    RecipientAnswer,
    RecipientTaken,
)
from mailseal.smtp.client import PATIENCE, Conversation, Patience, Refused, Server, connected
from mailseal.smtp.login import Login
from mailseal.smtp.pool import Full, Pool
from mailseal.smtp.tls import client_tls
from mailseal.smtp.transaction import Sender, asked_for_data, begun, declined, delivered, ended, one_more
from mailseal.smtp.wire import WireLost

_TALKING_AT_MOST = 32
_HOLD_S = 30.0
_GROWS_BY = 4096
"""Octets by which signature and completion may make a message longer than was announced."""
_SCHEMES = {"smtp": 25, "smtp+starttls": 25, "smtps": 465}


class SmtpNextHop:
    """A mail server at `smtp://`, `smtp+starttls://` or `smtps://host:port`; connections are used again."""

    def __init__(
        self,
        url: str,
        *,
        our_name: str = "localhost",
        verify: bool = True,
        ca_file: str = "",
        connections: int = _TALKING_AT_MOST,
        hold_s: float = _HOLD_S,
        patience: Patience = PATIENCE,
        login: Login | None = None,
    ) -> None:
        """Raises ValueError for another form of URL, and where a password would go out in clear."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"{url} is not of the form smtp://host:port, smtp+starttls:// or smtps://")
        if login and parts.scheme == "smtp" and not _is_loopback(parts.hostname):
            raise ValueError("a password goes out inside TLS only: smtp+starttls:// or smtps://")
        tls = None if parts.scheme == "smtp" else client_tls(verify=verify, ca_file=ca_file)
        port = parts.port or _SCHEMES[parts.scheme]
        self._server = Server(parts.hostname, port, tls, parts.scheme == "smtps", our_name, patience, login)
        self._pool = Pool(self._server, connections)
        self._hold_s = hold_s

    async def hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer:
        """What became of it; a connection that went stale while idle is replaced, before DATA only."""
        problem = _problem_of(envelope, message)
        if problem:
            return Declined(permanent=True, answer=problem)
        try:
            async with self._pool.place(len(message)):
                return await self._hand_over(envelope, message)
        except Full:
            return Busy()

    def begin(
        self, mail_from: str, *, size: int = 0, is_8bit: bool = False, needs_utf8: bool = False
    ) -> SmtpHandOver:
        """A hand-over in which each recipient is answered for before the message is there."""
        sender = Sender(mail_from, size + _GROWS_BY if size else 0, is_8bit, needs_utf8)
        return SmtpHandOver(self, self._pool, sender, self._hold_s)

    async def answers(self) -> str | None:
        """None where the server greets and takes EHLO, else what went wrong."""
        try:
            talk = await connected(self._server)
        except (Refused, WireLost) as fault:
            return str(fault)
        self._pool.give_back(talk)
        return None

    async def close(self) -> None:
        """Says goodbye on the connections that are kept."""
        await self._pool.close()

    async def _hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer:
        talk: Conversation | None = None
        try:
            talk, refused = await begun(self._pool, _sender_of(envelope, message), envelope.recipients)
            refused = refused or await asked_for_data(talk)
            if refused is None:
                return await delivered(self._pool, talk, message)
            await ended(self._pool, talk)
            return refused
        except Refused as refusal:
            return declined(refusal.reply)
        except WireLost as lost:
            _abort(talk)
            return NoAnswer(str(lost))
        except BaseException:
            _abort(talk)
            raise


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SmtpHandOver:
    """A hand-over recipient by recipient.

    The connection waits for the message for a while only. Where it is gone when the message comes, all that
    was asked is asked again, and the message goes to all recipients that were taken or to none.
    """

    def __init__(self, hop: SmtpNextHop, pool: Pool, sender: Sender, hold_s: float) -> None:
        self._hop = hop
        self._pool = pool
        self._sender = sender
        self._hold_s = hold_s
        self._talk: Conversation | None = None
        self._taken: list[str] = []
        self._letting_go: asyncio.TimerHandle | None = None

    async def recipient(self, address: str) -> RecipientAnswer:
        """What the server says to one more recipient."""
        problem = _problem_of_addresses(self._sender.mail_from, address)
        if problem:
            return Declined(permanent=True, answer=problem)
        try:
            refused = await self._asked_for(address)
        except Full:
            return Busy()
        except Refused as refusal:
            self._let_go()
            return declined(refusal.reply)
        except WireLost as lost:
            self._let_go()
            return NoAnswer(str(lost))
        except BaseException:
            self._let_go()
            raise
        if refused is None:
            self._taken.append(address)
            return RecipientTaken()
        if not self._taken:
            # MAIL FROM may be what was refused: the next recipient begins anew.
            await self.abandon()
        return refused

    async def message(self, message: bytes) -> MailAnswer:
        """What became of the message for the recipients that were taken; ends the hand-over."""
        envelope = Envelope(self._sender.mail_from, tuple(self._taken))
        problem = _problem_of(envelope, message)
        if problem:
            await self.abandon()
            return Declined(permanent=True, answer=problem)
        wanted = _sender_of(envelope, message)
        fits = (wanted.is_8bit <= self._sender.is_8bit) and (wanted.needs_utf8 <= self._sender.needs_utf8)
        if not fits:
            await self.abandon()
        talk = self._held()
        if talk is None:
            return await self._hop.hand_over(envelope, message)
        try:
            refused = await asked_for_data(talk)
        except WireLost:
            # It went while it waited, and has taken nothing.
            self._let_go()
            return await self._hop.hand_over(envelope, message)
        except BaseException:
            self._let_go()
            raise
        if refused is not None:
            await self.abandon()
            return refused
        return await self._delivered(talk, message)

    async def abandon(self) -> None:
        """Takes back what was begun; ends the hand-over. May be called twice."""
        talk = self._held()
        if talk is None:
            return
        self._talk = None
        try:
            await ended(self._pool, talk)
        finally:
            self._pool.leave()

    async def _delivered(self, talk: Conversation, message: bytes) -> MailAnswer:
        self._talk = None
        try:
            return await delivered(self._pool, talk, message)
        except WireLost as lost:
            talk.abort()
            return NoAnswer(str(lost))
        except BaseException:
            talk.abort()
            raise
        finally:
            self._pool.leave()

    async def _asked_for(self, address: str) -> Declined | None:
        talk = self._held()
        if talk is not None:
            refused = await one_more(talk, address)
        else:
            await self._pool.enter(0)
            try:
                talk, refused = await begun(self._pool, self._sender, (*self._taken, address))
            except BaseException:
                self._pool.leave()
                raise
            self._talk = talk
        loop = asyncio.get_running_loop()
        self._letting_go = loop.call_later(self._hold_s, self._let_go)
        return refused

    def _held(self) -> Conversation | None:
        """The connection, which is not let go before this is called again."""
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None
        return self._talk

    def _let_go(self) -> None:
        """Gives the connection up, so that others may have its place."""
        talk = self._held()
        if talk is not None:
            self._talk = None
            talk.quit()
            self._pool.leave()


def _abort(talk: Conversation | None) -> None:
    if talk is not None:
        talk.abort()


def _sender_of(envelope: Envelope, message: bytes) -> Sender:
    header = message[: message.find(b"\r\n\r\n")]
    addresses = (envelope.mail_from, *envelope.recipients)
    needs_utf8 = not header.isascii() or not all(address.isascii() for address in addresses)
    return Sender(envelope.mail_from, len(message), not message.isascii(), needs_utf8)


def _problem_of(envelope: Envelope, message: bytes) -> str:
    """Why this may not go out on an SMTP connection at all; empty where it may."""
    rest = message.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        return "a line ends in CR or LF alone"
    if not envelope.recipients:
        return "no recipient"
    return _problem_of_addresses(envelope.mail_from, *envelope.recipients)


def _problem_of_addresses(*addresses: str) -> str:
    for address in addresses:
        if any(c in "<> \x7f" or c < " " for c in address):
            return "an address with a character that is a command's"
    return ""
