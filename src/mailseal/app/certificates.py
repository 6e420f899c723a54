"""Certificates that are replaced while we run: the files are read again once they have changed.

Rule: a pair of files that cannot be used changes nothing; connections that stand keep what they were shown.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from mailseal.smtp.tls import server_tls
from mailseal.telemetry import Telemetry, redacted

LOOK_EVERY_S = 10.0


@dataclass(slots=True)
class _Shown:
    """A certificate in use, and how its files looked when they were read last."""

    context: ssl.SSLContext
    certificate: str
    certificate_key: str
    looked: tuple[tuple[int, ...], ...]


class Certificates:
    """The certificates of all doors; belongs to one event loop."""

    def __init__(self, telemetry: Telemetry, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._telemetry = telemetry
        self._look_every_s = look_every_s
        self._shown: list[_Shown] = []

    def keep(self, context: ssl.SSLContext, certificate: str, certificate_key: str) -> None:
        """Keeps what a context shows as its files are."""
        self._shown.append(
            _Shown(context, certificate, certificate_key, _looks(certificate, certificate_key))
        )

    def look(self) -> int:
        """How many were read anew, because their files had changed."""
        return sum(self._renewed(one) for one in self._shown)

    async def watch(self) -> None:
        """Looks again and again."""
        while True:
            await asyncio.sleep(self._look_every_s)
            with self._telemetry.surviving("certificates"):
                self.look()

    def _renewed(self, shown: _Shown) -> bool:
        looks = _looks(shown.certificate, shown.certificate_key)
        if looks == shown.looked:
            return False
        shown.looked = looks
        try:
            # First aside: a context is spoilt where certificate and key do not belong together.
            server_tls(shown.certificate, shown.certificate_key)
            shown.context.load_cert_chain(shown.certificate, shown.certificate_key or None)
        except OSError as fault:
            why = redacted(fault.strerror or str(fault))
            text = f"{shown.certificate} cannot be used, the one before stays: {why}"
            self._telemetry.say("certificate", error="unusable", text=text)
            return False
        self._telemetry.say("certificate", text=f"{shown.certificate} was replaced and is shown from now on")
        return True


def _looks(*paths: str) -> tuple[tuple[int, ...], ...]:
    """What changes when a file is replaced or written; nothing for one that is not there."""
    found = []
    for path in paths:
        try:
            stat = Path(path).stat() if path else None
        except OSError:
            stat = None
        found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns) if stat else ())
    return tuple(found)
