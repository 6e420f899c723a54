"""`mailseal sign` and `mailseal verify`, and the examples of docs/library.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import load_private_key
from mailseal.dkim.message import parse_message
from mailseal.dkim.verify import KeyFound, Result, verify

CHECKOUT = Path(__file__).parents[3]


def mailseal(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "mailseal", *words], capture_output=True, timeout=60)


def test_a_signed_file_verifies_until_a_letter_of_it_is_changed(tmp_path: Path) -> None:
    key, mail, signed = tmp_path / "key.pem", tmp_path / "mail", tmp_path / "signed"
    made = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True, timeout=60)
    key.write_bytes(made.stdout)
    mail.write_bytes(b"From: me@example.com\nSubject: x\n\nhello\n")
    done = mailseal("sign", str(mail), "--key", str(key), "--domain", "example.com", "--selector", "s1")
    assert done.returncode == 0, done.stderr
    signed.write_bytes(done.stdout)
    record = format_key_record(load_private_key(made.stdout).spki).decode()
    good = mailseal("verify", str(signed), "--key-record", record)
    assert good.returncode == 0
    assert b"pass  example.com, selector s1\n      good signature\n" in good.stdout
    signed.write_bytes(done.stdout.replace(b"hello", b"Hello"))
    bad = mailseal("verify", str(signed), "--key-record", record)
    assert bad.returncode == 1
    assert b"the body was changed" in bad.stdout
    assert mailseal("verify", str(mail), "--key-record", record).returncode == 1


def test_a_file_is_signed_with_an_rsa_and_an_ed25519_key(tmp_path: Path) -> None:
    rsa, ed25519, mail = tmp_path / "rsa", tmp_path / "ed25519", tmp_path / "mail"
    mail.write_bytes(b"From: me@example.com\r\n\r\nhello\r\n")
    for file, words in ((rsa, ("genrsa", "2048")), (ed25519, ("genpkey", "-algorithm", "ed25519"))):
        made = subprocess.run(["openssl", *words], capture_output=True, check=True, timeout=60)
        file.write_bytes(made.stdout)
    ours = ("--domain", "example.com", "--key", str(ed25519), "--selector", "e1")
    both = mailseal("sign", str(mail), *ours, "--key", str(rsa), "--selector", "r1")
    assert both.returncode == 0, both.stderr
    private = load_pem_private_key(ed25519.read_bytes(), None)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    records = {
        "r1._domainkey.example.com": format_key_record(load_private_key(rsa.read_bytes()).spki),
        "e1._domainkey.example.com": format_key_record(spki),
    }
    found = verify(parse_message(both.stdout), lambda name: KeyFound((records[name],)))
    assert [(one.selector, one.result) for one in found] == [("e1", Result.PASS), ("r1", Result.PASS)]
    alone = mailseal("sign", str(mail), *ours)
    assert (
        verify(parse_message(alone.stdout), lambda name: KeyFound((records[name],)))[0].result is Result.PASS
    )
    for words in (ours[:4], (*ours, "--key", str(rsa)), (*ours, "--key", str(mail), "--selector", "m")):
        assert mailseal("sign", str(mail), *words).returncode == 2


def test_the_examples_of_the_library_run() -> None:
    text = (CHECKOUT / "docs" / "library.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "verify(" in code
    assert done.returncode == 0, done.stderr
