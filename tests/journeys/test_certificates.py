"""Certificates that are replaced under a running server: new connections see the new one, on every door."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.config import Config
from mailseal.sandbox.settings import Ports
from tests.journeys.submitting import SubmissionRig, write_certificate


class TlsRig(SubmissionRig):
    """A rig whose API shows a certificate as well, the same one."""

    api_port = 0

    @property
    def config(self) -> Config:
        """What it is started with."""
        known = super().config
        self.api_port = self.api_port or Ports.free().api
        files = {
            "certificate": known.submission.certificate,
            "certificate_key": known.submission.certificate_key,
        }
        return replace(known, api=replace(known.api, listen=(f"127.0.0.1:{self.api_port}",), **files))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TlsRig]:
    rig = TlsRig(tmp_path)
    rig.start()
    try:
        yield rig
    finally:
        rig.close()


def shown(rig: TlsRig) -> list[str]:
    """What the API shows, the port for TLS, and STARTTLS."""
    ports = (rig.api_port, rig.smtp_ports[1])
    found = [ssl.get_server_certificate(("127.0.0.1", port), timeout=30) for port in ports]
    with smtplib.SMTP("127.0.0.1", rig.smtp_ports[0], timeout=30) as client:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        found.append(ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(binary_form=True) or b""))
    return found


def look(rig: TlsRig) -> int:
    """How many certificates were read anew."""

    async def looked() -> int:
        return rig.app.certificates.look()

    return rig.call(looked)


def test_a_renewed_certificate_is_shown_on_every_door(rig: TlsRig) -> None:
    first = (rig.folder / "smtp.pem").read_text()
    assert shown(rig) == [first] * 3
    assert look(rig) == 0, "nothing has changed"
    write_certificate(rig.folder)
    second = (rig.folder / "smtp.pem").read_text()
    assert second != first
    assert look(rig) == 2
    assert shown(rig) == [second] * 3


def test_a_certificate_without_its_key_changes_nothing_until_the_key_comes(rig: TlsRig) -> None:
    first, key = (rig.folder / "smtp.pem").read_text(), (rig.folder / "smtp.key").read_bytes()
    write_certificate(rig.folder)
    second, second_key = (rig.folder / "smtp.pem").read_text(), (rig.folder / "smtp.key").read_bytes()
    (rig.folder / "smtp.key").write_bytes(key)
    assert look(rig) == 0
    assert shown(rig) == [first] * 3
    assert [line.fields["error"] for line in rig.lines if line.event == "certificate"] == ["unusable"] * 2
    (rig.folder / "smtp.key").write_bytes(second_key)
    assert look(rig) == 2
    assert shown(rig) == [second] * 3


def test_a_certificate_that_is_gone_for_a_moment_is_shown_all_the_same(rig: TlsRig) -> None:
    first = (rig.folder / "smtp.pem").read_text()
    (rig.folder / "smtp.pem").unlink()
    assert look(rig) == 0
    assert shown(rig) == [first] * 3
