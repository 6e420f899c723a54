"""Handing over by SMTP: to aiosmtpd, which we did not write, and to servers that misbehave by script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from mailseal.core.envelope import Declined, Envelope, HandedOver, MailAnswer, NoAnswer
from mailseal.smtp.nexthop import SmtpNextHop

ENVELOPE = Envelope("from@example.com", ("one@example.org", "two@example.org"))
MESSAGE = b"From: from@example.com\r\nSubject: x\r\n\r\n.leading dot\r\n..two\r\n\r\nend\r\n"


class Keeping:
    """aiosmtpd's handler: keeps what it was given."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes, list[str]]] = []
        self.connections = 0

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "450 4.2.0 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, envelope.mail_options))
        return "250 2.0.0 queued as 1"


@asynccontextmanager
async def aiosmtpd_server(handler: Keeping, **settings: Any) -> AsyncIterator[SmtpNextHop]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mx.test", loop=loop, **settings), "127.0.0.1", 0
    )
    hop = SmtpNextHop(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", our_name="mailseal.test")
    try:
        yield hop
    finally:
        await hop.close()
        server.close()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[SmtpNextHop]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    hop = SmtpNextHop(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield hop
    finally:
        await hop.close()
        server.close()


def to_aiosmtpd(envelope: Envelope, message: bytes, **settings: Any) -> tuple[MailAnswer, Keeping]:
    async def run() -> tuple[MailAnswer, Keeping]:
        handler = Keeping()
        async with aiosmtpd_server(handler, **settings) as hop:
            return await hop.hand_over(envelope, message), handler

    return asyncio.run(run())


def test_the_bytes_arrive_as_they_were_signed() -> None:
    answer, handler = to_aiosmtpd(ENVELOPE, MESSAGE)
    assert answer == HandedOver("250 2.0.0 queued as 1")
    [(mail_from, recipients, content, _)] = handler.mails
    assert (mail_from, recipients, content) == (ENVELOPE.mail_from, list(ENVELOPE.recipients), MESSAGE)


def test_one_refused_recipient_ends_it_before_the_message() -> None:
    answer, handler = to_aiosmtpd(Envelope("a@example.com", ("yes@example.org", "no@example.org")), MESSAGE)
    assert answer == Declined(permanent=True, answer="550 5.1.1 no such user")
    assert handler.mails == []


def test_a_recipient_for_later_is_not_refused_for_good() -> None:
    answer, _ = to_aiosmtpd(Envelope("a@example.com", ("later@example.org",)), MESSAGE)
    assert answer == Declined(permanent=False, answer="450 4.2.0 greylisted")


def test_eight_bit_content_is_announced() -> None:
    _, handler = to_aiosmtpd(ENVELOPE, MESSAGE + "Grüße\r\n".encode())
    assert "BODY=8BITMIME" in handler.mails[0][3]


def test_addresses_beyond_ascii_need_a_server_that_takes_them() -> None:
    envelope = Envelope("grüße@example.com", ("one@example.org",))
    taken, handler = to_aiosmtpd(envelope, MESSAGE, enable_SMTPUTF8=True)
    assert isinstance(taken, HandedOver)
    assert "SMTPUTF8" in handler.mails[0][3]
    refused, handler = to_aiosmtpd(envelope, MESSAGE, enable_SMTPUTF8=False)
    assert isinstance(refused, Declined)
    assert refused.permanent
    assert handler.mails == []


@pytest.mark.parametrize("message", [b"a: b\n\r\nx", b"a: b\r\n\r\nx\ry", b"a: b\r\n\r\nx\n.\r\n"])
def test_a_line_end_that_is_not_crlf_never_goes_out(message: bytes) -> None:
    answer, handler = to_aiosmtpd(ENVELOPE, message)
    assert isinstance(answer, Declined)
    assert handler.mails == []


@pytest.mark.parametrize("address", ["a@b>\r\nRCPT TO:<c@d", "a b@example.org", "a@example.org> SIZE=1", ""])
def test_an_address_cannot_smuggle_a_command(address: str) -> None:
    recipients = (address,) if address else ()
    answer, handler = to_aiosmtpd(Envelope("a@example.com", recipients), MESSAGE)
    assert isinstance(answer, Declined)
    assert handler.mails == []


def test_a_connection_is_used_again() -> None:
    async def run() -> Keeping:
        handler = Keeping()
        async with aiosmtpd_server(handler) as hop:
            for _ in range(3):
                await hop.hand_over(ENVELOPE, MESSAGE)
        return handler

    handler = asyncio.run(run())
    assert (len(handler.mails), handler.connections) == (3, 1)


async def until(reader: asyncio.StreamReader, word: bytes) -> None:
    while not (await reader.readline()).upper().startswith(word):
        pass


def test_a_connection_that_went_stale_is_replaced() -> None:
    served = 0

    async def one_mail_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        writer.write(b"220 hi\r\n")
        await until(reader, b"EHLO")
        writer.write(b"250 hi\r\n")
        for word in (b"MAIL", b"RCPT", b"RCPT"):
            await until(reader, word)
            writer.write(b"250 ok\r\n")
        await until(reader, b"DATA")
        writer.write(b"354 go\r\n")
        await until(reader, b".\r\n")
        served += 1
        writer.write(b"250 taken\r\n")
        # The server hangs up at the next command, as one does that has waited too long.
        await reader.readline()

    async def run() -> list[MailAnswer]:
        async with scripted(one_mail_each) as hop:
            return [await hop.hand_over(ENVELOPE, MESSAGE) for _ in range(2)]

    answers = asyncio.run(run())
    assert [type(answer) for answer in answers] == [HandedOver, HandedOver]
    assert served == 2


def test_a_lost_answer_is_no_answer_and_the_message_is_not_sent_twice() -> None:
    seen = 0

    async def silent_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        writer.write(b"220 hi\r\n")
        await until(reader, b"EHLO")
        writer.write(b"250 hi\r\n")
        for word in (b"MAIL", b"RCPT", b"RCPT"):
            await until(reader, word)
            writer.write(b"250 ok\r\n")
        await until(reader, b"DATA")
        writer.write(b"354 go\r\n")
        await until(reader, b".\r\n")
        seen += 1

    async def run() -> MailAnswer:
        async with scripted(silent_at_the_end) as hop:
            return await hop.hand_over(ENVELOPE, MESSAGE)

    assert isinstance(asyncio.run(run()), NoAnswer)
    assert seen == 1


def test_nobody_there_is_no_answer() -> None:
    async def run() -> tuple[MailAnswer, str | None]:
        hop = SmtpNextHop("smtp://127.0.0.1:1")
        return await hop.hand_over(ENVELOPE, MESSAGE), await hop.answers()

    answer, problem = asyncio.run(run())
    assert isinstance(answer, NoAnswer)
    assert problem is not None


def test_a_server_that_refuses_at_the_door_is_declined() -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 too busy\x1b[31m\r\n")

    async def run() -> MailAnswer:
        async with scripted(busy) as hop:
            return await hop.hand_over(ENVELOPE, MESSAGE)

    answer = asyncio.run(run())
    assert isinstance(answer, Declined | NoAnswer)
    assert not (isinstance(answer, Declined) and answer.permanent)
    assert "\x1b" not in repr(answer).replace("\\x1b", "")


@pytest.mark.parametrize("url", ["", "127.0.0.1:25", "http://127.0.0.1", "smtp://"])
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://host:port"):
        SmtpNextHop(url)
