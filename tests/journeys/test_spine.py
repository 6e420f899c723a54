"""From one API call to a signature that a stranger verifies: the whole application on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.journeys.rig import Rig, running_rig, selector_of

DOMAIN = "example.com"


@pytest.fixture
def rig(tmp_path: Path, each_engine: str) -> Iterator[Rig]:
    with running_rig(tmp_path) as running:
        yield running


def send(ses: Any, number: int = 1) -> None:
    """One mail from the domain."""
    ses.send_email(
        FromEmailAddress=f"hello@{DOMAIN}",
        Destination={"ToAddresses": ["you@example.org"]},
        Content={
            "Simple": {"Subject": {"Data": f"mail {number}"}, "Body": {"Text": {"Data": "Grüße, .\r\n.\r\n"}}}
        },
    )


def proven(rig: Rig) -> Any:
    """A client, after the domain was created, its records published and seen."""
    ses = rig.client()
    ses.create_email_identity(EmailIdentity=DOMAIN)
    rig.publish(DOMAIN)
    rig.advance(seconds=60, steps=10)
    assert rig.dkim_status(DOMAIN) == "SUCCESS"
    return ses


def dkim_of(ses: Any) -> Any:
    return ses.get_email_identity(EmailIdentity=DOMAIN)["DkimAttributes"]


def own_key() -> str:
    """A customer's key as base64 of DER."""
    key = rsa.generate_private_key(65537, 2048)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.b64encode(der).decode()


def put(ses: Any, **attributes: Any) -> Any:
    return ses.put_email_identity_dkim_signing_attributes(EmailIdentity=DOMAIN, **attributes)


def test_a_created_domain_is_pending_and_its_key_is_in_our_dns(rig: Rig) -> None:
    ses = rig.client()
    created = ses.create_email_identity(EmailIdentity=DOMAIN)
    tokens = created["DkimAttributes"]["Tokens"]
    assert created["DkimAttributes"]["Status"] == "NOT_STARTED"
    assert dkim_of(ses)["Status"] == "PENDING"
    rig.settle()
    texts = [rig.text_at(f"{token}.dkim.mx.example.net") for token in tokens]
    assert texts[0] is not None
    assert texts[0].startswith(b"p=")
    assert texts[1:] == [b"", b""]


def test_records_that_nobody_published_are_not_a_success(rig: Rig) -> None:
    rig.client().create_email_identity(EmailIdentity=DOMAIN)
    rig.advance(minutes=10, steps=20)
    assert rig.dkim_status(DOMAIN) == "PENDING"
    rig.advance(hours=73, steps=10)
    assert rig.dkim_status(DOMAIN) == "FAILED"


def test_a_sent_mail_is_verified_by_a_stranger_with_the_key_from_the_dns(rig: Rig) -> None:
    ses = proven(rig)
    send(ses)
    [mail] = rig.mails()
    assert rig.is_signed(mail)
    assert selector_of(mail) == dkim_of(ses)["Tokens"][0]
    assert not rig.is_signed(mail.replace(b"mail 1", b"mail 2"))


def test_mail_of_a_domain_that_is_not_proven_is_rejected(rig: Rig) -> None:
    ses = rig.client()
    ses.create_email_identity(EmailIdentity=DOMAIN)
    with pytest.raises(ClientError, match="MessageRejected"):
        send(ses)
    assert rig.mails() == []


def test_easy_to_own_key_and_back_leaves_no_mail_unsigned(rig: Rig) -> None:
    ses = proven(rig)
    tokens = dkim_of(ses)["Tokens"]
    send(ses, 1)
    put(
        ses,
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": own_key()},
    )
    send(ses, 2)
    rig.advance(seconds=60, steps=10)
    send(ses, 3)
    assert dkim_of(ses)["Status"] == "PENDING"
    rig.publish(DOMAIN)
    rig.advance(minutes=5, steps=6)
    assert dkim_of(ses)["Status"] == "SUCCESS"
    send(ses, 4)
    back = put(ses, SigningAttributesOrigin="AWS_SES")
    send(ses, 5)
    rig.advance(minutes=5, steps=6)
    send(ses, 6)
    assert back["DkimTokens"] == tokens == dkim_of(ses)["Tokens"]
    assert dkim_of(ses)["Status"] == "SUCCESS"
    mails = rig.mails()
    assert [rig.is_signed(mail) for mail in mails] == [True] * 6
    assert [selector_of(mail) for mail in mails] == [tokens[0]] * 3 + ["s1"] * 2 + [tokens[0]]


