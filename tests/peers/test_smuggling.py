"""What some server takes for the end of a message, sent through a real Postfix before us and behind us."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.submitting import SubmissionRig, submission_rig
from tests.journeys.test_spine import proven
from tests.peers.nexthop import WITHIN
from tests.peers.postfix import Postfix, running_postfix
from tests.peers.signing_milter import SigningMilter, running_milter
from tests.peers.verifiers import Verifier, all_running, verify_by_all
from tests.unit.smtp.smuggling import HARMLESS, SECOND, SEQUENCES

pytestmark = [
    pytest.mark.suite_mail,
    pytest.mark.timeout(240),
    pytest.mark.needs_debian("postfix", "opendkim", "libmail-dkim-perl"),
    pytest.mark.needs_npm("mailauth"),
]
VICTIM = "victim@example.org"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running_postfix() as running:
        yield running


@pytest.fixture(scope="module")
def milter(postfix: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningMilter]:
    with running_milter(tmp_path_factory.mktemp("m"), postfix.milter_socket, group="postfix") as running:
        yield running


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[Verifier]]:
    with all_running() as started:
        yield started


@pytest.fixture(scope="module")
def rig(postfix: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubmissionRig]:
    folder: Path = tmp_path_factory.mktemp("rig")
    with submission_rig(folder, next_hop=f"smtp://127.0.0.1:{postfix.bare_port}") as running:
        proven(running)
        yield running


def letter(sequence: bytes, domain: bytes) -> bytes:
    """One letter with the sequence in it, and behind that what would be a second one."""
    fields = b"From: news@%s\r\nTo: you@example.net\r\nSubject: first\r\n" % domain
    dated = b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    return fields + dated + b"\r\nhello" + sequence + SECOND + b".\r\n"


def said_to_postfix(postfix: Postfix, content: bytes, recipient: str) -> list[bytes]:
    """Postfix's answers to the content, with all commands that it took for such."""
    with socket.create_connection(("127.0.0.1", postfix.port), timeout=WITHIN) as connection:
        file = connection.makefile("rb")
        assert file.readline().startswith(b"220")
        for command in (
            b"HELO client.test",
            b"MAIL FROM:<news@example.com>",
            f"RCPT TO:<{recipient}>".encode(),
            b"DATA",
        ):
            connection.sendall(command + b"\r\n")
            assert file.readline()[:3] in (b"250", b"354")
        connection.sendall(content + b"QUIT\r\n")
        connection.shutdown(socket.SHUT_WR)
        return file.read().split(b"\r\n")[:-1]


def arrived(postfix: Postfix, recipient: str) -> bytes:
    """The one mail for the recipient as the next hop got it."""
    postfix.kept.wait_for(recipient)
    assert VICTIM not in postfix.kept.mails
    return postfix.kept.mails[recipient]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_postfix_before_us_hands_in_one_letter_that_passes_in_all_four(
    sequence: bytes, postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    recipient = f"in-{sequence.hex()}-{time.monotonic_ns()}@example.org"
    signed = milter.letters("signed")
    said = said_to_postfix(postfix, letter(sequence, b"example.com"), recipient)
    assert [line[:3] for line in said] == [b"250", b"221"], said
    mail = arrived(postfix, recipient)
    assert not BARE.search(mail)
    assert milter.letters("signed") == signed + 1
    assert verify_by_all(verifiers, mail, milter.keys()) == {one.name: ["pass"] for one in verifiers}


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_postfix_behind_us_gets_one_letter_or_none(
    sequence: bytes, postfix: Postfix, rig: SubmissionRig
) -> None:
    recipient = f"out-{sequence.hex()}-{time.monotonic_ns()}@example.org"
    begin = f"MAIL FROM:<hello@example.com>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    content = letter(sequence, b"example.com")
    said = [int(line[:3]) for line in rig.said(begin, content, b"QUIT\r\n")]
    if sequence not in HARMLESS:
        assert said == [250, 250, 354, 550, 221]
        assert recipient not in postfix.kept.mails
        return
    assert said == [250, 250, 354, 250, 221]
    mail = arrived(postfix, recipient)
    assert not BARE.search(mail)
    assert rig.is_signed(mail)
