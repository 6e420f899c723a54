"""What each mail server of a test needs: a next hop that keeps what it gets, and what docs/mta.md shows."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

DOCUMENT = Path(__file__).parents[2] / "docs" / "mta.md"
WITHIN = 60.0
MOST_BYTES = 1 << 26


def documented(mark: str) -> str:
    """The block of docs/mta.md behind a mark."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None, mark
    return found[1]


@dataclass
class Kept:
    """Where the mail goes: each one byte for byte, by its recipient."""

    mails: dict[str, bytes] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        with self.changed:
            for recipient in envelope.rcpt_tos:
                self.mails[recipient] = envelope.content
            self.changed.notify_all()
        return "250 kept"

    def wait_for(self, *recipients: str) -> None:
        """Until there is a mail for each of them."""
        with self.changed:
            assert self.changed.wait_for(lambda: all(one in self.mails for one in recipients), WITHIN)


@contextmanager
def keeping(port: int) -> Iterator[Kept]:
    """A next hop on that port of loopback."""
    kept = Kept()
    server = Controller(kept, "127.0.0.1", port, ready_timeout=WITHIN)
    server.factory = lambda: SMTP(
        kept, hostname="next.test", data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, decode_data=False
    )
    server.start()
    try:
        yield kept
    finally:
        server.stop()
