"""Load for the API's benches: signed requests over kept connections, and the CPU that the server spent.

Rule: requests are signed before the clock starts; every answer must be a 200; loopback only.
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

    def cpu_seconds(self) -> float:
        """User and system time of the process and of children it has waited for."""
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
        return self.requests / self.cpu_seconds


@contextmanager
def server(*arguments: str) -> Iterator[Server]:
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
    """One connection: the next request goes out when the last answer has come in."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], done: asyncio.Future[None]) -> None:
        self._requests, self._latencies, self._done = requests, latencies, done
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(f"{head[:40]!r} {body[:200]!r}")
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._received = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._fail(f"connection lost: {exc}")

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _fail(self, words: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(words))
        self._transport.close()


async def _load(target: Server, requests: list[bytes], connections: int) -> Round:
    loop = asyncio.get_running_loop()
    source, latencies = iter(requests), []
    ends = [loop.create_future() for _ in range(connections)]
    cpu, began = target.cpu_seconds(), time.perf_counter()
    for end in ends:
        await loop.create_connection(
            lambda end=end: _Caller(source, latencies, end), "127.0.0.1", target.port
        )
    await asyncio.gather(*ends)
    wall = time.perf_counter() - began
    # The kernel counts in hundredths of a second; the round is long enough for that.
    return Round(len(requests), wall, target.cpu_seconds() - cpu, latencies)


def load(target: Server, requests: list[bytes], connections: int = 32) -> Round:
    """One round: all requests over so many connections."""
    return uvloop.run(_load(target, requests, connections))


def report(name: str, ours: list[Round], peer: list[Round], of: str) -> None:
    """The lines of one figure: a core's rate with its ratio to the peer's, then wall, CPU and latency."""
    rate, other = median(r.per_core for r in ours), median(r.per_core for r in peer)
    slowest = sorted(latency for r in ours for latency in r.latencies)
    wall = median(r.requests / r.wall_seconds for r in ours)
    print(f"{name} {rate:.0f} requests/s/core ratio={rate / other:.2f} of={of}")
    print(f"{name}.cpu {1e6 / rate:.0f} us ratio={other / rate:.2f} of={of}")
    print(f"{name}.wall {wall:.0f} requests/s ratio={wall / other:.2f} of={of}")
    print(f"{name}.p50 {1000 * median(slowest):.2f} ms ratio=- of=-")
    print(f"{name}.p99 {1000 * slowest[int(len(slowest) * 0.99)]:.2f} ms ratio=- of=-", flush=True)
