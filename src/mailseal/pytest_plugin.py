"""The pytest plugin that ships with Mailseal: a sandbox for tests of programs that call SES.

Rule: importing it imports nothing heavy; the sandbox starts when a test first asks for the fixture
`mailseal_sandbox`, one for each session and xdist worker. Each test has an account of its own, the AWS
variables are set for it, zones it edited are put back, and the clock only moves forward.
References: docs/testing-with-mailseal.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from mailseal.sandbox.child import ChildSandbox
    from mailseal.sandbox.client import SandboxClient

_AWAY = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
"""Variables of the developer's own that would be sent along with, or win over, the sandbox's."""
_WAITS = ("5s", "10s", "30s", "1m", "5m", "1h", "6h", "72h")


@dataclass(frozen=True, slots=True)
class Dkim:
    """What a mail's signature is worth; `none` where it has none."""

    result: str
    domain: str = ""
    selector: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that was sent during the test."""

    id: str
    sender: str
    to: str
    subject: str
    recipients: tuple[str, ...]
    dkim: Dkim
    raw: bytes = field(repr=False)


class Dns:
    """The customers' DNS, as its owners edit it."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client
        self._edited: set[str] = set()

    def publish(self, domain: str) -> None:
        """Publishes what the identity's newest setting asks for."""
        answer = self._client.ask("POST", "/sandbox/dns/publish", body={"domain": domain})
        self._edited.update(record["name"] for record in answer["items"])

    def set(self, name: str, type: str, *values: str, ttl: int | None = None) -> None:  # noqa: A002
        """Replaces the records of one type at a name."""
        body = {"name": name, "type": type, "values": list(values), "ttl": ttl}
        self._client.ask("PUT", "/sandbox/dns", body=body)
        self._edited.add(name)

    def delete(self, name: str, type: str = "") -> None:  # noqa: A002
        """Removes the records at a name, of one type or all."""
        self._client.ask("DELETE", "/sandbox/dns", query={"name": name, "type": type})

    def mistake(self, domain: str, code: str) -> None:
        """Publishes what was asked for wrongly, in a way that docs/diagnosis.md names: `DOUBLED_DOMAIN` …"""
        self._client.ask("POST", "/sandbox/dns/mistake", body={"domain": domain, "mistake": code})
        self._edited.add(domain)

    def repair(self, domain: str) -> None:
        """Publishes what was asked for in place of whatever stood at the domain."""
        self._client.ask("POST", "/sandbox/dns/repair", body={"domain": domain})
        self._edited.add(domain)

    def outage(self, domain: str, kind: str) -> None:
        """Makes the domain's servers fail: servfail, silence, refused, lame …; none ends it."""
        self._client.ask("POST", "/sandbox/dns/outage", body={"domain": domain, "outage": kind})
        self._edited.add(domain)

    def put_back(self) -> None:
        """Removes whatever this test has put in."""
        for name in sorted(self._edited):
            self._client.ask("DELETE", "/sandbox/dns", query={"domain": name})


class SandboxTime:
    """The sandbox's clock."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client

    def now(self) -> datetime:
        """The sandbox's time, aware UTC."""
        return datetime.fromisoformat(self._client.ask("GET", "/sandbox/clock")["now"])

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Goes forward; all that would have happened meanwhile has happened when this returns."""
        total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        self.advance_by(f"{total:.3f}s")

    def advance_by(self, duration: str) -> None:
        """Goes forward by `90s`, `10m`, `72h` or `8d`."""
        self._client.ask("POST", "/sandbox/clock/advance", body={"by": duration})


class Mailbox:
    """The mails that were sent since this test began."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client
        before = client.ask("GET", "/sandbox/mailbox", query={"dkim": "no"})["items"]
        self._since = {"after": before[-1]["id"]} if before else {}

    def all(self) -> list[Mail]:
        """All of them, in the order of their arrival; the newest hundred."""
        told = self._client.ask("GET", "/sandbox/mailbox", query=self._since)
        return [self._mail(one) for one in told["items"]]

    def only(self) -> Mail:
        """The one mail there is; fails the test unless there is exactly one."""
        mails = self.all()
        if len(mails) != 1:
            told = "".join(f"\n  {mail.sender} to {mail.to}: {mail.subject}" for mail in mails)
            pytest.fail(f"there are {len(mails)} mails, not exactly one{told}")
        return mails[0]

    def _mail(self, told: dict[str, Any]) -> Mail:
        signature = told["dkim"][0] if told["dkim"] else {"result": "none"}
        recipients = told["envelope"].get("recipients", ())
        raw = self._client.content(f"/sandbox/mailbox/{quote(told['id'], safe='')}/raw")
        shown = (told["id"], told["from"], told["to"], told["subject"])
        return Mail(*shown, tuple(recipients), Dkim(**signature), raw)


