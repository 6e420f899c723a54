"""Smuggling out: what looks like the end of a message to some server never leaves, or leaves as content."""

from __future__ import annotations

import asyncio
import re

import pytest

from mailseal.core.envelope import Declined, Envelope, HandedOver, MailAnswer
from mailseal.smtp.nexthop import SmtpNextHop
from tests.unit.smtp.smuggling import HARMLESS, SECOND, SEQUENCES

ENVELOPE = Envelope("hello@example.com", ("you@example.org",))
TRUE_ENDS = (b"\r\n.\r\n", b"\r\n..\r\n", b"\r\n.\r\n.\r\n", b"\r\n...\r\n", b"\r\n.\r\n\r\n.\r\n", b"\r\n.")


class Wiretap:
    """A mail server that takes everything, and keeps every octet that it was sent."""

    def __init__(self) -> None:
        self.wire = bytearray()
        self.mails: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, by the letter of RFC 5321."""
        writer.write(b"220 tap\r\n")
        while line := await self._until(reader, b"\r\n"):
            if line.upper().startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                # DATA's CRLF is the one before a first dot.
                message = await self._until(reader, b"\r\n.\r\n")
                self.mails.append(re.sub(rb"(\A|\r\n)\.", rb"\1", message[:-3]))
            writer.write(b"250 ok\r\n")
        writer.close()

    async def _until(self, reader: asyncio.StreamReader, end: bytes) -> bytes:
        try:
            got = await reader.readuntil(end)
        except asyncio.IncompleteReadError as last:
            got = last.partial
        self.wire += got
        return got


def handed_over(message: bytes) -> tuple[MailAnswer, Wiretap]:
    async def run() -> tuple[MailAnswer, Wiretap]:
        tap = Wiretap()
        server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
        hop = SmtpNextHop(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        answer = await hop.hand_over(ENVELOPE, message)
        await hop.close()
        server.close()
        return answer, tap

    return asyncio.run(run())


def message(sequence: bytes, before: bytes = b"hello") -> bytes:
    return b"From: hello@example.com\r\nSubject: first\r\n\r\n" + before + sequence + SECOND


@pytest.mark.parametrize("before", [b"hello", b"", b"hello\r\n."])
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_no_cr_or_lf_leaves_alone_and_one_message_stays_one(sequence: bytes, before: bytes) -> None:
    given = message(sequence, before)
    answer, tap = handed_over(given)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", bytes(tap.wire))
    if sequence in HARMLESS and b"\r\n.\r\n" not in given:
        assert isinstance(answer, HandedOver)
    if isinstance(answer, HandedOver):
        assert tap.mails == [given]
    else:
        assert isinstance(answer, Declined)
        assert tap.mails == []


@pytest.mark.parametrize("sequence", TRUE_ENDS)
def test_a_true_end_within_a_message_is_content(sequence: bytes) -> None:
    answer, tap = handed_over(message(sequence))
    assert isinstance(answer, HandedOver)
    assert tap.mails == [message(sequence)]
