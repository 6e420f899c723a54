"""An address from CreateEmailIdentity to mail, the whole application on loopback: the link is opened as a
browser does it, and Simple content with attachments is verified by a stranger."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.journeys.rig import Rig, running_rig
from tests.journeys.test_spine import proven

ME = "Me@example.com"
LINK = re.compile(rb"http://\S+/mailseal/verify/[0-9a-f]{64}")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path) as running:
        yield running


def link_of(mail: bytes) -> str:
    (found,) = LINK.findall(mail)
    return found.decode()


def opened(method: str, link: str) -> tuple[int, str]:
    """Status and page, as a browser gets them."""
    parts = urlsplit(link)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, parts.path)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    return answer.status, page


def status(ses: Any, name: str = ME) -> tuple[str, bool]:
    found = ses.get_email_identity(EmailIdentity=name)
    return found["VerificationStatus"], found["VerifiedForSendingStatus"]


def send(ses: Any, sender: str = ME, **simple: Any) -> None:
    content = {"Subject": {"Data": "Grüße"}, "Body": {"Text": {"Data": "Grüße"}}, **simple}
    ses.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": ["you@example.org"]},
        Content={"Simple": content},
    )


def test_an_address_is_proven_by_its_link_and_sent_as(rig: Rig) -> None:
    ses = rig.client()
    made = ses.create_email_identity(EmailIdentity=ME)
    assert made["IdentityType"] == "EMAIL_ADDRESS"
    assert made["VerifiedForSendingStatus"] is False
    assert "DkimAttributes" not in made
    (mail,) = rig.mails()
    link = link_of(mail)
    assert link.startswith(rig.app.api_url)
    with pytest.raises(ClientError, match="MessageRejected"):
        send(ses)
    assert opened("GET", link)[0] == 200
    assert status(ses) == ("PENDING", False)
    code, page = opened("POST", link)
    assert (code, "Address confirmed" in page) == (200, True)
    assert opened("POST", link)[0] == 404
    assert status(ses) == ("SUCCESS", True)
    send(ses)
    send(ses, "Me+label@EXAMPLE.com")
    with pytest.raises(ClientError, match="MessageRejected"):
        send(ses, "me@example.com")
    assert [b"DKIM-Signature" in one for one in rig.mails()] == [False, False, False]
    assert link.rpartition("/")[2] not in repr(rig.lines)


def test_a_link_that_nobody_opened_for_a_day_is_worth_nothing(rig: Rig) -> None:
    ses = rig.client()
    ses.create_email_identity(EmailIdentity=ME)
    rig.advance(hours=24, seconds=1)
    assert status(ses) == ("FAILED", False)
    old = link_of(rig.mails()[0])
    assert opened("POST", old)[0] == 404
    ses.create_email_identity(EmailIdentity=ME)
    assert opened("POST", old)[0] == 404
    assert opened("POST", link_of(rig.mails()[1]))[0] == 200
    assert status(ses) == ("SUCCESS", True)


def test_mail_of_an_address_is_signed_by_its_domain_unless_it_was_switched_off(rig: Rig) -> None:
    ses = proven(rig)
    ses.create_email_identity(EmailIdentity=ME)
    domain = ses.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]
    dkim = ses.get_email_identity(EmailIdentity=ME)["DkimAttributes"]
    assert (dkim["Status"], dkim["Tokens"]) == ("SUCCESS", domain["Tokens"])
    assert dkim["SigningEnabled"] is True
    assert "SigningHostedZone" not in dkim
    send(ses)
    ses.put_email_identity_dkim_attributes(EmailIdentity=ME, SigningEnabled=False)
    send(ses)
    send(ses, "you@example.com")
    assert [rig.is_signed(mail) for mail in rig.mails()[1:]] == [True, False, True]
    assert ses.get_email_identity(EmailIdentity=ME)["DkimAttributes"]["SigningEnabled"] is False
    assert ses.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]["SigningEnabled"] is True


def test_attachments_arrive_and_the_signature_covers_them(rig: Rig) -> None:
    ses = proven(rig)
    picture = bytes(range(256)) * 5000
    send(
        ses,
        Body={"Text": {"Data": "see"}, "Html": {"Data": '<img src="cid:logo">'}},
        Headers=[{"Name": "X-Campaign", "Value": "autumn"}],
        Attachments=[
            {
                "RawContent": picture,
                "FileName": "Bild für dich.png",
                "ContentDisposition": "INLINE",
                "ContentId": "logo",
                "ContentType": "image/png",
            },
            {"RawContent": b"a;b\n1;2\n", "FileName": "zahlen.csv", "ContentDescription": "Zahlen"},
        ],
    )
    (mail,) = rig.mails()
    assert rig.is_signed(mail)
    assert not rig.is_signed(mail.replace(b"\r\n\r\n--m=_", b"\r\n\r\n\r\n--m=_", 1))
    message = message_from_bytes(mail, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["x-campaign"] == "autumn"
    files = {part.get_filename(): part.get_payload(decode=True) for part in message.walk()}
    assert files["Bild für dich.png"] == picture
    assert files["zahlen.csv"] == b"a;b\n1;2\n"


def test_a_next_hop_that_is_away_when_an_address_is_created_gets_the_mail_later(tmp_path: Path) -> None:
    nobody = "smtp://127.0.0.1:1"
    with running_rig(tmp_path, next_hop=nobody) as rig:
        ses = rig.client()
        ses.create_email_identity(EmailIdentity=ME)
        assert status(ses) == ("PENDING", False)
        rig.advance(minutes=2)
        assert status(ses) == ("PENDING", False)
        rig.stop()
        rig.next_hop = ""
        rig.start()
        assert not (tmp_path / "mailbox" / "new").exists() or rig.mails() == []
        rig.advance(minutes=10)
        assert opened("POST", link_of(rig.mails()[0]))[0] == 200
        assert status(rig.client()) == ("SUCCESS", True)