class MailsealSandbox:
    """What a test gets: a sandbox and an account of its own in it."""

    def __init__(self, client: SandboxClient, environment: dict[str, str]) -> None:
        self.client = client
        self.environment = environment
        self.endpoint = client.api_url
        self.dns = Dns(client)
        self.clock = SandboxTime(client)
        self.mailbox = Mailbox(client)

    def status(self, identity: str) -> str:
        """The identity's DkimStatus, as GetEmailIdentity shows it."""
        return str(self._identity(identity)["dkim_status"])

    def wait_for(self, identity: str, status: str) -> None:
        """Moves the clock until the identity has a DkimStatus; fails the test where it never gets it."""
        for wait in ("0s", *_WAITS):
            self.clock.advance_by(wait)
            if self.status(identity) == status:
                return
        pytest.fail(f"{identity} is {self.status(identity)} and does not become {status}")

    def check_screens(self) -> str:
        """What the last check of each of the account's identities found, for people."""
        names = [row["identity"] for row in self.client.ask("GET", "/identities")["items"]]
        return "\n\n".join(_check_screen(self.client, name).rstrip() for name in names)

    def _identity(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.ask("GET", f"/identities/{quote(identity, safe='')}")
        return found


def _check_screen(client: SandboxClient, name: str) -> str:
    """What `mailseal identity check` shows, without the command that would have no sandbox to ask."""
    from mailseal.cli.check_screens import checked

    screen = checked(client.ask("GET", f"/identities/{quote(name, safe='')}/evidence"), "", terminal=True)
    return "\n".join(line.plain for line in screen.lines if not line.plain.startswith("Evidence: "))


@pytest.fixture(scope="session")
def mailseal_child() -> Iterator[ChildSandbox]:
    """The sandbox of this session, a child process on free ports; it ends with the session."""
    from mailseal.sandbox.child import start_child

    child = start_child(["--temporary", "--ports", "auto", "--publish-after", "never"])
    yield child
    child.stop()


@pytest.fixture
def mailseal_sandbox(
    mailseal_child: ChildSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MailsealSandbox]:
    """A sandbox in which this test is alone: an account of its own, with the AWS variables set for it."""
    from mailseal.sandbox.client import SandboxClient

    operator = SandboxClient(mailseal_child.place.api_url)
    account = operator.ask("POST", "/sandbox/accounts")
    for name in _AWAY:
        monkeypatch.delenv(name, raising=False)
    for name, value in account["environment"].items():
        monkeypatch.setenv(name, value)
    # boto3.client() keeps the credentials of the first test in the session that it makes by itself.
    if "boto3" in sys.modules:
        monkeypatch.setattr(sys.modules["boto3"], "DEFAULT_SESSION", None)
    client = SandboxClient(operator.api_url, account["access_key_id"], account["secret_access_key"])
    sandbox = MailsealSandbox(client, account["environment"])
    yield sandbox
    sandbox.dns.put_back()
    operator.ask("DELETE", f"/sandbox/accounts/{account['account_id']}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Adds the section `mailseal` to the report of a red test: what the last checks found."""
    report = yield
    sandbox = getattr(item, "funcargs", {}).get("mailseal_sandbox")
    if report.when == "call" and report.failed and isinstance(sandbox, MailsealSandbox):
        report.sections.append(("mailseal", _told(sandbox)))
    return report


def _told(sandbox: MailsealSandbox) -> str:
    from mailseal.sandbox.client import NoSandbox, SandboxRefusal

    try:
        return sandbox.check_screens() or "this test's account has no identity"
    except (NoSandbox, SandboxRefusal) as error:
        return f"the sandbox could not be asked: {error}"
