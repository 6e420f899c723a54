"""The next hop by SMTP: one signed message handed to the operator's mail server, all recipients or none.

Rule: acknowledged only after the server's 250 to the final dot; the bytes go out as they were signed. What
the server says is a value; a lost answer is `NoAnswer`, because the message may have been taken.
References: RFC 5321 §4.1.1.4, RFC 5321 §4.5.2, RFC 6152 §3, RFC 6531 §3.4.
"""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import urlsplit

import aiosmtplib

from mailseal.core.envelope import Declined, Envelope, HandedOver, NoAnswer
from mailseal.core.observations import printable

Answer = HandedOver | Declined | NoAnswer

_TALKING_AT_MOST = 32
_IDLE_AT_MOST = 4
_IDLE_S = 30.0
_COMMAND_S = 20.0
_TAKING_S = 45.0
"""For the answer to the final dot; it is the server's commit to disk that takes the time."""
_DEFAULT_PORT = 25


class _Refused(Exception):
    """The server answered something else than was hoped for."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class SmtpNextHop:
    """A mail server at `smtp://host:port`; connections are kept for a while and used again."""

    def __init__(self, url: str, *, our_name: str = "localhost") -> None:
        parts = urlsplit(url)
        if parts.scheme != "smtp" or not parts.hostname:
            raise ValueError(f"{url} is not of the form smtp://host:port")
        self._host = parts.hostname
        self._port = parts.port or _DEFAULT_PORT
        self._our_name = our_name
        self._gate = asyncio.Semaphore(_TALKING_AT_MOST)
        self._idle: deque[tuple[float, aiosmtplib.SMTP]] = deque()

    async def hand_over(self, envelope: Envelope, message: bytes) -> Answer:
        """What became of it; a connection that went stale while idle is replaced, before DATA only."""
        problem = _problem_of(envelope, message)
        if problem:
            return Declined(permanent=True, answer=problem)
        async with self._gate:
            return await self._hand_over(envelope, message)

    async def answers(self) -> str | None:
        """None where the server greets and takes EHLO, else what went wrong."""
        try:
            client = await self._connected()
        except (aiosmtplib.SMTPException, OSError) as fault:
            return _told(fault)
        self._keep(client)
        return None

    async def close(self) -> None:
        """Says goodbye on the connections that are kept."""
        while self._idle:
            await _quit(self._idle.pop()[1])

    async def _hand_over(self, envelope: Envelope, message: bytes) -> Answer:
        client = self._taken()
        if client is not None:
            try:
                await self._begin(client, envelope, message)
            except (aiosmtplib.SMTPException, OSError):
                client.close()
                client = None
            except _Refused as refused:
                return await self._declined(client, refused)
        try:
            if client is None:
                client = await self._connected()
                await self._begin(client, envelope, message)
            return await self._finish(client, envelope, message)
        except _Refused as refused:
            return await self._declined(client, refused)
        except aiosmtplib.SMTPResponseException as refused:
            return Declined(permanent=refused.code >= 500, answer=_shown(refused.code, refused.message))
        except (aiosmtplib.SMTPException, OSError) as fault:
            if client is not None:
                client.close()
            return NoAnswer(_told(fault))

    async def _connected(self) -> aiosmtplib.SMTP:
        # Opportunistic TLS would fail on the self-made certificate of a mail server on loopback.
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._our_name,
            timeout=_COMMAND_S,
            start_tls=False,
        )
        await client.connect()
        await client.ehlo()
        return client

    async def _begin(self, client: aiosmtplib.SMTP, envelope: Envelope, message: bytes) -> None:
        """MAIL FROM with what this message needs the server to be able to do; raises _Refused."""
        options = []
        if client.supports_extension("size"):
            options.append(f"SIZE={len(message)}")
        if not message.isascii():
            _need(client, "8bitmime", "8-bit content, and converting it would break the signature")
            options.append("BODY=8BITMIME")
        if _needs_utf8(envelope, message):
            _need(client, "smtputf8", "addresses or header fields beyond ASCII")
            options.append("SMTPUTF8")
        await _command(client, f"MAIL FROM:<{envelope.mail_from}>", *options)

    async def _finish(self, client: aiosmtplib.SMTP, envelope: Envelope, message: bytes) -> Answer:
        """RCPT TO for each, then the message; one recipient refused ends it before DATA."""
        for recipient in envelope.recipients:
            await _command(client, f"RCPT TO:<{recipient}>")
        try:
            response = await client.data(message, timeout=_TAKING_S)
        except aiosmtplib.SMTPDataError as refused:
            raise _Refused(refused.code, _shown(refused.code, refused.message)) from None
        self._keep(client)
        return HandedOver(_shown(response.code, response.message))

    async def _declined(self, client: aiosmtplib.SMTP | None, refused: _Refused) -> Declined:
        if client is not None:
            await _quit(client)
        return Declined(permanent=refused.code >= 500, answer=str(refused))

    def _taken(self) -> aiosmtplib.SMTP | None:
        """A kept connection that still stands, the one used last."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if client.is_connected and now - since < _IDLE_S:
                return client
            client.close()
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._idle.append((asyncio.get_running_loop().time(), client))
        while len(self._idle) > _IDLE_AT_MOST:
            self._idle.popleft()[1].close()


async def _command(client: aiosmtplib.SMTP, *words: str) -> None:
    response = await client.execute_command(*(word.encode("utf-8") for word in words))
    if response.code not in (250, 251):
        raise _Refused(response.code, _shown(response.code, response.message))


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit(timeout=1.0)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _need(client: aiosmtplib.SMTP, extension: str, what: str) -> None:
    if not client.supports_extension(extension):
        raise _Refused(554, f"the next hop does not take {what}: it offers no {extension.upper()}")


def _problem_of(envelope: Envelope, message: bytes) -> str:
    """Why this may not go out on an SMTP connection at all; empty where it may."""
    rest = message.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        return "a line ends in CR or LF alone"
    if not envelope.recipients:
        return "no recipient"
    for address in (envelope.mail_from, *envelope.recipients):
        if any(c in "<> \x7f" or c < " " for c in address):
            return "an address with a character that is a command's"
    return ""


def _needs_utf8(envelope: Envelope, message: bytes) -> bool:
    header = message.partition(b"\r\n\r\n")[0]
    return not header.isascii() or not all(a.isascii() for a in (envelope.mail_from, *envelope.recipients))


def _shown(code: int, text: str) -> str:
    return f"{code} {printable(text)}"


def _told(fault: Exception) -> str:
    return printable(str(fault) or type(fault).__name__)
