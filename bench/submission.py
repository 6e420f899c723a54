"""Mail submission, 2 kB: signed in, signed, at the next hop, beside Postfix that only relays.

Eight connections that stay open hand over mail, MAIL, RCPT and DATA in one go; the next hop takes everything.
A round ends when the next hop has every message. `submission.2kB` is AUTH in clear, `.tls` the same inside
TLS. Postfix (null relay, neither AUTH nor TLS nor signature) has its queue on the same disk. The aim: as many
a core as Postfix relays.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from _child import child, cpu_s
from _wire import Round, folder, report

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from mailseal.core.smtpaccess import smtp_password  # noqa: E402
from mailseal.sandbox.settings import free_ports  # noqa: E402
from tests.faults.server import KEY, REGION, Server, prove  # noqa: E402
from tests.journeys.submitting import write_certificate  # noqa: E402

CONNECTIONS, ROUNDS, MAILS = 8, 5, 2400
HEAD = (
    b"From: News <news@example.com>\r\nTo: you@example.net\r\nSubject: two kilobytes\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"A line of a mail of quite the usual length, sixty-odd octets.\r\n"
MAIL = HEAD + LINE * ((2048 - len(HEAD)) // len(LINE) + 1)
BEGIN = b"MAIL FROM:<news@example.com>\r\nRCPT TO:<you@example.net>\r\nDATA\r\n"

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.test
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = check_client_access static:permit, reject
smtpd_peername_lookup = no
smtp_tls_security_level = none
relayhost = [127.0.0.1]:{sink}
smtp_host_lookup = native
disable_dns_lookups = yes
in_flow_delay = 0
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
"""
POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Target:
    """Where mail is submitted: a port, who answers there, and how one signs in."""

    port: int
    pid: int
    sign_in: bool = False
    tls: ssl.SSLContext | None = None


class Sink:
    """The next hop's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.port = int(self._out.readline())

    def taken(self) -> int:
        """How many messages it has."""
        self._in.write("\n")
        self._in.flush()
        return int(self._out.readline())

    def wait_for(self, count: int) -> None:
        """Until it has so many."""
        ends = time.monotonic() + 120
        while self.taken() < count:
            if time.monotonic() > ends:
                raise SystemExit("the next hop did not get every message")
            time.sleep(0.002)


def main() -> int:
    """Rounds in turn."""
    rounds, mails = (1, 240) if "--quick" in sys.argv else (ROUNDS, MAILS)
    with ExitStack() as open_now:
        sink = Sink(open_now.enter_context(child([sys.executable, "-P", str(HERE / "_sink.py")])))
        clear, tls = open_now.enter_context(mailseal(sink.port))
        targets = {"ours": clear, "tls": tls}
        if shutil.which("postfix") and os.geteuid() == 0:
            targets["postfix-relay"] = open_now.enter_context(postfix(sink.port))
        else:
            print("submission: no Postfix here, or not root: its figure is left out", file=sys.stderr)
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for target in targets.values():
            measured(target, sink, mails // 4)
        for _ in range(rounds):
            for name, target in targets.items():
                results[name].append(measured(target, sink, mails))
    inside = results.pop("tls")
    report("submission.2kB", results.pop("ours"), results)
    report("submission.2kB.tls", inside, results)
    return 0


def measured(target: Target, sink: Sink, mails: int) -> Round:
    """One round, until the next hop has all of it."""
    before, latencies = sink.taken(), list[float]()
    cpu, began = cpu_s(target.pid), time.perf_counter()
    uvloop.run(_load(target, mails // CONNECTIONS, latencies))
    count = mails // CONNECTIONS * CONNECTIONS
    sink.wait_for(before + count)
    return Round(count, time.perf_counter() - began, cpu_s(target.pid) - cpu, latencies)


async def _load(target: Target, each: int, latencies: list[float]) -> None:
    await asyncio.gather(*(_one(target, each, latencies) for _ in range(CONNECTIONS)))


async def _one(target: Target, each: int, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", target.port, ssl=target.tls, server_hostname="localhost" if target.tls else None
    )
    await _answered(reader, b"220")
    writer.write(b"EHLO bench.example\r\n")
    await _answered(reader, b"250")
    if target.sign_in:
        plain = f"\0{KEY.access_key_id}\0{smtp_password(KEY.secret, REGION)}".encode()
        writer.write(b"AUTH PLAIN " + base64.b64encode(plain) + b"\r\n")
        await _answered(reader, b"235")
    for _ in range(each):
        began = time.perf_counter()
        writer.write(BEGIN)
        for code in (b"250", b"250", b"354"):
            await _answered(reader, code)
        writer.write(MAIL + b".\r\n")
        await _answered(reader, b"250")
        latencies.append(time.perf_counter() - began)
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def _answered(reader: asyncio.StreamReader, code: bytes) -> None:
    line = b"---- "
    while line[3:4] == b"-":
        async with asyncio.timeout(30):
            line = await reader.readline()
    if not line.startswith(code):
        raise SystemExit(f"{line!r} where {code!r} was due")


@contextmanager
def mailseal(sink: int) -> Iterator[tuple[Target, Target]]:
    """`mailseal serve` with a proven identity: its ports for mail in clear and inside TLS."""
    with folder() as name:
        place, (port, tls_port) = Path(name), free_ports(2)
        certificate, key = write_certificate(place)
        settings = {
            "MAILSEAL_NEXTHOP_URL": f"smtp://127.0.0.1:{sink}",
            "MAILSEAL_SUBMISSION_LISTEN": f"127.0.0.1:{port}",
            "MAILSEAL_SUBMISSION_LISTEN_TLS": f"127.0.0.1:{tls_port}",
            "MAILSEAL_SUBMISSION_CERTIFICATE": str(certificate),
            "MAILSEAL_SUBMISSION_CERTIFICATE_KEY": str(key),
            "MAILSEAL_SUBMISSION_PLAINTEXT_ON_LOOPBACK": "true",
        }
        server = Server(place, environment=os.environ | settings)
        asyncio.run(prove(server))
        server.start()
        assert server.process is not None
        try:
            trusting = ssl.create_default_context(cafile=str(certificate))
            pid = server.process.pid
            yield Target(port, pid, sign_in=True), Target(tls_port, pid, sign_in=True, tls=trusting)
        finally:
            server.stop()


@contextmanager
def postfix(sink: int) -> Iterator[Target]:
    """A Postfix of our own that relays all it gets."""
    with folder() as name:
        place, (port,) = Path(name), free_ports(1)
        place.chmod(0o755)
        for part in ("queue", "data", "etc"):
            (place / part).mkdir()
        shutil.chown(place / "data", "postfix")
        values = {"folder": place, "sink": sink, "port": port}
        (place / "etc" / "main.cf").write_text(POSTFIX_MAIN.format(**values))
        (place / "etc" / "master.cf").write_text(POSTFIX_MASTER.format(**values))
        process = subprocess.Popen(
            ["postfix", "-c", str(place / "etc"), "start-fg"], stderr=subprocess.DEVNULL
        )
        try:
            _wait_until_open(port)
            yield Target(port, process.pid)
        finally:
            subprocess.run(
                ["postfix", "-c", str(place / "etc"), "stop"], stderr=subprocess.DEVNULL, check=False
            )
            process.wait(60)


def _wait_until_open(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.05)
    raise SystemExit("Postfix does not answer")


if __name__ == "__main__":
    sys.exit(main())
