"""The client's side of one SMTP connection: what is asked, and what the server answers.

Rule: commands go out together where the server takes them so, and every answer is read in its turn; an answer
that is not of the grammar ends the connection.
References: RFC 5321 §4.2, RFC 5321 §4.5.3.2, RFC 2920 §3.1, RFC 3207 §4, RFC 4954 §4, RFC 8314 §3.3.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.core.observations import printable
from mailseal.smtp.login import Login
from mailseal.smtp.wire import Wire, WireLost

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?\n\Z")
_LONGEST_REPLY_LINE = 2048
_MOST_REPLY_LINES = 128
_BLOCK = 256 * 1024
_GO_ON, _LET_IN = 334, 235


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: its code and its text, lines joined by blanks, fit to be shown."""

    code: int
    text: str

    @property
    def is_good(self) -> bool:
        """Whether what was asked has been done."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a server has for each step."""

    connect_s: float = 20.0
    command_s: float = 20.0
    taking_s: float = 45.0
    """For the answer to the final dot; it is the server's commit to disk that takes the time."""


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and whether TLS is asked for: not at all, from the start, or by STARTTLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    is_implicit: bool = False
    our_name: str = "localhost"
    patience: Patience = PATIENCE
    login: Login | None = None


class Refused(Exception):
    """The server answered something else than was hoped for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Conversation:
    """A connection that was greeted, after EHLO."""

    def __init__(self, wire: Wire, patience: Patience) -> None:
        self._wire = wire
        self._patience = patience
        self._extensions: dict[str, str] = {}
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can be used still, as far as is known here."""
        return self._wire.is_open

    def offers(self, extension: str) -> bool:
        """Whether the server's answer to EHLO named the extension."""
        return extension in self._extensions

    async def ask(self, *commands: bytes) -> list[Reply]:
        """The answers to all of these commands, asked together where the server takes that.

        Raises WireLost; where one by one has to do, the first refusal ends it and the list is shorter.
        """
        if self.offers("PIPELINING"):
            self._wire.write(b"".join(commands))
            return [await self._reply(self._patience.command_s) for _ in commands]
        replies = []
        for command in commands:
            self._wire.write(command)
            replies.append(await self._reply(self._patience.command_s))
            if replies[-1].code >= 400:
                break
        return replies

    async def message(self, stuffed: Sequence[bytes]) -> Reply:
        """The answer to the final dot; only after 354. Raises WireLost: the answer may be lost on its way."""
        if not self._wire.is_open:
            self._wire.abort()
            raise WireLost("the server answered before it was asked")
        for block in stuffed:
            for start in range(0, len(block), _BLOCK):
                self._wire.write(block[start : start + _BLOCK])
                await self._wire.drained(self._patience.taking_s)
        return await self._reply(self._patience.taking_s)

    def quit(self) -> None:
        """Says goodbye without waiting for the answer."""
        self._wire.write(b"QUIT\r\n")
        self._wire.close()

    def abort(self) -> None:
        """Ends it at once."""
        self._wire.abort()

    async def greeted(self, server: Server) -> None:
        """Reads the greeting and learns what the server can do, inside TLS where that is asked for.

        Raises Refused, WireLost.
        """
        self._hoped_for(await self._reply(self._patience.command_s))
        await self._hello(server.our_name)
        if server.tls is not None and not server.is_implicit:
            if not self.offers("STARTTLS"):
                raise WireLost("the server offers no STARTTLS")
            self._wire.write(b"STARTTLS\r\n")
            self._hoped_for(await self._reply(self._patience.command_s))
            await self._wire.start_tls(
                server.tls, server_hostname=server.host, within=self._patience.command_s
            )
            await self._hello(server.our_name)
        if server.login is not None:
            await self._log_in(server.login)

    async def _log_in(self, login: Login) -> None:
        """Raises WireLost where we are not let in: no message is at fault, and none may be refused for it."""
        steps = login.commands(self._extensions.get("AUTH", ""))
        if not steps:
            raise WireLost("the server offers no login by PLAIN or LOGIN")
        for number, step in enumerate(steps, 1):
            self._wire.write(step)
            reply = await self._reply(self._patience.command_s)
            if reply.code != (_LET_IN if number == len(steps) else _GO_ON):
                raise WireLost(f"the server refuses our login with {reply.code}")

    async def _hello(self, our_name: str) -> None:
        """EHLO, and HELO for a server of old (RFC 5321 §3.2)."""
        self._wire.write(b"EHLO " + our_name.encode("ascii", "replace") + b"\r\n")
        lines = await self._reply_lines(self._patience.command_s)
        self._extensions = {}
        if lines[0][0] in (500, 502):
            self._wire.write(b"HELO " + our_name.encode("ascii", "replace") + b"\r\n")
            lines = await self._reply_lines(self._patience.command_s)
        self._hoped_for(_joined(lines))
        for _, text in lines[1:]:
            name, _, values = text.strip().partition(" ")
            self._extensions[name.upper()] = values

    def _hoped_for(self, reply: Reply) -> None:
        if not reply.is_good:
            raise Refused(reply)

    async def _reply(self, within: float) -> Reply:
        return _joined(await self._reply_lines(within))

    async def _reply_lines(self, within: float) -> list[tuple[int, str]]:
        lines: list[tuple[int, str]] = []
        while len(lines) < _MOST_REPLY_LINES:
            match = _REPLY.match(await self._wire.line(_LONGEST_REPLY_LINE, within))
            if match is None or (lines and int(match[1]) != lines[0][0]):
                self._wire.abort()
                raise WireLost("the server's answer is no SMTP")
            lines.append((int(match[1]), (match[3] or b"").decode("utf-8", "backslashreplace")))
            if match[2] != b"-":
                return lines
        self._wire.abort()
        raise WireLost("the server's answer has no end")


async def connected(server: Server) -> Conversation:
    """A conversation that was greeted; raises Refused, WireLost."""
    wire = Wire()
    context = server.tls if server.is_implicit else None
    try:
        async with asyncio.timeout(server.patience.connect_s):
            await asyncio.get_running_loop().create_connection(
                lambda: wire,
                server.host,
                server.port,
                ssl=context,
                server_hostname=server.host if context else None,
            )
    except TimeoutError:
        raise WireLost("no connection within the time") from None
    except (OSError, ssl.SSLError) as fault:
        raise WireLost(printable(str(fault) or type(fault).__name__)) from None
    talk = Conversation(wire, server.patience)
    try:
        await talk.greeted(server)
    except BaseException:
        wire.abort()
        raise
    return talk


def stuffed(message: bytes) -> tuple[bytes, ...]:
    """A message of whole lines as DATA sends it: dots doubled at the start of a line, and the final dot.

    RFC 5321 §4.5.2.
    """
    first = b"." if message.startswith(b".") else b""
    if b"\r\n." in message:
        message = message.replace(b"\r\n.", b"\r\n..")
    end = b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"
    return (first + message + end,) if len(message) <= _BLOCK else (first, message, end)


def _joined(lines: Sequence[tuple[int, str]]) -> Reply:
    return Reply(lines[0][0], printable(" ".join(text for _, text in lines)))
