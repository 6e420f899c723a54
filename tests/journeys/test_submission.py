"""Mail submission from the outside: smtplib and raw octets in, signed mail out, and who may send as whom."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.access import AccessKey
from mailseal.core.smtpaccess import smtp_password
from tests.journeys.rig import ACCOUNT, KEY, REGION
from tests.journeys.submitting import SubmissionRig, plain, submission_rig
from tests.journeys.test_spine import proven

OTHER = AccessKey("MSAKJOURNEY000000002", "000000000002", "other-secret")
MAIL = (
    b"From: Hello <hello@example.com>\r\nTo: you@example.org\r\nSubject: submitted\r\n\r\n"
    b"Dear you,\r\n.\r\n..two\r\nend\r\n"
)
SENDER, TO = "hello@example.com", "you@example.org"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubmissionRig]:
    folder = tmp_path_factory.mktemp("submission")
    with submission_rig(folder, access_keys=(KEY, OTHER)) as running:
        proven(running)
        yield running


def submitted(client: smtplib.SMTP, message: bytes, sender: str = SENDER, to: str = TO) -> tuple[int, bytes]:
    """The answer to the whole message, or the first refusal."""
    for said in (client.mail(sender), client.rcpt(to)):
        if said[0] >= 400:
            client.rset()
            return said
    return client.data(message)


def refused(rig: SubmissionRig, message: bytes, sender: str = SENDER) -> str:
    """The refusal of a message, of which nothing is kept."""
    before = len(rig.mails())
    with rig.signed_in() as client:
        code, text = submitted(client, message, sender)
    assert code >= 400
    assert len(rig.mails()) == before
    return f"{code} {text.decode()}"


def envelope_of_newest(rig: SubmissionRig) -> Any:
    newest = sorted((rig.folder / "mailbox" / "new").iterdir())[-1].name
    return json.loads((rig.folder / "mailbox" / ".envelopes" / f"{newest}.json").read_text())


def test_a_submitted_mail_leaves_signed_and_otherwise_as_it_was(rig: SubmissionRig) -> None:
    with rig.signed_in() as client:
        code, text = submitted(client, MAIL)
    mail = rig.mails()[-1]
    assert (code, text[:3]) == (250, b"Ok ")
    assert rig.is_signed(mail)
    assert mail.endswith(b"Dear you,\r\n.\r\n..two\r\nend\r\n")
    assert b"\r\nSubject: submitted\r\n" in mail
    assert b"\r\nDate: " in mail
    assert b"\r\nMessage-ID: " in mail
    assert envelope_of_newest(rig) == {"mail_from": SENDER, "recipients": [TO]}


def test_tls_from_the_start_takes_mail_too(rig: SubmissionRig) -> None:
    with smtplib.SMTP_SSL("127.0.0.1", rig.smtp_ports[1], timeout=60, context=rig.trusting()) as client:
        client.login(KEY.access_key_id, smtp_password(KEY.secret, REGION))
        assert submitted(client, MAIL)[0] == 250
    assert rig.is_signed(rig.mails()[-1])


def test_the_password_says_the_region(rig: SubmissionRig) -> None:
    with rig.signed_in("eu-west-1") as client:
        code, text = submitted(client, MAIL)
    assert (code, text) == (
        554,
        b"Message rejected: Email address is not verified. The following identities failed the check in "
        b"region EU-WEST-1: hello@example.com",
    )


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (KEY.access_key_id, KEY.secret),
        (KEY.access_key_id, smtp_password(KEY.secret, "ap-south-1")),
        (KEY.access_key_id, smtp_password(OTHER.secret, REGION)),
        (KEY.access_key_id, ""),
        ("MSAKNOBODY0000000000", smtp_password("decoy-of-the-length-of-a-real-secret-000", REGION)),
    ],
)
def test_a_wrong_password_is_refused(rig: SubmissionRig, user: str, password: str) -> None:
    [ready, auth, mail, bye] = rig.said(
        b"EHLO me.example.com\r\nAUTH PLAIN "
        + plain(user, password)
        + b"\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n",
        signed_in=False,
    )[-4:]
    assert ready == b"250 AUTH PLAIN LOGIN"
    assert auth == b"535 Authentication Credentials Invalid"
    assert mail.startswith(b"530 ")
    assert bye.startswith(b"221 ")


def test_three_wrong_passwords_end_the_connection(rig: SubmissionRig) -> None:
    wrong = b"AUTH PLAIN " + plain(KEY.access_key_id, "wrong") + b"\r\n"
    said = rig.said(b"EHLO me.example.com\r\n" + wrong * 5, signed_in=False)
    assert [line[:3] for line in said[-3:]] == [b"535", b"535", b"421"]


def test_a_disabled_key_submits_no_further_mail_on_an_open_connection(tmp_path: Path) -> None:
    with submission_rig(tmp_path) as rig:
        proven(rig)
        with rig.signed_in() as client:
            assert submitted(client, MAIL)[0] == 250
            store = rig.app.store
            rig.call(lambda: store.write(lambda tx: tx.access_keys.set_enabled(KEY.access_key_id, False)))
            assert client.mail(SENDER)[0] == 530
            assert client.mail(SENDER)[0] == 530
        assert len(rig.mails()) == 1


def test_what_was_said_before_tls_is_not_heard_after_it(rig: SubmissionRig) -> None:
    with socket.create_connection(("127.0.0.1", rig.smtp_ports[0]), timeout=60) as connection:
        file = connection.makefile("rb")
        file.readline()
        connection.sendall(b"EHLO me.example.com\r\nSTARTTLS\r\nMAIL FROM:<injected@example.com>\r\n")
        lines = [line for line in file if not line.startswith(b"250")]
    assert lines == [b"220 Ready to start TLS\r\n"]


def test_tls_forgets_who_had_signed_in_before(rig: SubmissionRig) -> None:
    with rig.signed_in(tls=False) as client:
        client.starttls(context=rig.trusting())
        client.ehlo("me.example.com")
        assert client.mail(SENDER)[0] == 530


def test_a_stranger_without_our_certificate_is_not_talked_to(rig: SubmissionRig) -> None:
    client = smtplib.SMTP("127.0.0.1", rig.smtp_ports[0], timeout=60)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())


# The threat model's rows about mail of one tenant in the name of another.


def test_another_account_cannot_send_as_this_domain(rig: SubmissionRig) -> None:
    before = len(rig.mails())
    with smtplib.SMTP_SSL("127.0.0.1", rig.smtp_ports[1], timeout=60, context=rig.trusting()) as client:
        client.login(OTHER.access_key_id, smtp_password(OTHER.secret, REGION))
        code, text = submitted(client, MAIL)
        assert code == 554
        assert b"Email address is not verified" in text
        # Its own, unproven, address outside and ours inside: no signature of ours, and no mail.
        assert submitted(client, MAIL, sender="")[0] == 554
    assert len(rig.mails()) == before


@pytest.mark.parametrize(
    "header",
    [
        b"From: ceo@bank.example\r\n",
        b"From: hello@example.com\r\nFrom: ceo@bank.example\r\n",
        b"From: hello@example.com, ceo@bank.example\r\n",
        b"From: ceo@bank.example\r\nSender: hello@example.com\r\n",
        b'From: "hello@example.com" <ceo@bank.example>\r\n',
        b"From: hello@example.com <ceo@bank.example>\r\n",
        b"From: Group: hello@example.com, ceo@bank.example;\r\n",
        b"From: hello@example.com.bank.example\r\n",
        b"From: hello@xexample.com\r\n",
        b"From: hello@com\r\n",
        b"From:\r\n",
        b"Subject: none\r\n",
        b"From : ceo@bank.example\r\nFrom: hello@example.com\r\n",
        b"From: =?utf-8?q?hello=40example=2Ecom?= <ceo@bank.example>\r\n",
    ],
)
def test_the_from_field_alone_decides_and_must_be_ours(rig: SubmissionRig, header: bytes) -> None:
    assert refused(rig, header + b"To: you@example.org\r\n\r\nhello\r\n").startswith("554 ")


@pytest.mark.parametrize(
    "sender", ["ceo@bank.example", "hello@xexample.com", "hello@com", "hello@example.com.net"]
)
def test_bounces_may_not_be_sent_to_others(rig: SubmissionRig, sender: str) -> None:
    assert "Email address is not verified" in refused(rig, MAIL, sender)


def test_fields_for_the_service_are_heard_and_taken_out(rig: SubmissionRig) -> None:
    arn = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com".encode()
    with rig.signed_in() as client:
        given = (
            b"X-SES-SOURCE-ARN: " + arn + b"\r\nX-SES-MESSAGE-TAGS: a=b\r\nBcc: secret@example.org\r\n" + MAIL
        )
        assert submitted(client, given)[0] == 250
    mail = rig.mails()[-1]
    assert b"X-SES" not in mail
    assert b"secret@" not in mail
    assert rig.is_signed(mail)


@pytest.mark.parametrize(
    "line",
    [
        f"X-SES-SOURCE-ARN: arn:aws:ses:{REGION}:000000000002:identity/example.com",
        f"X-SES-SOURCE-ARN: arn:aws:ses:{REGION}:{ACCOUNT}:identity/bank.example",
        "X-SES-CONFIGURATION-SET: nobody-made-it",
    ],
)
def test_fields_that_name_what_is_not_there_refuse_the_mail(rig: SubmissionRig, line: str) -> None:
    assert refused(rig, line.encode() + b"\r\n" + MAIL).startswith("554 ")


def test_the_null_sender_is_taken_and_from_decides(rig: SubmissionRig) -> None:
    with rig.signed_in() as client:
        assert submitted(client, MAIL, sender="")[0] == 250
    assert rig.is_signed(rig.mails()[-1])
    assert envelope_of_newest(rig)["mail_from"] == ""


def test_chunks_make_one_message_and_dots_stay_as_they_are(rig: SubmissionRig) -> None:
    said = rig.said(
        b"MAIL FROM:<hello@example.com> BODY=8BITMIME\r\nRCPT TO:<you@example.org>\r\n",
        *(
            b"BDAT %d%s\r\n%s" % (len(part), last, part)
            for part, last in ((MAIL[:40], b""), (MAIL[40:], b" LAST"))
        ),
        b"QUIT\r\n",
    )
    assert [line[:3] for line in said] == [b"250", b"250", b"250", b"250", b"221"]
    assert rig.mails()[-1].endswith(MAIL[MAIL.index(b"\r\n\r\n") :])
    assert rig.is_signed(rig.mails()[-1])


def test_pipelined_commands_are_answered_in_their_order(rig: SubmissionRig) -> None:
    one = b"MAIL FROM:<hello@example.com>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n" + MAIL.replace(
        b"\r\n.", b"\r\n.."
    )
    before = len(rig.mails())
    said = rig.said((one + b".\r\n") * 3, b"NOOP\r\nQUIT\r\n")
    assert [line[:3] for line in said] == [b"250", b"250", b"354", b"250"] * 3 + [b"250", b"221"]
    assert len(rig.mails()) == before + 3
