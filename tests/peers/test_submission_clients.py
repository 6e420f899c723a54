"""Programs that submit mail, as they come: swaks, msmtp, s-nail, nodemailer, aiosmtplib against our port."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from mailseal.core.smtpaccess import smtp_password
from tests.conftest import NODE_MODULES
from tests.journeys.rig import KEY, REGION
from tests.journeys.submitting import SubmissionRig, submission_rig
from tests.journeys.test_spine import proven

pytestmark = pytest.mark.suite_mail
PASSWORD = smtp_password(KEY.secret, REGION)
FROM, TO = "hello@example.com", "you@example.org"
MAIL = f"From: {FROM}\nTo: {TO}\nSubject: from a program\n\nhello\n.\n..two\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubmissionRig]:
    with submission_rig(tmp_path_factory.mktemp("clients")) as running:
        proven(running)
        yield running


def ran(rig: SubmissionRig, *command: str, given: str = "", **environment: str) -> str:
    """What a program says; it ends by itself and well."""
    home = {"HOME": str(rig.folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=given, env=home | environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def the_new_mail(rig: SubmissionRig, before: int) -> bytes:
    """The one mail that has come, which is signed."""
    assert len(rig.mails()) == before + 1
    mail = rig.mails()[-1]
    assert rig.is_signed(mail)
    return mail


@pytest.mark.needs_debian("swaks", "libnet-ssleay-perl")
@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["--tls", "--tls-on-connect"])
def test_swaks_sends_a_mail(rig: SubmissionRig, tls: str, auth: str) -> None:
    before = len(rig.mails())
    port = rig.smtp_ports[0 if tls == "--tls" else 1]
    said = ran(
        rig,
        *("swaks", "--server", f"127.0.0.1:{port}", tls, "--auth", auth, "--auth-user", KEY.access_key_id),
        *("--auth-password", PASSWORD, "--from", FROM, "--to", TO, "--tls-verify", "--tls-ca-path"),
        str(rig.folder / "smtp.pem"),
    )
    assert "<~  250 Ok 0100" in said
    the_new_mail(rig, before)


@pytest.mark.needs_debian("swaks", "libnet-ssleay-perl")
def test_swaks_pipelines(rig: SubmissionRig) -> None:
    before = len(rig.mails())
    ran(
        rig,
        *("swaks", "--server", f"127.0.0.1:{rig.smtp_ports[0]}", "--pipeline", "--auth", "PLAIN"),
        *(
            "--auth-user",
            KEY.access_key_id,
            "--auth-password",
            PASSWORD,
            "--from",
            FROM,
            "--to",
            f"{TO},b@x.org",
        ),
    )
    the_new_mail(rig, before)


@pytest.mark.needs_debian("msmtp")
@pytest.mark.parametrize("starttls", ["on", "off"])
def test_msmtp_sends_a_mail(rig: SubmissionRig, starttls: str) -> None:
    before = len(rig.mails())
    settings = rig.folder / "msmtprc"
    settings.write_text(
        f"account default\nhost localhost\nport {rig.smtp_ports[0 if starttls == 'on' else 1]}\n"
        f"tls on\ntls_starttls {starttls}\ntls_trust_file {rig.folder}/smtp.pem\nauth on\n"
        f"user {KEY.access_key_id}\npassword {PASSWORD}\nfrom {FROM}\n"
    )
    settings.chmod(0o600)
    ran(rig, "msmtp", "-C", str(settings), TO, given=MAIL)
    assert the_new_mail(rig, before).endswith(b"hello\r\n.\r\n..two\r\n")


@pytest.mark.needs_debian("s-nail")
def test_s_nail_sends_a_mail(rig: SubmissionRig) -> None:
    before = len(rig.mails())
    user = KEY.access_key_id
    settings = rig.folder / "mailrc"
    settings.write_text(
        f"set v15-compat\nset mta=smtp://{user}:{PASSWORD.replace('/', '%2F').replace('+', '%2B')}"
        f"@localhost:{rig.smtp_ports[0]} smtp-auth=plain smtp-use-starttls\n"
        f"set tls-ca-file={rig.folder}/smtp.pem tls-verify=strict from={FROM} sendwait\n"
    )
    ran(rig, "s-nail", "-n", "-s", "from s-nail", TO, given="hello\n.two\n", MAILRC=str(settings))
    assert b"Subject: from s-nail\r\n" in the_new_mail(rig, before)


@pytest.mark.needs_npm("nodemailer")
@pytest.mark.parametrize("secure", ["yes", "no"])
def test_nodemailer_sends_mails(rig: SubmissionRig, secure: str) -> None:
    before = len(rig.mails())
    said = ran(
        rig,
        *("node", str(Path(__file__).with_name("submitting.mjs"))),
        MODULES=str(NODE_MODULES.parent),
        PORT=str(rig.smtp_ports[1 if secure == "yes" else 0]),
        SECURE=secure,
        USER_NAME=KEY.access_key_id,
        PASSWORD=PASSWORD,
        CA=str(rig.folder / "smtp.pem"),
    )
    plain, full, foreign = json.loads(said)
    assert plain[0].startswith("250 Ok ")
    assert full[1] == [TO, "they@example.org", "secret@example.org"]
    assert foreign[0].startswith("554 Message rejected: Email address is not verified.")
    assert len(rig.mails()) == before + 2
    assert all(rig.is_signed(mail) for mail in rig.mails()[-2:])


def test_aiosmtplib_sends_many_over_one_connection(rig: SubmissionRig) -> None:
    before = len(rig.mails())

    async def run() -> None:
        client = aiosmtplib.SMTP(
            hostname="localhost", port=rig.smtp_ports[0], start_tls=True, tls_context=rig.trusting()
        )
        async with client:
            await client.login(KEY.access_key_id, PASSWORD)
            for number in range(20):
                mail = EmailMessage()
                mail["From"], mail["To"], mail["Subject"] = FROM, TO, f"number {number}"
                mail.set_content("Grüße\n.\n", cte="8bit")
                await client.send_message(mail)

    asyncio.run(run())
    assert len(rig.mails()) == before + 20
    assert all(rig.is_signed(mail) for mail in rig.mails()[before:])
