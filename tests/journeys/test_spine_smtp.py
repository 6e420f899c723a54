"""Signed mail on its way out over SMTP: to aiosmtpd, to nobody, and while the owner changes the setting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from botocore.exceptions import ClientError

from mailseal.sandbox.settings import Ports
from tests.journeys.rig import Rig, running_rig
from tests.journeys.test_spine import own_key, proven, put, send

RAW = (
    b"From: Hello <hello@example.com>\r\nTo: you@example.org\r\nSubject: raw\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
    b".a line that begins with a dot\r\n.\r\n..\r\nGr\xc3\xbc\xc3\x9fe\r\n"
)


class Sink:
    """The operator's mail server: keeps what it takes, refuses whom it is told to."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.answer = "250 2.0.0 kept"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.mails.append(envelope.content)
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return self.answer


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def rig(tmp_path: Path, sink: Sink) -> Iterator[Rig]:
    port = Ports.free().api
    with running_rig(tmp_path, next_hop=f"smtp://127.0.0.1:{port}") as running:
        server = running.call(lambda: _listening(sink, port))
        yield running
        running.call(lambda: _stopped(server))


async def _listening(sink: Sink, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: SMTP(sink, hostname="mx.test", loop=loop), "127.0.0.1", port)


async def _stopped(server: asyncio.Server) -> None:
    server.close()


def test_a_raw_mail_arrives_byte_for_byte_and_verifies(rig: Rig, sink: Sink) -> None:
    ses = proven(rig)
    ses.send_email(Content={"Raw": {"Data": RAW}})
    [mail] = sink.mails
    assert mail.endswith(RAW)
    assert rig.is_signed(mail)
    assert sink.envelopes == [("hello@example.com", ["you@example.org"])]


def test_one_refused_recipient_refuses_the_message_for_all(rig: Rig, sink: Sink) -> None:
    ses = proven(rig)
    with pytest.raises(ClientError, match="no such user here") as refused:
        ses.send_email(
            Content={"Raw": {"Data": RAW}},
            Destination={"ToAddresses": ["you@example.org", "nobody@example.org"]},
        )
    assert refused.value.response["Error"]["Code"] == "MessageRejected"
    assert sink.mails == []


def test_a_next_hop_that_puts_off_is_a_503_that_may_be_repeated(rig: Rig, sink: Sink) -> None:
    ses = proven(rig)
    sink.answer = "451 4.3.0 disk full"
    with pytest.raises(ClientError) as put_off:
        ses.send_email(Content={"Raw": {"Data": RAW}})
    assert put_off.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "Send it again" in str(put_off.value)
    sink.answer = "250 2.0.0 kept"
    ses.send_email(Content={"Raw": {"Data": RAW}})
    assert len(sink.mails) == 1


def test_no_mail_leaves_unsigned_while_settings_change(rig: Rig, sink: Sink) -> None:
    ses = proven(rig)
    count = 0

    def some(mails: int) -> None:
        nonlocal count
        for _ in range(mails):
            count += 1
            send(ses, count)

    for selector in ("s1", "s2"):
        some(2)
        own = {"DomainSigningSelector": selector, "DomainSigningPrivateKey": own_key()}
        put(ses, SigningAttributesOrigin="EXTERNAL", SigningAttributes=own)
        some(2)
        rig.advance(seconds=30, steps=3)
        rig.publish("example.com")
        for _ in range(6):
            some(1)
            rig.advance(seconds=30)
        put(ses, SigningAttributesOrigin="AWS_SES")
        for _ in range(6):
            some(1)
            rig.advance(seconds=30)
    assert len(sink.mails) == count
    assert [rig.is_signed(mail) for mail in sink.mails] == [True] * count


def test_a_dead_next_hop_is_a_503_and_nothing_is_kept(tmp_path: Path) -> None:
    with running_rig(tmp_path, next_hop="smtp://127.0.0.1:1") as rig:
        ses = proven(rig)
        with pytest.raises(ClientError) as silent:
            send(ses)
        assert silent.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
