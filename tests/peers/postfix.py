"""A Postfix of our own for a test: its own queue and ports, configured by the lines that docs/mta.md shows.

The machine's own Postfix, if it has one, is neither asked nor touched.
"""

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
from tests.peers.nexthop import WITHIN, Kept, documented, keeping

# Nothing but what it takes; what a test shows is taken from docs/mta.md.
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = check_client_access static:permit, reject
smtpd_peername_lookup = no
smtp_tls_security_level = none
relayhost = [127.0.0.1]:{next_hop}
smtp_host_lookup = native
disable_dns_lookups = yes
"""
FOR_TESTS = """
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_sasl_auth_enable = no
minimal_backoff_time = 300s
message_size_limit = 20480000
mailbox_size_limit = 0
"""
# It passes on what it takes as fast as it can, with nothing held back.
UNHURRIED = """
in_flow_delay = 0
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
"""
SERVICES = """
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass
class Postfix:
    """A running Postfix, and where its mail goes."""

    folder: Path
    port: int
    bare_port: int
    """Takes mail without asking a milter."""
    kept: Kept

    @property
    def milter_socket(self) -> Path:
        """Where docs/mta.md puts the milter's socket."""
        return self.folder / "queue" / "mailseal" / "milter.sock"

    def client(self, *, login: str = "", address: str = "") -> smtplib.SMTP:
        """A client that Postfix takes for the one it is told."""
        client = smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=WITHIN)
        client.ehlo()
        attributes = [f"ADDR={address}"] if address else []
        attributes += [f"LOGIN={login}"] if login else []
        if attributes:
            code, text = client.docmd("XCLIENT", " ".join(attributes))
            assert code == 220, text
            client.ehlo()
        return client

    def hand_in(self, client: smtplib.SMTP, raw: bytes, recipient: str) -> tuple[int, bytes]:
        """The answer to one letter's DATA."""
        assert client.mail("bounces@example.com", ["BODY=8BITMIME"])[0] == 250
        assert client.rcpt(recipient)[0] == 250
        try:
            return client.data(raw)
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code, bytes(refused.smtp_error)

    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def command(self, *words: str) -> str:
        """What one of Postfix's own programs prints."""
        done = subprocess.run([words[0], "-c", str(self.folder / "conf"), *words[1:]], capture_output=True)
        return done.stdout.decode() + done.stderr.decode()


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """A Postfix that takes mail, asks the milter of docs/mta.md, and hands on to a server that keeps it."""
    port, bare, next_hop = free_ports(3)
    # Postfix's own users must be able to pass, and the paths of its sockets be short.
    folder = Path(tempfile.mkdtemp(prefix="pf"))
    try:
        (folder / "queue").mkdir(mode=0o755)
        (folder / "queue" / "mailseal").mkdir(mode=0o755)
        more = FOR_TESTS + documented("postfix:main.cf")
        listeners = (port, f"{bare} -o smtpd_milters=")
        with keeping(next_hop) as kept, postfix_in(folder, listeners, next_hop, more=more):
            yield Postfix(folder, port, bare, kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postfix_in(
    folder: Path, listeners: tuple[int | str, ...], next_hop: int, *, more: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """A Postfix in a folder, once it answers: takes mail on ports of loopback, each with options of its own
    behind a blank, and hands all of it on to another."""
    folder.chmod(0o755)
    for name in ("conf", "queue", "data"):
        (folder / name).mkdir(mode=0o755, exist_ok=True)
    shutil.chown(folder / "data", "postfix")
    told = [str(one).partition(" ") for one in listeners]
    master = "".join(f"127.0.0.1:{port} inet n - n - - smtpd {option}\n" for port, _, option in told)
    (folder / "conf" / "main.cf").write_text(MAIN.format(folder=folder, next_hop=next_hop) + more)
    (folder / "conf" / "master.cf").write_text(master + SERVICES)
    conf = str(folder / "conf")
    with (folder / "words").open("wb") as words:
        command = ["postfix", "-c", conf, "start-fg"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=words)
    try:
        _wait_until_it_answers(folder / "log", int(told[0][0]), process)
        yield process
    finally:
        subprocess.run(["postfix", "-c", conf, "stop"], capture_output=True, timeout=WITHIN)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait(30)


def _wait_until_it_answers(log: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        said = log.read_text("utf-8", "replace") if log.exists() else ""
        assert process.poll() is None, said
        assert ": fatal: " not in said, said
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as opened:
            if opened.recv(3) == b"220":
                return
        time.sleep(0.1)
    raise AssertionError(f"Postfix did not start:\n{log}")
