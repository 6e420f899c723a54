"""`mailseal sign` and `mailseal verify` beside a running installation: its keys, and its owner's DNS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.test_sandbox_cli import SURROUNDINGS

pytestmark = pytest.mark.timeout(150)


class Commands:
    """The command-line program, in the folder in which a sandbox was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, fails: int = 0) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "mailseal", *words],
            capture_output=True,
            timeout=100,
            cwd=self.folder,
            env=SURROUNDINGS,
        )
        assert done.returncode == fails, f"{done.returncode}: {done.stdout!r}{done.stderr!r}"
        return done.stderr if fails > 1 else done.stdout


@pytest.fixture
def mailseal(tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(tmp_path)
    commands("sandbox", "--detach", "--ports", "auto", "--publish-after", "0s")
    try:
        yield commands
    finally:
        commands("sandbox", "stop")


def test_the_installation_signs_a_file_and_the_dns_says_whether_it_holds(mailseal: Commands) -> None:
    letter, signed = mailseal.folder / "letter", mailseal.folder / "signed"
    letter.write_bytes(b"From: me@example.com\nTo: you@example.org\nSubject: minutes\n\nhello\n")
    assert b"not verified" in mailseal("sign", "letter", fails=3)
    mailseal("identity", "create", "example.com")
    mailseal("identity", "check", "example.com", "--wait", "60s")
    signed.write_bytes(mailseal("sign", "letter"))
    (found,) = json.loads(mailseal("verify", "signed", "--json"))["signatures"]
    assert (found["result"], found["key"]["kind"], len(found["key"]["chain"])) == ("pass", "RSA 2048", 1)
    signed.write_bytes(signed.read_bytes() + b"-- \r\nthe list\r\n")
    shown = b" ".join(mailseal("verify", "signed", fails=1).split())
    assert b"right again if the last 15 octets of the body (2 lines) are taken away" in shown
    (described,) = json.loads(mailseal("message", "show", "signed", "--json"))["signatures"]
    assert described["domain"] == "example.com"
    assert described["body_hash_matches"] is False
    assert (
        b"could not be asked for"
        in subprocess.run(
            [sys.executable, "-m", "mailseal", "verify", "signed", "--resolver", "udp://127.0.0.1:9"],
            capture_output=True,
            timeout=100,
            cwd=mailseal.folder,
            env=SURROUNDINGS,
        ).stdout
    )
