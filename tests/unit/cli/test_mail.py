"""`mailseal sign` and `mailseal verify`, and the examples of docs/library.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import load_private_key

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
    assert (good.returncode, good.stdout) == (0, b"pass  s1._domainkey.example.com  good signature\n")
    signed.write_bytes(done.stdout.replace(b"hello", b"Hello"))
    bad = mailseal("verify", str(signed), "--key-record", record)
    assert bad.returncode == 1
    assert b"the body was changed" in bad.stdout
    assert mailseal("verify", str(mail), "--key-record", record).returncode == 1


def test_the_examples_of_the_library_run() -> None:
    text = (CHECKOUT / "docs" / "library.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "verify(" in code
    assert done.returncode == 0, done.stderr
