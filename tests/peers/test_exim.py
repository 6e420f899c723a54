"""A real Exim hands mail over by SMTP, as docs/mta.md has it: what comes out behind us is signed."""

from __future__ import annotations

import smtplib
from pathlib import Path

import pytest

from mailseal.core.smtpaccess import smtp_password
from mailseal.sandbox.settings import free_ports
from tests.journeys.rig import KEY, REGION
from tests.journeys.submitting import submission_rig
from tests.journeys.test_spine import proven
from tests.peers.exim import running_exim
from tests.peers.nexthop import WITHIN, keeping

pytestmark = [
    pytest.mark.suite_mail,
    pytest.mark.timeout(240),
    pytest.mark.needs_debian("libgnutls-dane0", "libidn12", "libnsl2", "libpcre2-8-0", "libdb5.3"),
    pytest.mark.needs_unpacked("exim4-daemon-light"),
]
LETTER = (
    b"From: hello@example.com\r\nTo: you@example.org\r\nSubject: by Exim\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n.\r\n..x\r\n"
)


def test_what_exims_users_hand_in_leaves_us_signed(tmp_path: Path) -> None:
    (next_hop,) = free_ports(1)
    with (
        keeping(next_hop) as kept,
        submission_rig(tmp_path, next_hop=f"smtp://127.0.0.1:{next_hop}") as rig,
    ):
        proven(rig)
        password = smtp_password(KEY.secret, REGION)
        with running_exim(rig.smtp_ports[0], KEY.access_key_id, password) as exim:
            for number in range(3):
                with smtplib.SMTP("127.0.0.1", exim.port, timeout=WITHIN) as client:
                    client.login("someone", "anything")
                    client.sendmail("hello@example.com", [f"you{number}@example.org"], LETTER)
            # Nobody gets in at the submission port without a login.
            kept.wait_for(*(f"you{number}@example.org" for number in range(3)))
        for mail in kept.mails.values():
            assert rig.is_signed(mail)
            assert mail.startswith(b"DKIM-Signature: ")
            assert mail.endswith(LETTER.partition(b"\r\n\r\n")[2])
