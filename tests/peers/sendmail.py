"""A Sendmail of our own for a test: unpacked, not installed, configured by lines of docs/mta.md."""

from __future__ import annotations

import contextlib
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailseal.sandbox.settings import free_ports
from tests.peers.dns_daemons import child
from tests.peers.nexthop import WITHIN, Kept, documented, keeping

UNPACKED = Path(__file__).parents[2] / ".dev" / "debian"
CF = UNPACKED / "sendmail-cf/usr/share/sendmail/cf"
PROGRAM = UNPACKED / "sendmail-bin/usr/libexec/sendmail/sendmail"
MILTER_SOCKET = "/run/mailseal/milter.sock"
MC = """divert(-1)
define(`_CF_DIR_', `{cf}/')dnl
include(`{cf}/m4/cf.m4')
divert(0)dnl
OSTYPE(`linux')dnl
define(`ALIAS_FILE', `')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `{folder}/help')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`confCW_FILE', `{folder}/names')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/switch')dnl
define(`confDONT_PROBE_INTERFACES', `true')dnl
define(`confDOMAIN_NAME', `mx.test')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {next_hop}')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}')dnl
{documented}
MAILER(`smtp')dnl
"""


@dataclass
class Sendmail:
    """A running Sendmail, and where its mail goes."""

    folder: Path
    port: int
    kept: Kept

    @property
    def milter_socket(self) -> Path:
        """Where it looks for the milter."""
        return self.folder / "milter.sock"

    def hand_in(self, raw: bytes, recipient: str, *, source: str = "127.0.0.1") -> tuple[int, bytes]:
        """The answer to one letter, or the first refusal on the way to it."""
        with smtplib.SMTP(
            "127.0.0.1", self.port, "client.test", timeout=WITHIN, source_address=(source, 0)
        ) as client:
            client.ehlo()
            for said in (client.mail("bounces@example.com", ["BODY=8BITMIME"]), client.rcpt(recipient)):
                if said[0] != 250:
                    return said
            try:
                return client.data(raw)
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code, bytes(refused.smtp_error)


@contextmanager
def running_sendmail() -> Iterator[Sendmail]:
    """A Sendmail that takes mail, asks the milter of docs/mta.md, and hands on to a server that keeps it."""
    port, next_hop = free_ports(2)
    # Sendmail trusts no socket that has a folder above it which everybody may write to, as /tmp.
    folder = Path(tempfile.mkdtemp(prefix="sm", dir="/run"))
    try:
        _configure(folder, port, next_hop)
        # Where the machine's own name has no dot, Sendmail sleeps for a minute first, whatever it is told.
        named = ["unshare", "--uts", "sh", "-c", 'hostname mx.test && exec "$@"', "sh"]
        command = [*named, str(PROGRAM), "-C", str(folder / "sendmail.cf"), "-bD", "-q1h"]
        with keeping(next_hop) as kept, child(command, folder / "words") as process:
            _wait_until_it_answers(folder, port, process)
            yield Sendmail(folder, port, kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, port: int, next_hop: int) -> None:
    folder.chmod(0o755)
    (folder / "queue").mkdir(mode=0o700)
    (folder / "names").write_text("mx.test\n")
    # No question goes to the DNS.
    (folder / "switch").write_text("hosts files\naliases files\n")
    lines = documented("sendmail:sendmail.mc").replace(MILTER_SOCKET, str(folder / "milter.sock"))
    told = MC.format(cf=CF, folder=folder, port=port, next_hop=next_hop, documented=lines)
    made = subprocess.run(["m4"], input=told.encode(), capture_output=True, check=True)
    (folder / "sendmail.cf").write_bytes(made.stdout)
    (folder / "sendmail.cf").chmod(0o644)


def _wait_until_it_answers(folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        assert process.poll() is None, (folder / "words").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as opened:
            if opened.recv(3) in (b"220", b"451"):
                return
        time.sleep(0.1)
    raise AssertionError(f"Sendmail did not start:\n{(folder / 'words').read_text()}")
