"""SES's query API by clients that are not ours, over the whole application: identities, DNS, signed mail."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.journeys.rig import KEY, REGION, Rig, new_client, running_rig, selector_of

DOMAIN = "example.com"
MAIL = (
    b"From: News <news@example.com>\r\nTo: you@example.org\r\nSubject: raw\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + "Grüße + 100 % / ~\r\n".encode()
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path) as running:
        yield running


@pytest.fixture
def ses(rig: Rig) -> Any:
    """A client of the query API."""
    return new_client(rig, "ses")


def dkim_of(ses: Any, name: str = DOMAIN) -> dict[str, Any]:
    found: dict[str, Any] = ses.get_identity_dkim_attributes(Identities=[name])["DkimAttributes"].get(
        name, {}
    )
    return found


def proven(rig: Rig, ses: Any) -> list[str]:
    """The tokens of the domain, after its owner published them and they were seen."""
    tokens: list[str] = ses.verify_domain_dkim(Domain=DOMAIN)["DkimTokens"]
    rig.publish(DOMAIN)
    rig.advance(seconds=60, steps=6)
    assert dkim_of(ses)["DkimVerificationStatus"] == "Success"
    return tokens


def refused(call: Any, **arguments: Any) -> tuple[int, str, str]:
    """Status, code and sentence of the error that boto3 raises."""
    with pytest.raises(ClientError) as told:
        call(**arguments)
    response = told.value.response
    error, metadata = response["Error"], response["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
    return metadata["HTTPStatusCode"], error["Code"], error["Message"]


def test_a_domain_is_proven_and_its_mail_is_signed(rig: Rig, ses: Any) -> None:
    tokens = proven(rig, ses)
    sent = ses.send_email(
        Source="News <news@example.com>",
        Destination={"ToAddresses": ["you@example.org"], "CcAddresses": ["Me & You <me@example.org>"]},
        Message={"Subject": {"Data": "Grüße"}, "Body": {"Text": {"Data": "über & <alles>\n"}}},
        ReplyToAddresses=["back@example.com"],
    )
    raw = ses.send_raw_email(RawMessage={"Data": MAIL}, Source="news@example.com")
    assert sent["MessageId"] != raw["MessageId"]
    mails = rig.mails()
    assert len(mails) == 2
    for mail in mails:
        assert rig.is_signed(mail)
        assert selector_of(mail) == tokens[0]


def test_both_versions_see_one_state(rig: Rig, ses: Any) -> None:
    v2 = rig.client()
    proven(rig, ses)
    found = v2.get_email_identity(EmailIdentity=DOMAIN)
    assert (found["VerificationStatus"], found["DkimAttributes"]["Tokens"]) == (
        "SUCCESS",
        dkim_of(ses)["DkimTokens"],
    )
    v2.put_email_identity_dkim_attributes(EmailIdentity=DOMAIN, SigningEnabled=False)
    assert dkim_of(ses)["DkimEnabled"] is False
    ses.set_identity_dkim_enabled(Identity=DOMAIN, DkimEnabled=True)
    assert v2.get_email_identity(EmailIdentity=DOMAIN)["DkimAttributes"]["SigningEnabled"] is True
    v2.put_email_identity_mail_from_attributes(EmailIdentity=DOMAIN, MailFromDomain="bounce.example.com")
    asked = ses.get_identity_mail_from_domain_attributes(Identities=[DOMAIN])["MailFromDomainAttributes"]
    assert asked[DOMAIN]["MailFromDomainStatus"] == "Pending"
    ses.delete_identity(Identity=DOMAIN)
    assert v2.list_email_identities()["EmailIdentities"] == []


def test_what_terraform_asks_of_its_ses_resources(rig: Rig, ses: Any) -> None:
    """Create, read and delete of the provider's domain identity, DKIM, MAIL FROM and verification."""
    token = ses.verify_domain_identity(Domain=DOMAIN)["VerificationToken"]
    read = ses.get_identity_verification_attributes(Identities=[DOMAIN])["VerificationAttributes"][DOMAIN]
    assert read == {"VerificationStatus": "Pending", "VerificationToken": token}
    tokens = ses.verify_domain_dkim(Domain=DOMAIN)["DkimTokens"]
    assert dkim_of(ses)["DkimTokens"] == tokens
    ses.set_identity_mail_from_domain(
        Identity=DOMAIN, MailFromDomain=f"bounce.{DOMAIN}", BehaviorOnMXFailure="UseDefaultValue"
    )
    asked = ses.get_identity_mail_from_domain_attributes(Identities=[DOMAIN])["MailFromDomainAttributes"]
    assert asked[DOMAIN]["MailFromDomain"] == f"bounce.{DOMAIN}"
    rig.publish(DOMAIN)
    rig.advance(seconds=60, steps=6)
    read = ses.get_identity_verification_attributes(Identities=[DOMAIN])["VerificationAttributes"][DOMAIN]
    assert read == {"VerificationStatus": "Success", "VerificationToken": token}
    ses.set_identity_mail_from_domain(Identity=DOMAIN)
    asked = ses.get_identity_mail_from_domain_attributes(Identities=[DOMAIN])["MailFromDomainAttributes"]
    assert "MailFromDomain" not in asked[DOMAIN]
    ses.delete_identity(Identity=DOMAIN)
    assert dkim_of(ses) == {}
    assert ses.get_identity_verification_attributes(Identities=[DOMAIN])["VerificationAttributes"] == {}


