"""Behind a real Sendmail as docs/mta.md has it: signed, unsigned for outsiders, deferred on errors."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from mailseal.milter.listen import Limits
from tests.peers.sendmail import Sendmail, running_sendmail
from tests.peers.signing_milter import SigningMilter, running_milter
from tests.peers.verifiers import Verifier, all_running, verify_by_all
from tests.unit.milter.test_listen import FAULTS
from tests.unit.service.scenes import MAIL

pytestmark = [
    pytest.mark.suite_mail,
    pytest.mark.timeout(240),
    pytest.mark.needs_debian("m4", "libwrap0", "libdb5.3", "libldap-2.5-0", "libnsl2", "libsasl2-2"),
    pytest.mark.needs_debian("opendkim", "libmail-dkim-perl"),
    pytest.mark.needs_unpacked("sendmail-bin", "sendmail-cf"),
    pytest.mark.needs_npm("mailauth"),
]
UNHEARD = MAIL.replace(b"From: news@", b"From: unheard@")
"""Of a sender that nothing is remembered of."""
OUTSIDE = "127.0.0.9"
"""A client that is not in the networks that need no login."""
LETTERS = {
    "plain": MAIL,
    "lists with a blank behind each comma": MAIL.replace(
        b"To: you@example.net", b"To: You <you@example.net>, they@example.net"
    ),
    "folded fields": MAIL.replace(b"Subject: hello", b"Subject: hello\r\n\tand\r\n good-bye"),
    "eight bits": MAIL.replace(b"\r\n\r\nhello", "\r\nMIME-Version: 1.0\r\n\r\nh\xe9llo".encode()),
    "dots and trailing lines": MAIL + b".\r\n..x\r\n From y\r\nFrom z\r\n\r\n\r\n",
    "a header of thirty kilobytes": b"References:" + b" <1@example.com>\r\n" * 1800 + MAIL,
    "a body of half a megabyte": MAIL + (b"y" * 70 + b"\r\n") * 7000,
}


@pytest.fixture(scope="module")
def sendmail() -> Iterator[Sendmail]:
    with running_sendmail() as running:
        yield running


@pytest.fixture(scope="module")
def milter(sendmail: Sendmail, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningMilter]:
    with running_milter(
        tmp_path_factory.mktemp("milter"),
        sendmail.milter_socket,
        limits=Limits(answer_s=20),
        sign_networks=(ip_network("127.0.0.1/32"),),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[Verifier]]:
    with all_running() as started:
        yield started


def passed(sendmail: Sendmail, raw: bytes, recipient: str, *, source: str = "127.0.0.1") -> bytes:
    """The letter as the next hop got it."""
    code, text = sendmail.hand_in(raw, recipient, source=source)
    assert code == 250, text
    sendmail.kept.wait_for(recipient)
    return sendmail.kept.mails[recipient]


@pytest.mark.parametrize("name", LETTERS)
def test_a_local_letter_is_signed_and_passes_in_all_four(
    name: str, sendmail: Sendmail, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    mail = passed(sendmail, LETTERS[name], f"{list(LETTERS).index(name)}@example.org")
    assert mail.count(b"DKIM-Signature:") == 1
    said = verify_by_all(verifiers, mail, milter.keys())
    assert said == {one.name: ["pass"] for one in verifiers}, mail[:2000]


def test_a_spoof_from_outside_stays_unsigned(sendmail: Sendmail, milter: SigningMilter) -> None:
    before = milter.letters("client")
    assert b"DKIM-Signature" not in passed(sendmail, MAIL, "spoof@example.org", source=OUTSIDE)
    assert milter.letters("client") == before + 1


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_fails_inside_sendmail_defers_the_letter(
    name: str, sendmail: Sendmail, milter: SigningMilter
) -> None:
    part, fault = FAULTS[name]
    recipient = f"fault-{list(FAULTS).index(name)}@example.org"
    deferred = milter.letters("deferred")
    with milter.broken(**{part: fault}):
        code, text = sendmail.hand_in(UNHEARD, recipient)
    assert (code, milter.letters("deferred")) == (451, deferred + 1), text
    assert recipient not in sendmail.kept.mails


def test_without_the_milter_sendmail_defers(sendmail: Sendmail, milter: SigningMilter) -> None:
    away = sendmail.milter_socket.with_name("away")
    sendmail.milter_socket.rename(away)
    try:
        code, text = sendmail.hand_in(MAIL, "away@example.org")
        assert code == 451, text
    finally:
        away.rename(sendmail.milter_socket)
    assert b"DKIM-Signature" in passed(sendmail, MAIL, "back@example.org")
