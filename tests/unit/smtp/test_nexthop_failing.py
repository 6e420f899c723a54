"""The next hop fails, at each point and in each way: nothing counts as taken that it had not acknowledged."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailseal.core.envelope import Declined, Envelope, HandedOver, MailAnswer, NoAnswer, RecipientTaken
from mailseal.smtp.client import PATIENCE, Patience
from mailseal.smtp.nexthop import SmtpNextHop
from tests.journeys.submitting import write_certificate
from tests.unit.smtp.failing_hop import POINTS, FailingHop, How

pytestmark = pytest.mark.suite_faults

ENVELOPE = Envelope("from@example.com", ("one@example.org", "two@example.org"))
MESSAGE = b"From: from@example.com\r\nSubject: x\r\n\r\nhello\r\n"
HARMLESS = frozenset({"rset", "quit"})
"""Points after which the message is not asked for any more."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def failing(
    certificate: tuple[Path, Path], point: str, how: How
) -> AsyncIterator[tuple[FailingHop, SmtpNextHop, SmtpNextHop]]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    hop = FailingHop(tls, point, how)
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"smtp+starttls://127.0.0.1:{port}"
    # What does not hang has all the time it needs, however busy this machine is.
    patience = Patience(1.0, 1.0, 1.0) if how is How.HANG else PATIENCE
    ours = SmtpNextHop(url, ca_file=str(certificate[0]), patience=patience)
    patient = SmtpNextHop(url, ca_file=str(certificate[0]))
    try:
        yield hop, ours, patient
    finally:
        await ours.close()
        await patient.close()
        server.close()
        for writer in hop.writers:
            writer.transport.abort()


async def at_once(hop: SmtpNextHop) -> MailAnswer:
    return await hop.hand_over(ENVELOPE, MESSAGE)


async def one_by_one(hop: SmtpNextHop) -> MailAnswer:
    """As submission does it: the first recipient that is not taken ends it."""
    begun = hop.begin(ENVELOPE.mail_from, size=len(MESSAGE))
    try:
        for recipient in ENVELOPE.recipients:
            answer = await begun.recipient(recipient)
            if not isinstance(answer, RecipientTaken):
                return answer
        return await begun.message(MESSAGE)
    finally:
        await begun.abandon()


@pytest.mark.parametrize("way", [at_once, one_by_one])
@pytest.mark.parametrize("how", list(How))
@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_acknowledged_that_the_next_hop_had_not_acknowledged(
    certificate: tuple[Path, Path], point: str, how: How, way: Callable[[SmtpNextHop], Awaitable[MailAnswer]]
) -> None:
    async def run() -> tuple[list[MailAnswer], FailingHop]:
        async with failing(certificate, point, how) as (hop, ours, patient):
            answers = [await way(ours) for _ in range(1 if how is How.HANG else 2)]
            hop.point = ""
            return [*answers, await way(patient if how is How.HANG else ours)], hop

    answers, hop = asyncio.run(run())
    taken = [answer for answer in answers if isinstance(answer, HandedOver)]
    assert len(taken) == len(hop.acknowledged)
    assert all(one == (ENVELOPE.recipients, MESSAGE) for one in hop.acknowledged)
    # It recovers by itself.
    assert isinstance(answers[-1], HandedOver)
    if point in HARMLESS:
        assert how is How.HANG or len(taken) == len(answers)
    elif point != "mail on a kept connection":
        assert len(taken) == 1
        assert how is How.HANG or point in hop.reached
        if how in (How.LATER, How.NEVER) and point != "handshake":
            permanent = how is How.NEVER
            assert [isinstance(one, Declined) and one.permanent for one in answers[:2]] == [
                permanent,
                permanent,
            ]
        if how in (How.CUT, How.HANG):
            assert {type(one) for one in answers[:-1]} == {NoAnswer}


@pytest.mark.parametrize("how", [How.LATER, How.NEVER])
def test_a_recipient_that_was_taken_before_another_was_refused_is_not_lost(
    certificate: tuple[Path, Path], how: How
) -> None:
    async def run() -> tuple[MailAnswer, FailingHop]:
        async with failing(certificate, "last recipient", how) as (hop, ours, _):
            begun = ours.begin(ENVELOPE.mail_from)
            assert isinstance(await begun.recipient("one@example.org"), RecipientTaken)
            refused = await begun.recipient("two@example.org")
            assert isinstance(refused, Declined)
            assert refused.permanent == (how is How.NEVER)
            assert isinstance(await begun.recipient("three@example.org"), RecipientTaken)
            return await begun.message(MESSAGE), hop

    answer, hop = asyncio.run(run())
    assert isinstance(answer, HandedOver)
    assert hop.acknowledged == [(("one@example.org", "three@example.org"), MESSAGE)]


@pytest.mark.parametrize("gone", ["let go by us", "cut by the hop"])
def test_recipients_that_were_taken_are_asked_for_again_where_the_connection_is_gone(
    certificate: tuple[Path, Path], gone: str
) -> None:
    async def run() -> tuple[MailAnswer, FailingHop]:
        async with failing(certificate, "", How.CUT) as (hop, ours, _):
            begun = ours.begin(ENVELOPE.mail_from)
            for recipient in ENVELOPE.recipients:
                assert isinstance(await begun.recipient(recipient), RecipientTaken)
            if gone == "let go by us":
                begun._let_go()
            else:
                hop.writers[0].transport.abort()
            return await begun.message(MESSAGE), hop

    answer, hop = asyncio.run(run())
    assert isinstance(answer, HandedOver)
    assert hop.acknowledged == [(ENVELOPE.recipients, MESSAGE)]


def test_a_place_is_given_back_after_every_failure(certificate: tuple[Path, Path]) -> None:
    async def run() -> int:
        async with failing(certificate, "", How.CUT) as (hop, ours, _):
            for point in POINTS:
                for hop.how in (How.LATER, How.CUT):
                    hop.point = point
                    for way in (at_once, one_by_one):
                        await way(ours)
            hop.point = ""
            return ours._pool._gate._value

    assert asyncio.run(run()) == 32
