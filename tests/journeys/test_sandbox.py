"""A sandbox over real HTTP: its clock, its customers, its mailbox, and who is let in."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mailseal.pytest_plugin import MailsealSandbox
from mailseal.sandbox.child import ChildSandbox, SandboxFailed, start_child
from mailseal.sandbox.client import SandboxClient, SandboxRefusal
from mailseal.sandbox.settings import environment
from tests.fakes import pooled_key

pytestmark = pytest.mark.timeout(90)


def client_of(variables: dict[str, str]) -> Any:
    return boto3.client(
        "sesv2",
        endpoint_url=variables["AWS_ENDPOINT_URL_SESV2"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def ses(mailseal_sandbox: MailsealSandbox) -> Iterator[Any]:
    client = client_of(mailseal_sandbox.environment)
    yield client
    client.close()


def status_of(ses: Any, name: str) -> str:
    return str(ses.get_email_identity(EmailIdentity=name)["DkimAttributes"]["Status"])


def send(ses: Any, sender: str) -> None:
    content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello.\n"}}}}
    ses.send_email(FromEmailAddress=sender, Destination={"ToAddresses": ["you@example.net"]}, Content=content)


def test_seventy_two_hours_without_records_end_in_failed_and_take_seconds(
    mailseal_sandbox: MailsealSandbox, ses: Any
) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    began, left_at = monotonic(), mailseal_sandbox.clock.now()
    mailseal_sandbox.clock.advance(hours=71)
    assert status_of(ses, "example.com") == "PENDING"
    mailseal_sandbox.clock.advance(hours=2)
    assert status_of(ses, "example.com") == "FAILED"
    assert monotonic() - began < 30
    assert (mailseal_sandbox.clock.now() - left_at).total_seconds() >= 73 * 3600


def test_servers_that_fail_for_72_hours_do_not_end_in_failed(
    mailseal_sandbox: MailsealSandbox, ses: Any
) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    mailseal_sandbox.dns.outage("example.com", "servfail")
    mailseal_sandbox.clock.advance(hours=80)
    assert status_of(ses, "example.com") == "TEMPORARY_FAILURE"
    mailseal_sandbox.dns.outage("example.com", "none")
    mailseal_sandbox.dns.publish("example.com")
    mailseal_sandbox.wait_for("example.com", "SUCCESS")


def test_a_record_that_is_wrong_does_not_prove(mailseal_sandbox: MailsealSandbox, ses: Any) -> None:
    tokens = ses.create_email_identity(EmailIdentity="example.com")["DkimAttributes"]["Tokens"]
    mailseal_sandbox.dns.publish("example.com")
    mailseal_sandbox.dns.set(f"{tokens[1]}._domainkey.example.com", "CNAME", "elsewhere.example.net.")
    mailseal_sandbox.clock.advance(minutes=5)
    assert status_of(ses, "example.com") == "PENDING"
    mailseal_sandbox.dns.publish("example.com")
    mailseal_sandbox.wait_for("example.com", "SUCCESS")


def test_a_mail_in_the_mailbox_is_what_was_sent_and_its_signature_is_judged(
    mailseal_sandbox: MailsealSandbox, ses: Any
) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    mailseal_sandbox.dns.publish("example.com")
    mailseal_sandbox.wait_for("example.com", "SUCCESS")
    raw = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: =?utf-8?q?x?=\r\n\r\nOne.\r\n\r\nTwo.\r\n"
    ses.send_email(Content={"Raw": {"Data": raw}}, Destination={"ToAddresses": ["c@example.org"]})
    mail = mailseal_sandbox.mailbox.only()
    assert mail.raw.endswith(b"\r\n\r\nOne.\r\n\r\nTwo.\r\n")
    assert (mail.dkim.result, mail.dkim.domain) == ("pass", "example.com")
    assert mail.recipients == ("c@example.org",)
    # With the key's record gone, the same mail is worth something else.
    mailseal_sandbox.dns.delete(f"{mail.dkim.selector}._domainkey.example.com")
    assert mailseal_sandbox.mailbox.only().dkim.result == "permerror"


def test_accounts_do_not_see_each_other(mailseal_sandbox: MailsealSandbox, ses: Any) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    other = mailseal_sandbox.client.ask("POST", "/sandbox/accounts")
    neighbour = client_of(other["environment"])
    assert neighbour.list_email_identities()["EmailIdentities"] == []
    neighbour.create_email_identity(EmailIdentity="example.com")
    neighbour.close()
    gone = mailseal_sandbox.client.ask("DELETE", f"/sandbox/accounts/{other['account_id']}")
    assert gone == {"identities": 1}
    assert status_of(ses, "example.com") == "PENDING"


def test_who_does_not_sign_is_not_let_in(mailseal_sandbox: MailsealSandbox) -> None:
    for path in ("/mailseal/v1/sandbox/env", "/mailseal/v1/sandbox/accounts", "/v2/email/identities"):
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(mailseal_sandbox.endpoint + path)
        assert refused.value.code == 403
        refused.value.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/sandbox/clock/advance", {"by": "-5s"}, 400),
        ("POST", "/sandbox/clock/advance", {"by": "99999d"}, 400),
        ("POST", "/sandbox/clock/advance", {}, 400),
        ("PUT", "/sandbox/dns", {"name": "a.example.com", "type": "A", "values": "192.0.2.1"}, 400),
        ("PUT", "/sandbox/dns", {"name": "a.example.com", "type": "A", "values": ["x"]}, 400),
        ("PUT", "/sandbox/dns", ["a"], 400),
        ("POST", "/sandbox/dns/publish", {"domain": "unknown.example"}, 404),
        ("POST", "/sandbox/dns/outage", {"domain": "example.com", "outage": "flood"}, 400),
        ("GET", "/sandbox/mailbox/..%2f..%2fmaster.key/raw", None, 404),
        ("GET", "/sandbox/mailbox/no-such-mail", None, 404),
        ("DELETE", "/sandbox/accounts/000000000000", None, 404),
        ("GET", "/sandbox/nothing", None, 404),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    mailseal_sandbox: MailsealSandbox, method: str, path: str, body: object, status: int
) -> None:
    with pytest.raises(SandboxRefusal) as refused:
        mailseal_sandbox.client.ask(method, path, body=body)
    assert refused.value.status == status
    assert refused.value.message.endswith(".") or "known here" in refused.value.message or status == 400


def wait_for_status(ses: Any, name: str, status: str, within_seconds: float = 15) -> None:
    deadline = monotonic() + within_seconds
    while (seen := status_of(ses, name)) != status and monotonic() < deadline:
        sleep(0.05)
    assert seen == status


@pytest.fixture
def obedient() -> Iterator[ChildSandbox]:
    child = start_child(["--temporary", "--ports", "auto", "--publish-after", "0s", "--speed", "60"])
    yield child
    child.stop()


def test_with_obedient_customers_and_a_fast_clock_a_program_that_polls_sees_success(
    obedient: ChildSandbox,
) -> None:
    ses = client_of(environment(obedient.place.api_url))
    ses.create_email_identity(EmailIdentity="example.com")
    wait_for_status(ses, "example.com", "SUCCESS")
    send(ses, "news@example.com")
    mails = SandboxClient(obedient.place.api_url).ask("GET", "/sandbox/mailbox")["items"]
    assert [mail["dkim"][0]["result"] for mail in mails] == ["pass"]
    ses.close()


def test_nobody_waits_longer_for_the_second_round_than_five_seconds() -> None:
    child = start_child(["--temporary", "--ports", "auto", "--publish-after", "0s", "--speed", "5"])
    ses = client_of(environment(child.place.api_url))
    ses.create_email_identity(EmailIdentity="example.com")
    # Ten seconds to the check after the first and five to the second round, five times as fast.
    wait_for_status(ses, "example.com", "SUCCESS", within_seconds=9)
    ses.close()
    child.stop()


def test_an_obedient_customer_publishes_an_own_key_while_easy_dkim_signs(obedient: ChildSandbox) -> None:

    ses = client_of(environment(obedient.place.api_url))
    ses.create_email_identity(EmailIdentity="example.com")
    wait_for_status(ses, "example.com", "SUCCESS")
    key = base64.b64encode(pooled_key().to_pkcs8()).decode()
    ses.put_email_identity_dkim_signing_attributes(
        EmailIdentity="example.com",
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={"DomainSigningSelector": "own1", "DomainSigningPrivateKey": key},
    )
    wait_for_status(ses, "example.com", "SUCCESS")
    send(ses, "news@example.com")
    mail = SandboxClient(obedient.place.api_url).ask("GET", "/sandbox/mailbox")["items"][-1]
    assert (mail["dkim"][0]["result"], mail["dkim"][0]["selector"]) == ("pass", "own1")
    ses.close()


def test_everything_outlives_a_restart_and_a_kill(tmp_path: Path) -> None:
    options = ["--data", str(tmp_path / "box"), "--ports", "auto", "--publish-after", "never"]
    first = start_child(options)
    ses, sandbox = client_of(environment(first.place.api_url)), SandboxClient(first.place.api_url)
    tokens = ses.create_email_identity(EmailIdentity="example.com")["DkimAttributes"]["Tokens"]
    sandbox.ask("POST", "/sandbox/dns/publish", body={"domain": "example.com"})
    sandbox.ask("POST", "/sandbox/clock/advance", body={"by": "1h"})
    send(ses, "a@example.com")
    ses.close()
    now = sandbox.ask("GET", "/sandbox/clock")["now"]
    first.process.kill()
    first.stop()

    second = start_child(options)
    ses, sandbox = client_of(environment(second.place.api_url)), SandboxClient(second.place.api_url)
    found = ses.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]
    assert (found["Status"], found["Tokens"]) == ("SUCCESS", tokens)
    assert sandbox.ask("GET", "/sandbox/clock")["now"] >= now
    assert len(sandbox.ask("GET", "/sandbox/dns")["items"]) == 3
    assert sandbox.ask("GET", "/sandbox/mailbox")["items"][0]["dkim"][0]["result"] == "pass"
    assert sandbox.ask("POST", "/sandbox/reset") == {"identities": 1, "mails": 1}
    with pytest.raises(ClientError, match="NotFound"):
        ses.get_email_identity(EmailIdentity="example.com")
    assert sandbox.ask("GET", "/sandbox/dns")["items"] == []
    ses.close()
    assert second.stop() == 0
    assert not (tmp_path / "box" / "sandbox.json").exists()


def test_a_child_ends_with_its_parent() -> None:
    child = start_child(["--temporary", "--ports", "auto"])
    assert child.process.stdin is not None
    assert child.process.stdout is not None
    child.process.stdin.close()
    assert child.process.wait(10) == 0
    assert not Path(child.place.mailbox).exists()
    child.process.stdout.close()


def test_a_sandbox_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter.txt").write_text("keep me")
    with pytest.raises(SandboxFailed, match=r"is not a sandbox's folder\n  why: .*\n  do: "):
        start_child(["--data", str(tmp_path / "precious"), "--fresh", "--ports", "auto"])
    assert (tmp_path / "precious" / "letter.txt").read_text() == "keep me"
