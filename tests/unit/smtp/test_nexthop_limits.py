"""The next hop's certificate has to be right, and whoever comes too many is told so instead of kept."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from mailseal.core.envelope import Busy, Envelope, HandedOver, MailAnswer, NoAnswer
from mailseal.smtp.client import Server
from mailseal.smtp.nexthop import SmtpNextHop
from mailseal.smtp.pool import Full, Pool
from tests.journeys.submitting import write_certificate
from tests.unit.smtp.failing_hop import FailingHop

ENVELOPE = Envelope("from@example.com", ("one@example.org",))
MESSAGE = b"From: from@example.com\r\nSubject: x\r\n\r\nhello\r\n"


def handed_over(folder: Path, *, valid: bool = True, knows: bool = True, verify: bool = True) -> MailAnswer:
    """What becomes of a message for a server with a certificate of our own making."""
    certificate, key = write_certificate(folder, valid=valid)

    async def run() -> MailAnswer:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        hop = FailingHop(tls)
        server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
        url = f"smtp+starttls://localhost:{server.sockets[0].getsockname()[1]}"
        ours = SmtpNextHop(url, ca_file=str(certificate) if knows else "", verify=verify)
        answer = await ours.hand_over(ENVELOPE, MESSAGE)
        await ours.close()
        server.close()
        for writer in hop.writers:
            writer.transport.abort()
        return answer

    return asyncio.run(run())


def test_a_certificate_of_a_known_authority_is_taken(tmp_path: Path) -> None:
    assert isinstance(handed_over(tmp_path), HandedOver)


@pytest.mark.parametrize(("valid", "knows"), [(False, True), (True, False)])
def test_nothing_is_said_to_a_server_whose_certificate_is_wrong(
    tmp_path: Path, valid: bool, knows: bool
) -> None:
    assert isinstance(handed_over(tmp_path, valid=valid, knows=knows), NoAnswer)
    assert isinstance(handed_over(tmp_path, valid=valid, knows=knows, verify=False), HandedOver)


def test_too_many_that_wait_are_turned_away_and_the_others_come_in_their_turn() -> None:
    async def run() -> list[str]:
        pool = Pool(Server("127.0.0.1", 1), 1, wait_s=60)
        await pool.enter(1)
        waiting = [asyncio.create_task(pool.enter(1)) for _ in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await pool.enter(1)
        for _ in waiting:
            pool.leave()
        await asyncio.gather(*waiting)
        return ["all came in"]

    assert asyncio.run(run()) == ["all came in"]


def test_octets_that_wait_are_counted() -> None:
    async def run() -> None:
        pool = Pool(Server("127.0.0.1", 1), 1, wait_s=60)
        await pool.enter(1)
        waiting = asyncio.create_task(pool.enter(200 << 20))
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await pool.enter(100 << 20)
        pool.leave()
        await waiting

    asyncio.run(run())


def test_a_next_hop_without_a_free_connection_is_busy() -> None:
    async def run() -> MailAnswer:
        hop = SmtpNextHop("smtp://127.0.0.1:1", connections=1)
        hop._pool._wait_s = 0.05
        await hop._pool.enter(1)
        return await hop.hand_over(ENVELOPE, MESSAGE)

    assert asyncio.run(run()) == Busy()
