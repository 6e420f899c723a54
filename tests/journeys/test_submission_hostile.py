"""Hostile octets on the submission port: smuggled messages, injected fields, and more than is allowed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mailseal.core.smtpaccess import smtp_password
from mailseal.dkim.message import parse_message
from tests.journeys.rig import KEY, REGION
from tests.journeys.submitting import SubmissionRig, submission_rig
from tests.journeys.test_spine import proven
from tests.unit.smtp.smuggling import HARMLESS, SECOND, SEQUENCES

pytestmark = pytest.mark.suite_mail

HEAD = b"MAIL FROM:<hello@example.com>\r\nRCPT TO:<you@example.org>\r\n"
MESSAGE = b"From: hello@example.com\r\nSubject: first\r\n\r\nhello"
FIELDS = ["DKIM-Signature", "From", "Subject", "Date", "Message-ID"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubmissionRig]:
    with submission_rig(tmp_path_factory.mktemp("hostile")) as running:
        proven(running)
        yield running


def codes(said: list[bytes]) -> list[int]:
    return [int(line[:3]) for line in said]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_nothing_but_crlf_dot_crlf_ends_a_message(rig: SubmissionRig, sequence: bytes) -> None:
    before = len(rig.mails())
    said = rig.said(HEAD, b"DATA\r\n", MESSAGE, sequence, SECOND, b".\r\nQUIT\r\n")
    taken = 250 if sequence in HARMLESS else 550
    assert codes(said) == [250, 250, 354, taken, 221]
    assert len(rig.mails()) == before + (taken == 250)
    if taken == 250:
        mail = rig.mails()[-1]
        assert b"\r\nsmuggled\r\n" in mail
        assert rig.is_signed(mail)
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", mail)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_chunk_ends_where_its_length_says(rig: SubmissionRig, sequence: bytes) -> None:
    before = len(rig.mails())
    content = MESSAGE + sequence + SECOND
    said = rig.said(HEAD, b"BDAT %d LAST\r\n" % len(content), content, b"QUIT\r\n")
    taken = 250 if sequence in HARMLESS else 550
    assert codes(said) == [250, 250, taken, 221]
    assert len(rig.mails()) == before + (taken == 250)


PAYLOADS = [
    f"{before}{middle}{after}"
    for before in ("x", "", '"')
    for middle in (
        "\r\n", "\n", "\r", "\r\n\r\n", "\0", "\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c",
        "=?utf-8?q?=0A?=", "=?utf-8?b?DQo=?=", "%0d%0a", "\\r\\n", "\r\n ", ">\r\n", "> SIZE=1\r\n", ">",
        "\u560a",
    )
    for after in ("Injected: yes",)
]  # fmt: skip


@pytest.mark.parametrize("place", ["EHLO", "MAIL", "RCPT", "parameter", "AUTH"])
def test_no_field_of_the_envelope_adds_one_to_the_message(rig: SubmissionRig, place: str) -> None:
    assert len(PAYLOADS) >= 60
    for payload in PAYLOADS:
        text = payload.encode()
        ehlo = text if place == "EHLO" else b"me.example.com"
        sender = text + b"@example.com" if place == "MAIL" else b"hello@example.com"
        to = text + b"@example.org" if place == "RCPT" else b"you@example.org"
        more = b" BODY=" + text if place == "parameter" else b""
        auth = b"AUTH PLAIN " + text + b"\r\n" if place == "AUTH" else b""
        before = len(rig.mails())
        rig.said(
            b"EHLO " + ehlo + b"\r\n",
            auth,
            b"MAIL FROM:<" + sender + b">" + more + b"\r\n",
            b"RCPT TO:<" + to + b">\r\n",
            b"DATA\r\n",
            MESSAGE,
            b"\r\n.\r\nQUIT\r\n",
        )
        for mail in rig.mails()[before:]:
            assert sorted(one.name.decode() for one in parse_message(mail).fields) == sorted(FIELDS), payload


@pytest.mark.parametrize(
    ("said", "codes_of_it"),
    [
        (b"MAIL FROM:<hello@example.com>\nRCPT TO:<you@example.org>\r\n", [500, 503]),
        (b"MAIL FROM:<hello@example.com>\r\r\n", [500]),
        (b"NO\0OP\r\n", [500]),
        (b"\xff\xfe\r\n", [500]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", [500, 500]),
        (b"MAIL FROM:<hello@example.com> SIZE=99999999999\r\n", [552]),
        (b"MAIL FROM:<hello@example.com> SIZE=x\r\n", [501]),
        (b"MAIL FROM:<hello@example.com> BODY=BINARYMIME\r\n", [501]),
        (b"MAIL FROM:<hello@example.com> RET=FULL\r\n", [555]),
        (b"MAIL FROM:hello@example.com\r\n", [501]),
        (b"MAIL FROM:<hello@example.com>x\r\n", [501]),
        (b"RCPT TO:<you@example.org>\r\n", [503]),
        (b"DATA\r\n", [503]),
        (b"BDAT 5 LAST\r\nNOOP\r", [503]),
        (HEAD + b"DATA now\r\n", [250, 250, 501]),
        (b"MAIL FROM:<hello@example.com>\r\nMAIL FROM:<hello@example.com>\r\n", [250, 503]),
        (b"MAIL FROM:<hello@example.com>\r\nDATA\r\n", [250, 554]),
        (HEAD + b"RSET\r\nDATA\r\n", [250, 250, 250, 503]),
        (HEAD + b"EHLO again\r\nDATA\r\n", [250, 250, *[250] * 8, 503]),
        ("MAIL FROM:<grüße@example.com>\r\n".encode(), [553]),
        ("MAIL FROM:<hello@example.com> SMTPUTF8\r\nRCPT TO:<grüße@example.org>\r\n".encode(), [250, 250]),
        (b"AUTH PLAIN AAAA\r\n", [503]),
        (b"NOOP " + b"x" * 3000 + b"\r\nNOOP\r\n", [500]),
        (b"x" * 20000, [500]),
        (b"NOOP\r\n" * 150, [*[250] * 99, 421]),
        (b"NONSENSE\r\n" * 30, [*[500] * 20, 421]),
        (HEAD + b"RCPT TO:<you@example.org>\r\n" * 50, [*[250] * 51, 452]),
    ],
)
def test_what_is_not_of_the_grammar_is_refused(
    rig: SubmissionRig, said: bytes, codes_of_it: list[int]
) -> None:
    before = len(rig.mails())
    assert codes(rig.said(said)) == codes_of_it
    assert len(rig.mails()) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"x" * 998 + b"\r\n", 250),
        (b"x" * 999 + b"\r\n", 554),
        (b"\0\r\n", 554),
        (b"x" * 70 + b"\r\n", 250),
    ],
)
def test_a_line_has_998_octets_and_no_nul(rig: SubmissionRig, body: bytes, code: int) -> None:
    said = rig.said(HEAD, b"DATA\r\n", MESSAGE, b"\r\n", body, b".\r\n")
    assert codes(said) == [250, 250, 354, code]


def test_a_message_beyond_the_limit_is_read_to_its_end_and_forgotten(rig: SubmissionRig) -> None:
    line = b"x" * 998 + b"\r\n"
    before = len(rig.mails())
    with rig.signed_in(tls=False) as client:
        client.mail("hello@example.com")
        client.rcpt("you@example.org")
        client.putcmd("data")
        client.getreply()
        assert client.sock is not None
        client.sock.sendall(MESSAGE + b"\r\n")
        for _ in range(42):
            client.sock.sendall(line * 1049)
        client.sock.sendall(b".\r\n")
        assert client.getreply()[0] == 552
        assert client.noop()[0] == 250
    assert len(rig.mails()) == before


def test_passwords_are_not_in_any_line_of_the_log(rig: SubmissionRig) -> None:
    password = smtp_password(KEY.secret, REGION)
    said = repr([line.fields for line in rig.lines])
    assert "Submission" in said
    assert password not in said
    assert KEY.secret not in said


def test_more_connections_than_allowed_are_told_so(rig: SubmissionRig) -> None:
    with ExitStack() as held:
        port = rig.smtp_ports[0]
        opened = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(51)]
        for one in opened:
            held.enter_context(one)
        greetings = [one.makefile("rb").readline()[:3] for one in opened]
    assert greetings.count(b"421") >= 1
    assert greetings[0] == b"220"
