"""The outside verifiers of the demo: dkimpy and OpenDKIM, their keys fetched through the sandbox's DNS.

Rule: a mail is verified as it lies in the mailbox; a verifier that is not installed is named in the table.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import dkim
import dns.exception
import dns.message
import dns.query
import dns.rdatatype

SUCCEEDED = re.compile(r"^opendkim: (.+): verification \(.*\) succeeded$", re.MULTILINE)
BATCH = 200


class Dkimpy:
    """dkimpy in this process; it asks the sandbox's DNS with dnspython."""

    name = "dkimpy"
    gap = ""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server

    def verified(self, mails: Sequence[Path]) -> set[Path]:
        """Those mails whose signature verifies."""
        return {mail for mail in mails if dkim.verify(mail.read_bytes(), dnsfunc=self._text)}

    def _text(self, name: bytes | str, timeout: int = 5) -> bytes | None:
        """The TXT at a name; None where there is none, as dkimpy wants it."""
        owner = name.decode() if isinstance(name, bytes) else name
        query = dns.message.make_query(owner, dns.rdatatype.TXT)
        try:
            answer, _ = dns.query.udp_with_fallback(query, self._server[0], timeout, port=self._server[1])
        except (dns.exception.DNSException, OSError):
            return None
        texts = [rr for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for rr in rrset]
        return b"".join(texts[0].strings) if len(texts) == 1 else None


class OpenDkim:
    """OpenDKIM in its test mode; its resolver is told to forward everything to the sandbox's DNS."""

    name = "OpenDKIM"

    def __init__(self, server: tuple[str, int], folder: Path) -> None:
        self._program = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        self.gap = "" if self._program else "not installed, ./dev demo --install"
        self._folder = folder
        resolver = folder / "unbound.conf"
        resolver.write_text(
            "server:\n  do-not-query-localhost: no\n  module-config: iterator\n"
            f'forward-zone:\n  name: "."\n  forward-addr: {server[0]}@{server[1]}\n',
            encoding="ascii",
        )
        self._settings = folder / "opendkim.conf"
        self._settings.write_text(f"Mode v\nResolverConfiguration {resolver}\n", encoding="ascii")

    def verified(self, mails: Sequence[Path]) -> set[Path]:
        """Those mails whose signature verifies; one process for many, under names without a comma."""
        assert self._program is not None
        found: set[Path] = set()
        for at in range(0, len(mails), BATCH):
            named = {f"{number}.eml": mail for number, mail in enumerate(mails[at : at + BATCH])}
            for name, mail in named.items():
                (self._folder / name).unlink(missing_ok=True)
                (self._folder / name).symlink_to(mail.resolve())
            found |= self._ask(named)
        return found

    def _ask(self, named: Mapping[str, Path]) -> set[Path]:
        done = subprocess.run(
            [str(self._program), "-x", str(self._settings), "-t", ",".join(named)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return {named[name] for name in SUCCEEDED.findall(done.stdout) if name in named}
