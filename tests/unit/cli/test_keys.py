"""`mailseal keys inspect`: the judgement of the server before anything is sent, and nothing of the key."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from mailseal.cli import main
from mailseal.dkim.keyrecord import format_key_record
from tests.fakes import pooled_key


def inspected(tmp_path: Path, content: bytes, *options: str) -> Result:
    """What the command says of a file with this content."""
    path = tmp_path / "s1.pem"
    path.write_bytes(content)
    return CliRunner().invoke(main, ["keys", "inspect", str(path), *options])


def forms(bits: int) -> dict[str, bytes]:
    """One key in all forms that are taken."""
    der = pooled_key(0, bits).to_pkcs8()
    loose = load_der_private_key(der, None)
    pem = loose.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    old_pem = loose.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return {
        "der": der,
        "pem": pem,
        "old pem": old_pem,
        "base64": base64.b64encode(der) + b"\n",
        "base64 of a pem text": base64.b64encode(pem),
    }


@pytest.mark.parametrize("form", list(forms(1024)))
def test_a_key_that_can_be_used_is_shown_with_its_record(tmp_path: Path, form: str) -> None:
    done = inspected(tmp_path, forms(2048)[form], "--selector", "s1", "--domain", "example.com")
    lines = done.stdout.splitlines()
    fingerprint = pooled_key().spki_sha256.hex()[:8]
    assert done.exit_code == 0
    assert lines[0] == f"{tmp_path}/s1.pem  usable  RSA 2048 {fingerprint}"
    assert lines[3:5] == [
        "  s1._domainkey.example.com",
        f"  TXT  {format_key_record(pooled_key().spki).decode()}",
    ]


def test_a_short_key_is_usable_and_said_to_be_short(tmp_path: Path) -> None:
    done = inspected(tmp_path, forms(1024)["pem"])
    assert done.exit_code == 0
    assert "2048 bits are stronger" in done.stdout


def test_programs_get_one_object(tmp_path: Path) -> None:
    told = json.loads(inspected(tmp_path, forms(1024)["pem"], "--json").stdout)
    assert (told["usable"], told["bits"]) == (True, 1024)
    assert told["record"]["name"] == "SELECTOR._domainkey.DOMAIN"
    refused = json.loads(inspected(tmp_path, b"nonsense!", "--json").stdout)
    assert (refused["usable"], refused["code"]) == (False, "not_a_key")


def test_a_key_that_cannot_be_used_is_told_why_and_ends_with_one(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    material = {
        "not an RSA key": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "encoded as base64 twice": base64.b64encode(forms(1024)["base64"].strip()),
        "line breaks": base64.encodebytes(forms(1024)["der"]),
        "is empty": b"",
        "do not belong together": forms(1024)["der"][:-3] + b"\0\0\0",
    }
    for sentence, content in material.items():
        done = inspected(tmp_path, content)
        assert (done.exit_code, sentence in done.stdout) == (1, True), (sentence, done.output)
        assert "not usable" in done.stdout.splitlines()[0]


@pytest.mark.parametrize("form", list(forms(1024)))
def test_nothing_of_the_private_key_is_shown(tmp_path: Path, form: str) -> None:
    content = forms(1024)[form]
    for shown in (inspected(tmp_path, content), inspected(tmp_path, content + b"\0", "--verbose")):
        body = base64.b64encode(forms(1024)["der"]).decode()
        told = shown.output + (shown.stderr or "")
        # The modulus is public and in the record; the private numbers follow it.
        assert not any(body[at : at + 24] in told for at in range(320, len(body) - 24, 12))


def test_a_file_that_is_not_there_is_a_matter_of_set_up() -> None:
    done = CliRunner().invoke(main, ["keys", "inspect", "/nowhere/s1.pem"])
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        2,
        "error: /nowhere/s1.pem cannot be read: No such file or directory",
    )
