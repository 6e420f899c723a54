"""Load for the API's benches: signed requests over kept connections, and the CPU that the server spent.

Rule: requests are signed before the clock starts; every answer must be a 200; loopback only. A peer that
closes its connections gets new ones; making them is no part of its latencies.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop
from _child import cpu_s
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HERE = Path(__file__).resolve().parent
KEY_ID, SECRET = "AKIABENCHBENCHBENCH0", "bench-secret-0000000000000000000000000000"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server process that answers."""

    port: int
    pid: int
    whole_tree: bool = False
    """Whether its children that live count, too."""

    def cpu_seconds(self) -> float:
        """User and system time of the process and of children it has waited for."""
        if self.whole_tree:
            return cpu_s(self.pid)
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / TICKS


@dataclass(frozen=True)
class Round:
    """What one round of load came to."""

    requests: int
    wall_seconds: float
    cpu_seconds: float
    latencies: list[float]

    @property
    def per_core(self) -> float:
        """Requests for each second of the server's CPU."""
        # The kernel counts in hundredths of a second; a quick look may be shorter than that.
        return self.requests / max(self.cpu_seconds, 0.01)


@contextmanager
def mailseal(**options: int) -> Iterator[Server]:
    """A Mailseal in a folder of its own; the options are those of `_serve.Options`."""
    with folder() as place, _server("mailseal", json.dumps({"folder": place, **options})) as running:
        yield running


@contextmanager
def hello(answer_bytes: int) -> Iterator[Server]:
    """uvicorn with an application that says as many bytes and does nothing."""
    with _server("hello", str(answer_bytes)) as running:
        yield running


@contextmanager
def _server(*arguments: str) -> Iterator[Server]:
    """A server of `_serve.py`, ended by closing its standard input."""
    # -P: a bench named like a package (dns) must not be found in that package's place.
    command = [sys.executable, "-P", str(HERE / "_serve.py"), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE.parent)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the bench's server did not start; its words stand above")
        yield Server(json.loads(line)["port"], process.pid)
    finally:
        process.stdin.close()
        process.wait(60)


@contextmanager
def folder() -> Iterator[str]:
    """A folder for one run, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-") as name:
        yield name


def signed(port: int, method: str, path: str, body: object = None) -> bytes:
    """A request as bytes, signed by botocore at this moment."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"Host": f"127.0.0.1:{port}", "User-Agent": "bench", "amz-sdk-request": "attempt=1; max=3"}
    if content:
        headers |= {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}{path}"
    request = AWSRequest(method=method, url=url, data=content, headers=headers)
    SigV4Auth(Credentials(KEY_ID, SECRET), "ses", "us-east-1").add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    if content:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class _Caller(asyncio.Protocol):
    """One caller: the next request goes out when the last answer has come in."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], port: int) -> None:
        self._requests, self._latencies, self._port = requests, latencies, port
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits = False
        self._received = b""
        self._sent_at = 0.0

    async def connect(self) -> None:
        """Opens a connection, on which the next request goes out."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            transport.close()
            return
        self._send(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        lower = head.lower()
        if len(body) < int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(f"{head[:40]!r} {body[:200]!r}")
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._received, self._waits = b"", False
        if b"connection: close" in lower:
            self._transport.close()
            self._again = asyncio.ensure_future(self.connect())
            return
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._send(request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waits:
            self._fail(f"connection lost: {exc}")

    def _send(self, request: bytes) -> None:
        self._sent_at, self._waits = time.perf_counter(), True
        self._transport.write(request)

    def _fail(self, words: str) -> None:
        self._waits = False
        if not self.done.done():
            self.done.set_exception(RuntimeError(words))
        self._transport.close()


async def _load(target: Server, requests: list[bytes], connections: int) -> Round:
    latencies: list[float] = []
    source = iter(requests)
    callers = [_Caller(source, latencies, target.port) for _ in range(connections)]
    cpu, began = target.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(caller.connect() for caller in callers))
    await asyncio.gather(*(caller.done for caller in callers))
    wall = time.perf_counter() - began
    return Round(len(requests), wall, target.cpu_seconds() - cpu, latencies)


def load(target: Server, requests: list[bytes], connections: int = 32) -> Round:
    """One round: all requests over so many connections."""
    return uvloop.run(_load(target, requests, connections))


def report(name: str, ours: list[Round], peers: dict[str, list[Round]]) -> None:
    """The lines of one figure: a core's rate with its ratio to each peer's, then wall, CPU and latency."""
    rate = median(r.per_core for r in ours)
    wall = median(r.requests / r.wall_seconds for r in ours)
    for of, rounds in peers.items():
        other = median(r.per_core for r in rounds)
        print(f"{name} {rate:.0f} requests/s/core ratio={rate / other:.2f} of={of} peer={other:.0f}")
    for of, rounds in peers.items():
        other = median(r.requests / r.wall_seconds for r in rounds)
        print(f"{name}.wall {wall:.0f} requests/s ratio={wall / other:.2f} of={of} peer={other:.0f}")
    slowest = sorted(latency for r in ours for latency in r.latencies)
    print(f"{name}.cpu {1e6 / rate:.0f} us ratio=- of=-")
    print(f"{name}.p50 {1000 * median(slowest):.2f} ms ratio=- of=-")
    print(f"{name}.p99 {1000 * slowest[int(len(slowest) * 0.99)]:.2f} ms ratio=- of=-", flush=True)
