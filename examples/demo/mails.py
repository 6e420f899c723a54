"""The demo's mail: sent one by one or at a steady rate, fetched from the mailbox, verified by strangers.

Rule: every mail of the story is counted, and every one is verified while its key is published.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from judges import Dkimpy, OpenDkim
from sdks import Boto3, Refused

DOMAIN = "example.com"
SELECTOR = re.compile(rb"\bs=([^;\s]+)")


@dataclass(slots=True)
class Counts:
    """What became of all mail so far."""

    signed: int = 0
    verified: int = 0
    unsigned: int = 0
    judged: set[Path] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)


class Post:
    """Sends mail through boto3 and fetches it from the Maildir."""

    def __init__(self, sender: Boto3, mailbox: Path) -> None:
        self._sender = sender
        self._mailbox = mailbox
        self._lock = threading.Lock()
        self.sent = 0

    def send(self, subject: str) -> str:
        """The message id of one mail; every second one goes as Raw, the others as Simple content."""
        with self._lock:
            self.sent += 1
            number = self.sent
        answer = self._sender.call(
            "SendEmail",
            FromEmailAddress=f"news@{DOMAIN}",
            Destination={"ToAddresses": ["you@example.net"]},
            Content=_raw(subject, number) if number % 2 else _simple(subject, number),
        )
        return str(answer["MessageId"])

    def mails(self) -> list[Path]:
        """What lies in the mailbox, in the order of its arrival."""
        found = [path for folder in ("new", "cur") for path in (self._mailbox / folder).glob("*")]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def selector(self) -> str:
        """The selector that signed the newest mail; empty where it is unsigned."""
        header = self.mails()[-1].read_bytes().partition(b"\r\n\r\n")[0]
        found = SELECTOR.search(header) if header.startswith(b"DKIM-Signature:") else None
        return found[1].decode() if found else ""


class Traffic:
    """Mail at a steady rate, from a thread of its own, while something else goes on."""

    def __init__(self, post: Post, subject: str, apart_seconds: float = 0.02) -> None:
        self._post = post
        self._subject = subject
        self._apart = apart_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0
        self.refused: list[str] = []

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def wait_until(self, count: int, within_seconds: float = 30) -> None:
        """Returns when that many mails were sent, or the time is over."""
        deadline = monotonic() + within_seconds
        while self.sent < count and monotonic() < deadline and self._thread.is_alive():
            self._over.wait(0.02)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._post.send(self._subject)
            except Refused as refused:
                self.refused.append(str(refused))
            self.sent += 1
            self._over.wait(self._apart)


def judge(mails: Sequence[Path], judges: Sequence[Dkimpy | OpenDkim], counts: Counts) -> list[str]:
    """What is wrong with the mails that were not judged yet, one sentence each; adds them to the counts."""
    fresh = [mail for mail in mails if mail not in counts.judged]
    wrong = []
    asked = [one for one in judges if not one.gap]
    verified = {one.name: one.verified(fresh) for one in asked}
    for mail in fresh:
        if b"\r\nDKIM-Signature:" not in b"\r\n" + mail.read_bytes().partition(b"\r\n\r\n")[0]:
            counts.unsigned += 1
            wrong.append(f"{mail.name} is not signed")
            continue
        counts.signed += 1
        against = [name for name, good in verified.items() if mail not in good]
        counts.verified += not against
        wrong += [f"{mail.name} does not verify for {name}" for name in against]
    counts.judged.update(fresh)
    counts.failed += wrong
    return wrong


def _simple(subject: str, number: int) -> dict[str, object]:
    body = {
        "Text": {"Data": f"Mail {number}.\n\nGrüße aus der Demo.\n"},
        "Html": {"Data": f"<p>Mail {number}.</p>"},
    }
    return {"Simple": {"Subject": {"Data": f"{subject}, {number}"}, "Body": body}}


def _raw(subject: str, number: int) -> dict[str, object]:
    lines = [
        f"From: News <news@{DOMAIN}>",
        "To: you@example.net",
        f"Subject: {subject}, {number}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"Mail {number}, written by the sender byte for byte.",
        "",
    ]
    return {"Raw": {"Data": "\r\n".join(lines).encode()}}
