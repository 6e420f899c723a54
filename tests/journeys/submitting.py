"""A running Mailseal with its submission ports, a certificate for them, and what connects to them."""

from __future__ import annotations

import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailseal.config import Config
from mailseal.core.smtpaccess import smtp_password
from mailseal.sandbox.settings import free_ports
from tests.journeys.rig import KEY, REGION, Rig

NAME = "mail.example.net"


def write_certificate(folder: Path, *, valid: bool = True) -> tuple[Path, Path]:
    """A self-signed certificate for NAME, localhost and 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    names = [x509.DNSName(NAME), x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    until = timedelta(days=2) if valid else -timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + until)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "smtp.pem", folder / "smtp.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@dataclass
class SubmissionRig(Rig):
    """A rig with submission: STARTTLS, implicit TLS, and in clear for programs that know no TLS."""

    smtp_ports: tuple[int, ...] = field(default_factory=lambda: free_ports(2))

    @property
    def config(self) -> Config:
        """What it is started with."""
        known = super().config
        certificate, key = self.folder / "smtp.pem", self.folder / "smtp.key"
        if not certificate.exists():
            write_certificate(self.folder)
        submission = replace(
            known.submission,
            listen=(f"127.0.0.1:{self.smtp_ports[0]}",),
            listen_tls=(f"127.0.0.1:{self.smtp_ports[1]}",),
            certificate=str(certificate),
            certificate_key=str(key),
            name=NAME,
            plaintext_on_loopback=True,
        )
        regions = replace(known.api, regions=(REGION, "eu-west-1"))
        return replace(known, submission=submission, api=regions)

    def trusting(self) -> ssl.SSLContext:
        """A client's TLS that trusts our certificate and no other."""
        return ssl.create_default_context(cafile=str(self.folder / "smtp.pem"))

    def signed_in(self, region: str = REGION, *, tls: bool = True) -> smtplib.SMTP:
        """A session in which somebody has signed in."""
        client = smtplib.SMTP("127.0.0.1", self.smtp_ports[0], timeout=60)
        client.ehlo("client.example.com")
        if tls:
            client.starttls(context=self.trusting())
        client.login(KEY.access_key_id, smtp_password(KEY.secret, region))
        return client

    def said(self, *pieces: bytes, signed_in: bool = True) -> list[bytes]:
        """All that is answered to these octets, said at once in clear after sign-in, until the end."""
        user, password = KEY.access_key_id, smtp_password(KEY.secret, REGION)
        with socket.create_connection(("127.0.0.1", self.smtp_ports[0]), timeout=60) as connection:
            file = connection.makefile("rb")
            file.readline()
            if signed_in:
                connection.sendall(b"EHLO client.example.com\r\n")
                while file.readline()[3:4] == b"-":
                    pass
                connection.sendall(b"AUTH PLAIN " + plain(user, password) + b"\r\n")
                assert file.readline().startswith(b"235")
            connection.sendall(b"".join(pieces))
            connection.shutdown(socket.SHUT_WR)
            return file.read().split(b"\r\n")[:-1]


def plain(user: str, password: str) -> bytes:
    """PLAIN's only response."""
    return b64encode(f"\0{user}\0{password}".encode())


@contextmanager
def submission_rig(folder: Path, **settings: Any) -> Iterator[SubmissionRig]:
    """A rig with submission that was started and will be closed."""
    rig = SubmissionRig(folder, **settings)
    try:
        rig.start()
        yield rig
    finally:
        rig.close()