def test_a_new_key_length_signs_after_it_was_seen_and_only_once_a_day(rig: Rig) -> None:
    ses = proven(rig)
    shorter = {"NextSigningKeyLength": "RSA_1024_BIT"}
    longer = {"NextSigningKeyLength": "RSA_2048_BIT"}
    put(ses, SigningAttributesOrigin="AWS_SES", SigningAttributes=shorter)
    send(ses, 1)
    rig.advance(minutes=5, steps=10)
    assert dkim_of(ses)["CurrentSigningKeyLength"] == "RSA_1024_BIT"
    send(ses, 2)
    with pytest.raises(ClientError, match="once in 24 hours"):
        put(ses, SigningAttributesOrigin="AWS_SES", SigningAttributes=longer)
    rig.advance(hours=25, steps=5)
    put(ses, SigningAttributesOrigin="AWS_SES", SigningAttributes=longer)
    rig.advance(minutes=5, steps=10)
    send(ses, 3)
    assert dkim_of(ses)["CurrentSigningKeyLength"] == "RSA_2048_BIT"
    assert [rig.is_signed(mail) for mail in rig.mails()] == [True, True, True]
    assert len({selector_of(mail) for mail in rig.mails()}) == 3


def test_a_domain_created_again_has_the_same_tokens_and_a_key_that_signs(rig: Rig) -> None:
    ses = proven(rig)
    tokens = dkim_of(ses)["Tokens"]
    send(ses)
    ses.delete_email_identity(EmailIdentity=DOMAIN)
    assert rig.is_signed(rig.mails()[0])
    with pytest.raises(ClientError, match="does not exist"):
        dkim_of(ses)
    assert ses.create_email_identity(EmailIdentity=DOMAIN)["DkimAttributes"]["Tokens"] == tokens
    rig.advance(minutes=5, steps=10)
    send(ses)
    assert [rig.is_signed(mail) for mail in rig.mails()] == [True, True]


def test_nothing_is_lost_over_a_restart(rig: Rig) -> None:
    ses = proven(rig)
    before = dkim_of(ses)
    rig.stop()
    rig.start()
    ses = rig.client()
    assert dkim_of(ses) == before
    send(ses)
    assert rig.is_signed(rig.mails()[0])


@pytest.mark.parametrize("each_engine", ["sqlite"], indirect=True)
def test_a_wrong_master_key_stops_the_start_and_touches_nothing(rig: Rig) -> None:
    proven(rig)
    rig.stop()
    database = rig.folder / "data" / "mailseal.db"
    before = database.read_bytes()
    kept = (rig.folder / "master.key").read_bytes()
    (rig.folder / "master.key").chmod(0o600)
    (rig.folder / "master.key").write_text("A" * 43 + "=\n")
    with pytest.raises(Exception, match="does not open this database"):
        rig.start()
    assert database.read_bytes() == before
    (rig.folder / "master.key").write_bytes(kept)
    rig.start()
    assert rig.dkim_status(DOMAIN) == "SUCCESS"


def test_no_secret_is_in_any_line_of_the_log(rig: Rig) -> None:
    secret = own_key()
    ses = proven(rig)
    good = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": secret}
    put(ses, SigningAttributesOrigin="EXTERNAL", SigningAttributes=good)
    with pytest.raises(ClientError):
        put(ses, SigningAttributesOrigin="EXTERNAL", SigningAttributes=good | {"DomainSigningSelector": "-"})
    told = repr(rig.lines)
    assert "PutEmailIdentityDkimSigningAttributes" in told
    assert secret[:40] not in told
    assert "journey-secret" not in told
