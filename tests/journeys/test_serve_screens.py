"""What init and serve show a person: real programs on a pseudo-terminal, against tests/screens/."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

EXPECTED = Path(__file__).resolve().parents[1] / "screens"
SOON = 20.0


QUESTIONS = (
    "to this machine: ",
    "name servers [ns1.dkim.mx.example.net]: ",
    "their addresses [",
    "next hop for signed mail [smtp://127.0.0.1:10025]: ",
    "database [",
    "runs the service [",
)


class Terminal:
    """A program on a pseudo-terminal of 100 columns, without colour."""

    def __init__(self, words: list[str], folder: Path, **environment: str) -> None:
        self._master, slave = pty.openpty()
        self._seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailseal", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "NO_COLOR": "1",
                "TERM": "xterm",
                "PYTHONIOENCODING": "utf-8",
                **environment,
            },
            start_new_session=True,
        )
        os.close(slave)

    def until(self, text: str) -> str:
        """What was shown, up to now, once it holds `text`; fails when that does not come."""
        ends = time.monotonic() + SOON
        while text not in self._seen:
            left = ends - time.monotonic()
            assert left > 0, f"{text!r} did not come; what came:\n{self._seen}"
            if select.select([self._master], [], [], left)[0]:
                assert self._read() or text in self._seen, self._seen
        return self._seen

    def type(self, text: str) -> None:
        """Types a line."""
        os.write(self._master, text.encode() + b"\n")

    def end(self) -> tuple[int, str]:
        """The exit code and everything that was shown."""
        code = self.process.wait(SOON)
        while select.select([self._master], [], [], 0.1)[0] and self._read():
            pass
        return code, self._seen

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        try:
            got = os.read(self._master, 65536)
        except OSError:
            return False
        self._seen += got.decode().replace("\r\n", "\n")
        return bool(got)


@contextmanager
def terminal(words: list[str], folder: Path, **environment: str) -> Iterator[Terminal]:
    opened = Terminal(words, folder, **environment)
    try:
        yield opened
    finally:
        opened.close()


def settled(shown: str, folder: Path) -> str:
    """The screen with what differs from run to run replaced by constants."""
    shown = shown.replace(str(folder), "FOLDER")
    shown = re.sub(r"(AWS_ACCESS_KEY_ID=)MSAK[A-Z2-7]{16}", r"\1MSAK", shown)
    shown = re.sub(r"(AWS_SECRET_ACCESS_KEY=)[A-Za-z0-9]{40}", r"\1SECRET", shown)
    shown = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", shown)
    shown = re.sub(r"\[::1\]:\d+", "[::1]:PORT", shown)
    shown = re.sub(r"(their addresses \[)[^]]*", r"\1ADDRESSES", shown)
    shown = re.sub(r"Ready in \d\.\d s", "Ready in 0.0 s", shown)
    shown = re.sub(r"(mailseal\.(?:toml|db|service)|master\.key) +", r"\1  ", shown)
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


def expected(name: str) -> str:
    return (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")


def test_init_asks_six_questions_and_enter_takes_the_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "installation"
    with terminal(["init", "--data", str(folder)], tmp_path, USER="operator", LOGNAME="operator") as person:
        answers = (
            "dkim.mx.example.net",
            "",
            "192.0.2.10 2001:db8::10",
            f"maildir:{folder}/mail",
            "",
            "operator",
        )
        for question, answer in zip(QUESTIONS, answers, strict=True):
            person.until(question)
            person.type(answer)
        code, shown = person.end()
    assert code == 0
    # Said only where the tests run as root and the user does not exist.
    told = re.sub(r"^There is no user .*\n", "", settled(shown, folder), flags=re.MULTILINE)
    assert told == expected("init")


def test_serve_shows_where_it_answers_and_a_signal_stops_it(tmp_path: Path) -> None:
    folder = tmp_path / "installation"
    made = subprocess.run(
        [sys.executable, "-m", "mailseal", "init", "--zone", "dkim.mx.example.net", "--data", str(folder),
         "--address", "127.0.0.1", "--next-hop", f"maildir:{folder}/mail", "--yes", "-q"],
        capture_output=True,
        check=True,
        timeout=SOON,
    )  # fmt: skip
    assert b"Next:" not in made.stderr
    environment = {
        "MAILSEAL_DNS_LISTEN": "127.0.0.1:0,[::1]:0",
        "MAILSEAL_API_LISTEN": "127.0.0.1:0",
        "MAILSEAL_API_METRICS": "127.0.0.1:0",
        "MAILSEAL_KEYS_STOCK_2048": "0",
        "MAILSEAL_KEYS_STOCK_1024": "0",
    }
    words = ["serve", "--config", str(folder / "mailseal.toml")]
    with terminal(words, tmp_path, **environment) as person:
        shown = settled(person.until("Next: "), folder)
        port = re.search(r"API, console +http://127\.0\.0\.1:(\d+)", person.until("Next: "))
        assert port is not None
        with urlopen(f"http://127.0.0.1:{port[1]}/readyz", timeout=5) as answer:
            assert answer.read() == b'{"status":"ok"}'
        os.kill(person.process.pid, signal.SIGTERM)
        code, _ = person.end()
    assert code == 0
    assert shown[: shown.index("Next: ")] == expected("serve")
