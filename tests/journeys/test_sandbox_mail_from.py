"""A MAIL FROM domain in a sandbox: the customer's MX and SPF are asked for through the real resolver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailseal.pytest_plugin import MailsealSandbox
from tests.journeys.test_sandbox import client_of

pytestmark = pytest.mark.timeout(90)
BOUNCE = "bounce.example.com"


@pytest.fixture
def ses(mailseal_sandbox: MailsealSandbox) -> Iterator[Any]:
    client = client_of(mailseal_sandbox.environment)
    yield client
    client.close()


def mail_from(ses: Any) -> dict[str, str]:
    found: dict[str, str] = ses.get_email_identity(EmailIdentity="example.com")["MailFromAttributes"]
    return found


def send(ses: Any) -> None:
    raw = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\nOne.\r\n"
    ses.send_email(Content={"Raw": {"Data": raw}})


def test_a_mail_from_domain_is_proven_used_and_lost_by_the_customers_records(
    mailseal_sandbox: MailsealSandbox, ses: Any
) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    ses.put_email_identity_mail_from_attributes(EmailIdentity="example.com", MailFromDomain=BOUNCE)
    records = mailseal_sandbox.client.ask("GET", "/identities/example.com/records")["records"]
    mx, spf = records[3:]
    assert (mx["name"], mx["type"], spf["name"], spf["type"]) == (BOUNCE, "MX", BOUNCE, "TXT")
    mailseal_sandbox.dns.publish("example.com")
    mailseal_sandbox.wait_for("example.com", "SUCCESS")
    mailseal_sandbox.clock.advance(minutes=2)
    assert mail_from(ses)["MailFromDomainStatus"] == "SUCCESS"
    send(ses)
    kept = mailseal_sandbox.client.ask("GET", "/sandbox/mailbox")["items"]
    assert kept[-1]["envelope"]["mail_from"].endswith(f"@{BOUNCE}")
    checked = mailseal_sandbox.client.ask("POST", "/identities/example.com/check")
    assert [one["finding"] for one in checked["mail_from_records"]] == ["MATCH", "MATCH"]
    mailseal_sandbox.dns.set(BOUNCE, "MX", "10 mx.example.org.")
    mailseal_sandbox.clock.advance(hours=3)
    assert mail_from(ses)["MailFromDomainStatus"] == "TEMPORARY_FAILURE"
    mailseal_sandbox.clock.advance(hours=80)
    assert mail_from(ses)["MailFromDomainStatus"] == "FAILED"
    assert ses.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]["Status"] == "SUCCESS"


def test_resetting_the_sandbox_leaves_no_configuration_set_behind(
    mailseal_sandbox: MailsealSandbox, ses: Any
) -> None:
    ses.create_configuration_set(ConfigurationSetName="news")
    ses.create_email_identity(EmailIdentity="example.com", ConfigurationSetName="news")
    ses.create_email_identity(EmailIdentity="Me@example.com", ConfigurationSetName="news")
    mailseal_sandbox.client.ask("POST", "/sandbox/reset")
    assert ses.list_configuration_sets()["ConfigurationSets"] == []
    assert ses.list_email_identities()["EmailIdentities"] == []
