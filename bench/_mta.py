"""An MTA for the milter's bench: hands the same letter in again and again, in the steps a milter asks for.

Rule: waits for every reply that was not agreed to be left out, as an MTA does; each letter must come back
with one signature on top.
References: milter SMFIC_OPTNEG, milter SMFIC_BODYEOB, milter SMFIR_INSHEADER.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any

from mailseal.milter.wire import REPLY_UNNEEDED, Command, Packets, Step, format_packet, parse_offer

ALL_STEPS = 0x1FFFFF
_LEFT_OUT = {Command.HELO: 0x02, Command.RCPT: 0x08, Command.HEADER_END: 0x40, Command.DATA: 0x200}
_CLIENT = b"localhost\0" + b"4" + struct.pack(">H", 4025) + b"127.0.0.1\0"
_PIECE = 65535
_QUEUE_ID = "4XbQ1z0kZzz1"

Turn = tuple[bytes, int]
"""What is said in one go, and how many replies are awaited then."""


def macros(command: Command, **values: str) -> bytes:
    """Macros as they go ahead of a command."""
    pairs = b"".join(f"{{{name}}}\0{value}\0".encode() for name, value in values.items())
    return format_packet(b"D", command.encode() + pairs)


def turns_of(said: list[tuple[Command, bytes, bytes]], steps: int) -> list[Turn]:
    """Commands, each with its content and the macros ahead of it, as an MTA says them under these steps."""
    turns: list[Turn] = []
    waiting = b""
    for command, content, ahead in said:
        if steps & _LEFT_OUT.get(command, 0):
            continue
        waiting += ahead + format_packet(command.encode(), content)
        if command is Command.BODY_END or not steps & REPLY_UNNEEDED[command]:
            turns.append((waiting, 1))
            waiting = b""
    return [*turns, (waiting, 0)] if waiting else turns


def client_of() -> list[tuple[Command, bytes, bytes]]:
    """What is said of the client, once a connection."""
    named = macros(Command.CONNECT, j="mx.test", daemon_name="mx.test", v="Postfix 3.7")
    return [(Command.CONNECT, _CLIENT, named), (Command.HELO, b"localhost\0", b"")]


def letter_of(raw: bytes, steps: int) -> list[tuple[Command, bytes, bytes]]:
    """What is said of one letter."""
    head, _, body = raw.partition(b"\r\n\r\n")
    blank = b"" if steps & Step.LEADING_SPACE else b" "
    fields = (line.partition(b":") for line in head.split(b"\r\n"))
    pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]
    return [
        (
            Command.MAIL,
            b"<a@example.com>\0",
            macros(Command.MAIL, i="4XbQ1z0kZzz1", mail_addr="a@example.com"),
        ),
        (
            Command.RCPT,
            b"<b@example.net>\0",
            macros(Command.RCPT, i="4XbQ1z0kZzz1", rcpt_addr="b@example.net"),
        ),
        (Command.DATA, b"", b""),
        *((Command.HEADER, n + b"\0" + v.removeprefix(blank) + b"\0", b"") for n, _, v in fields),
        (Command.HEADER_END, b"", b""),
        *((Command.BODY, piece, b"") for piece in pieces),
        (Command.BODY_END, b"", macros(Command.BODY_END, i=_QUEUE_ID)),
    ]


class Mta(asyncio.Protocol):
    """One connection: so many letters, the time of each noted, then it hangs up."""

    def __init__(self, raw: bytes, letters: int, latencies: list[float]) -> None:
        self._raw, self._left, self._latencies = raw, letters, latencies
        self._packets = Packets()
        self._hear: Callable[[bytes, bytes], None] = self._hear_offer
        self._awaited = 0
        self._at = 0
        self._signatures: list[bytes] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Offers all that an MTA can do."""
        self._transport = transport
        transport.write(format_packet(b"O", struct.pack(">III", 6, 0x1FF, ALL_STEPS)))

    def data_received(self, data: bytes) -> None:
        """Hears each packet in turn."""
        for letter, content in self._packets.feed(data):
            self._hear(letter, content)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end that was not ours is a failure."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the milter hung up: {exc}"))

    def _hear_offer(self, letter: bytes, content: bytes) -> None:
        if letter != b"O":
            raise SystemExit(f"the milter answers the negotiation with {letter!r}")
        steps = parse_offer(content).steps
        self._turns = turns_of(client_of(), steps)
        self._letter = turns_of(letter_of(self._raw, steps), steps)
        self._hear = self._hear_reply
        self._begun = time.perf_counter()
        self._advance()

    def _hear_reply(self, letter: bytes, content: bytes) -> None:
        if letter == b"i" and content[4:].startswith(b"DKIM-Signature\0"):
            self._signatures.append(content)
            return
        if letter not in (b"c", b"a"):
            self.done.set_exception(RuntimeError(f"the milter says {letter!r} {content[:80]!r}"))
            self._transport.close()
            return
        self._awaited -= 1
        if self._awaited == 0:
            self._advance()

    def _advance(self) -> None:
        while self._awaited == 0:
            if self._at == len(self._turns) and not self._next_letter():
                return
            said, self._awaited = self._turns[self._at]
            self._at += 1
            self._transport.write(said)

    def _next_letter(self) -> bool:
        if self._turns is self._letter:
            if len(self._signatures) != 1:
                self.done.set_exception(RuntimeError(f"{len(self._signatures)} signatures on a letter"))
                self._transport.close()
                return False
            self._latencies.append(time.perf_counter() - self._begun)
            self._left -= 1
        if self._left == 0:
            self.done.set_result(None)
            self._transport.write(format_packet(b"Q"))
            self._transport.close()
            return False
        self._turns, self._at, self._signatures = self._letter, 0, []
        self._begun = time.perf_counter()
        return True
