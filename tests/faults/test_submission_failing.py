"""The next hop fails behind a whole submission session: the client hears of nothing that was not taken."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailseal.app.ports import bind_stream
from mailseal.service.admit import Gate
from mailseal.smtp.client import PATIENCE, Patience
from mailseal.smtp.nexthop import SmtpNextHop
from mailseal.smtp.submission.limits import Limits, Room
from mailseal.smtp.submission.listen import SubmissionListener
from mailseal.smtp.submission.session import Setting
from mailseal.telemetry import Telemetry
from tests.journeys.submitting import write_certificate
from tests.unit.service.scenes import DOMAIN, WHO, Scene, scene
from tests.unit.smtp.failing_hop import POINTS, FailingHop, How

pytestmark = [pytest.mark.suite_mail, pytest.mark.timeout(240)]

RECIPIENTS = ("one@example.org", "two@example.org")
AFTER_THE_MESSAGE = frozenset({"rset", "quit"})
"""Points that are reached once everything was taken."""
AT_RECIPIENTS = frozenset(POINTS[: POINTS.index("last recipient") + 1]) - {"last recipient"}
"""Points of which the first recipient's answer tells."""


@dataclass
class Told:
    """What one message's client was answered."""

    number: int
    recipients: list[str] = field(default_factory=list)
    end: str = ""

    @property
    def taken(self) -> tuple[str, ...]:
        """The recipients that were answered well."""
        pairs = zip(RECIPIENTS, self.recipients, strict=True)
        return tuple(recipient for recipient, reply in pairs if reply.startswith("250"))


class Client:
    """Signs in and sends letters on one connection, as far as it is let."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def sign_in(self) -> None:
        await self._answer()
        await self.say("EHLO client")
        word = b64encode(b"\0GUESTGUESTGUESTGUEST\0x").decode()
        assert (await self.say(f"AUTH PLAIN {word}")).startswith("235")

    async def send(self, number: int) -> Told:
        told = Told(number)
        assert (await self.say(f"MAIL FROM:<news@{DOMAIN}>")).startswith("250")
        for recipient in RECIPIENTS:
            told.recipients.append(await self.say(f"RCPT TO:<{recipient}>"))
        if not told.taken:
            assert (await self.say("RSET")).startswith("250")
            return told
        told.end = await self.say("DATA")
        if told.end.startswith("354"):
            letter = (
                f"From: news@{DOMAIN}\r\nTo: you@example.net\r\nSubject: number {number}\r\n\r\nhello\r\n."
            )
            told.end = await self.say(letter)
        return told

    async def say(self, line: str) -> str:
        self._writer.write(line.encode() + b"\r\n")
        return await self._answer()

    async def _answer(self) -> str:
        while (line := (await asyncio.wait_for(self._reader.readline(), 60)).decode())[3:4] == "-":
            pass
        return line.rstrip()


@asynccontextmanager
async def submission_before(
    here: Scene, certificate: tuple[Path, Path], hop: FailingHop, how: How
) -> AsyncIterator[Client]:
    """A client that has signed in at a submission port, behind which that next hop stands."""
    async with AsyncExitStack() as parts:
        server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
        parts.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        # What does not hang has all the time it needs, however busy this machine is.
        patience = Patience(5.0, 5.0, 5.0) if how is How.HANG else PATIENCE
        url = f"smtp+starttls://127.0.0.1:{port}"
        ours = SmtpNextHop(url, ca_file=str(certificate[0]), patience=patience)
        parts.push_async_callback(ours.close)
        world = replace(here.world, next_hop=ours)
        limits = Limits()
        telemetry = Telemetry(lambda line: None, lambda: datetime.now(UTC))
        room = Room(10, 10, limits.messages_waiting_bytes)
        gate = Gate(WHO.account_id)
        listener = SubmissionListener(Setting(world, gate, telemetry, limits, room, None, "mail.test", True))
        parts.push_async_callback(listener.close)
        opened = bind_stream(("127.0.0.1", 0), key="test")
        await listener.listen(opened)
        reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
        parts.callback(writer.transport.abort)
        client = Client(reader, writer)
        await client.sign_in()
        try:
            yield client
        finally:
            for each in hop.writers:
                each.transport.abort()


async def failed(
    here: Scene, certificate: tuple[Path, Path], point: str, how: How
) -> tuple[list[Told], FailingHop]:
    """Two letters while the next hop fails there, and one or more when it is well again."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    hop = FailingHop(tls, point, how)
    async with submission_before(here, certificate, hop, how) as client:
        told = [await client.send(1), await client.send(2)]
        hop.point = ""
        told.append(await client.send(3))
        with contextlib.suppress(ConnectionError):
            await client.say("QUIT")
    return told, hop


def judge(point: str, how: How, told: list[Told], hop: FailingHop) -> None:
    """Every letter whose end was answered well was taken, for the recipients answered well; no other was."""
    where = f"{how} at {point}: {told}, {len(hop.acknowledged)} taken"
    well = [(one.taken, one.number) for one in told if one.end.startswith("250")]
    kept = [(taken, int(letter.partition(b"number ")[2][:1])) for taken, letter in hop.acknowledged]
    assert kept == well, where
    assert all(letter.startswith(b"DKIM-Signature: ") for _, letter in hop.acknowledged), where
    assert told[2].end.startswith("250"), f"does not recover: {where}"
    assert told[2].taken == RECIPIENTS, where
    if point in AFTER_THE_MESSAGE:
        assert len(well) == 3, where
        return
    if point == "mail on a kept connection":
        assert well[0] == (RECIPIENTS, 1), where
        return
    is_code_ours = how in (How.CUT, How.HANG) or point == "handshake"
    for one in told[:2]:
        if point in AT_RECIPIENTS:
            refused = one.recipients[0]
        elif point == "last recipient":
            refused = one.recipients[1]
        else:
            assert one.recipients[0].startswith("250"), where
            refused = one.end
        assert refused[:1] == ("5" if how is How.NEVER and not is_code_ours else "4"), where


@pytest.mark.parametrize("how", list(How))
def test_a_client_hears_what_the_next_hop_said(tmp_path: Path, how: How) -> None:
    certificate = write_certificate(tmp_path)

    async def run() -> list[tuple[str, list[Told], FailingHop]]:
        async with scene(tmp_path) as here:
            await here.create()
            await here.proven()
            results = await asyncio.gather(*(failed(here, certificate, point, how) for point in POINTS))
            return [(point, *result) for point, result in zip(POINTS, results, strict=True)]

    for point, told, hop in asyncio.run(run()):
        judge(point, how, told, hop)