def test_an_address_is_asked_for_by_mail(rig: Rig, ses: Any) -> None:
    ses.verify_email_identity(EmailAddress="someone@example.org")
    (mail,) = rig.mails()
    assert b"/mailseal/verify/" in mail.replace(b"=\r\n", b"").replace(b"=\n", b"")
    assert ses.list_identities(IdentityType="EmailAddress")["Identities"] == ["someone@example.org"]


def test_pages_of_identities_are_turned_by_boto3(ses: Any) -> None:
    names = [f"d{number}.example.com" for number in range(5)]
    for name in names:
        ses.verify_domain_identity(Domain=name)
    pages = list(ses.get_paginator("list_identities").paginate(PaginationConfig={"PageSize": 2}))
    assert [page["Identities"] for page in pages] == [names[:2], names[2:4], names[4:]]


def test_boto3_waits_until_a_domain_exists(rig: Rig, ses: Any) -> None:
    proven(rig, ses)
    ses.get_waiter("identity_exists").wait(Identities=[DOMAIN], WaiterConfig={"MaxAttempts": 1})


def test_errors_have_the_codes_that_programs_look_for(rig: Rig, ses: Any) -> None:
    message = {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}
    unknown = refused(
        ses.send_email,
        Source="a@nobody.example",
        Destination={"ToAddresses": ["b@c.example"]},
        Message=message,
    )
    assert unknown[:2] == (400, "MessageRejected")
    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_raw_email(RawMessage={"Data": MAIL})
    assert refused(ses.verify_domain_dkim, Domain="example.com.")[:2] == (400, "InvalidParameterValue")
    template = refused(ses.get_template, TemplateName="t")
    assert template == (400, "InvalidAction", "Mailseal does not serve GetTemplate.")
    stranger = new_client(rig, "ses", aws_secret_access_key="wrong")
    assert refused(stranger.list_identities)[:2] == (403, "SignatureDoesNotMatch")


def exchange(rig: Rig, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
    """Status, type and content of an answer over plain HTTP."""
    place = urlsplit(rig.app.api_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()
    finally:
        connection.close()


def test_the_root_belongs_to_the_query_api_and_its_errors_are_xml(rig: Rig) -> None:
    for method, path in (("POST", "/"), ("GET", "/?Action=ListIdentities")):
        status, kind, content = exchange(rig, method, path)
        assert (status, kind) == (403, "text/xml")
        code = ET.fromstring(content).findtext("{*}Error/{*}Code")
        assert code == "MissingAuthenticationToken"
    status, kind, content = exchange(rig, "GET", "/")
    assert (status, kind) == (404, "application/json")
    assert json.loads(content)["message"].startswith("No operation")


def test_a_form_may_come_in_the_query_of_a_signed_get(rig: Rig, ses: Any) -> None:
    url = f"{rig.app.api_url}/?Action=VerifyDomainIdentity&Domain={DOMAIN}&Version=2010-12-01"
    request = AWSRequest(method="GET", url=url)
    SigV4Auth(Credentials(KEY.access_key_id, KEY.secret), "ses", REGION).add_auth(request)
    path = url.removeprefix(rig.app.api_url)
    status, _, content = exchange(rig, "GET", path, **dict(request.headers.items()))
    assert (status, b"<VerificationToken>" in content) == (200, True)
    assert ses.list_identities()["Identities"] == [DOMAIN]


def has_aws() -> bool:
    """Whether the AWS CLI is there and runs."""
    found = shutil.which("aws")
    return found is not None and subprocess.run([found, "--version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_aws(), reason="the AWS CLI is not installed")
def test_the_aws_cli_asks_and_understands(rig: Rig, ses: Any) -> None:
    environment = os.environ | {
        "AWS_ENDPOINT_URL_SES": rig.app.api_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY.access_key_id,
        "AWS_SECRET_ACCESS_KEY": KEY.secret,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }

    def aws(*words: str) -> Any:
        command = ["aws", "ses", *words, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    tokens = aws("verify-domain-dkim", "--domain", DOMAIN)["DkimTokens"]
    assert aws("list-identities") == {"Identities": [DOMAIN]}
    told = aws("get-identity-dkim-attributes", "--identities", DOMAIN)["DkimAttributes"]
    assert told[DOMAIN] == {
        "DkimEnabled": True,
        "DkimVerificationStatus": "Pending",
        "DkimTokens": tokens,
    }
    assert aws("delete-identity", "--identity", DOMAIN) is None
