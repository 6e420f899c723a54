"""The pytest plugin, seen from projects that use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

APP = """
    import boto3
    import pytest

    class App:
        def __init__(self):
            self.ses = boto3.client("sesv2")

        def add_domain(self, name):
            self.ses.create_email_identity(EmailIdentity=name)

        def send(self, sender, to):
            content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello.\\n"}}}}
            self.ses.send_email(FromEmailAddress=sender, Destination={"ToAddresses": [to]}, Content=content)

    @pytest.fixture
    def app(mailseal_sandbox):
        app = App()
        yield app
        app.ses.close()
"""


def run_project(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    pytester.makeconftest(APP)
    pytester.makepyfile(tests)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments, timeout=55)


def test_the_example_of_the_documentation_passes(pytester: pytest.Pytester) -> None:
    done = run_project(
        pytester,
        """
        def test_a_new_customer_can_send(mailseal_sandbox, app):
            app.add_domain("example.com")
            mailseal_sandbox.dns.publish("example.com")
            mailseal_sandbox.wait_for("example.com", "SUCCESS")
            app.send("hello@example.com", to="you@example.net")
            mail = mailseal_sandbox.mailbox.only()
            assert mail.dkim.result == "pass" and mail.dkim.domain == "example.com"
            assert mail.recipients == ("you@example.net",)
            assert mail.raw.startswith(b"DKIM-Signature:")

        def test_a_customer_who_publishes_nothing_fails_after_72_hours(mailseal_sandbox, app):
            app.add_domain("example.com")
            mailseal_sandbox.clock.advance(hours=73)
            assert mailseal_sandbox.status("example.com") == "FAILED"
        """,
    )
    done.assert_outcomes(passed=2)


def test_each_test_is_alone_in_one_sandbox(pytester: pytest.Pytester) -> None:
    done = run_project(
        pytester,
        """
        import os

        seen = []

        def test_first(mailseal_sandbox, app):
            app.add_domain("example.com")
            mailseal_sandbox.dns.set("www.example.com", "A", "192.0.2.1")
            mailseal_sandbox.dns.publish("example.com")
            mailseal_sandbox.wait_for("example.com", "SUCCESS")
            app.send("a@example.com", to="b@example.net")
            seen.append((mailseal_sandbox.endpoint, mailseal_sandbox.clock.now()))

        def test_second(mailseal_sandbox, app):
            endpoint, before = seen[0]
            assert mailseal_sandbox.endpoint == endpoint == os.environ["AWS_ENDPOINT_URL_SESV2"]
            assert mailseal_sandbox.clock.now() >= before
            assert app.ses.list_email_identities()["EmailIdentities"] == []
            assert mailseal_sandbox.mailbox.all() == []
            assert mailseal_sandbox.client.ask("GET", "/sandbox/dns")["items"] == []
            app.add_domain("example.com")

        def test_third_without_it():
            assert "AWS_ENDPOINT_URL_SESV2" not in os.environ
        """,
    )
    done.assert_outcomes(passed=3)


def test_a_red_test_ends_with_what_the_checks_found(pytester: pytest.Pytester) -> None:
    done = run_project(
        pytester,
        """
        def test_red(mailseal_sandbox, app):
            app.add_domain("example.com")
            mailseal_sandbox.dns.set("example.com", "TXT", "v=spf1 -all")
            mailseal_sandbox.wait_for("example.com", "FAILED")
            assert False

        def test_waits_in_vain(mailseal_sandbox, app):
            app.add_domain("example.org")
            mailseal_sandbox.wait_for("example.org", "SUCCESS")

        def test_has_two_mails(mailseal_sandbox, app):
            mailseal_sandbox.mailbox.only()
        """,
    )
    done.assert_outcomes(failed=3)
    done.stdout.re_match_lines(
        [
            r"-+ mailseal -+",
            r"example\.com  FAILED  0 of 3 records right, .*",
            r"  ✗ 1 \S{8}….* RECORD_MISSING",
        ]
    )
    done.stdout.fnmatch_lines(["*example.org is FAILED and does not become SUCCESS*", "*there are 0 mails*"])


def test_the_plugin_can_be_left_out(pytester: pytest.Pytester) -> None:
    done = run_project(pytester, "def test_it(mailseal_sandbox): pass", "-p", "no:mailseal")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*fixture 'mailseal_sandbox' not found*"])


def test_the_plugin_imports_nothing_heavy_before_it_is_used() -> None:
    program = "import sys, mailseal.pytest_plugin; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"cryptography", "dns", "uvicorn", "apsw", "click", "rich", "boto3", "msgspec", "asyncio"}
    assert heavy.isdisjoint(done.stdout.split())
