"""Mail handed in over eight SMTP connections that stay open, and a next hop that counts what came through.

Rule: MAIL, RCPT and DATA go out in one go, every answer must be the one that is due; a round ends when the
next hop has every message.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from _child import child, cpu_s
from _wire import Round

HERE = Path(__file__).resolve().parent
CONNECTIONS = 8
HEAD = (
    b"From: News <news@example.com>\r\nTo: you@example.net\r\nSubject: two kilobytes\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"A line of a mail of quite the usual length, sixty-odd octets.\r\n"
MAIL = HEAD + LINE * ((2048 - len(HEAD)) // len(LINE) + 1)
BEGIN = b"MAIL FROM:<news@example.com>\r\nRCPT TO:<you@example.net>\r\nDATA\r\n"


@dataclass(frozen=True)
class Target:
    """Where mail is handed in: a port, the processes whose time counts, and how one signs in."""

    port: int
    pids: tuple[int, ...]
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None

    def cpu_seconds(self) -> float:
        """User and system time of all that answers there."""
        return sum(cpu_s(pid) for pid in self.pids)


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


@contextmanager
def running_sink() -> Iterator[Sink]:
    """The next hop, ended with the block."""
    with child([sys.executable, "-P", str(HERE / "_sink.py")]) as process:
        yield Sink(process)


def measured(target: Target, sink: Sink, mails: int) -> Round:
    """One round, until the next hop has all of it."""
    before, latencies = sink.taken(), list[float]()
    cpu, began = target.cpu_seconds(), time.perf_counter()
    uvloop.run(_load(target, mails // CONNECTIONS, latencies))
    count = mails // CONNECTIONS * CONNECTIONS
    sink.wait_for(before + count)
    return Round(count, time.perf_counter() - began, target.cpu_seconds() - cpu, latencies)


async def _load(target: Target, each: int, latencies: list[float]) -> None:
    await asyncio.gather(*(_one(target, each, latencies) for _ in range(CONNECTIONS)))


async def _one(target: Target, each: int, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", target.port, ssl=target.tls, server_hostname="localhost" if target.tls else None
    )
    await _answered(reader, b"220")
    writer.write(b"EHLO bench.example\r\n")
    await _answered(reader, b"250")
    if target.login is not None:
        plain = "\0{}\0{}".format(*target.login).encode()
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
