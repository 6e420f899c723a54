"""The peers of the API's benches: MiniStack and moto, each in a process of its own, from a lock of their own.

Rule: neither checks a signature or keeps anything beyond its process. A peer that cannot be had is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _wire import Server, load, signed

from mailseal.sandbox.settings import Ports

HERE = Path(__file__).resolve().parent
PLACE = HERE.parent / ".dev" / "peers"
IDENTITIES = "/v2/email/identities"
AT_MOST_SECONDS = 30.0
COMMANDS = {
    "ministack": ["ministack"],
    "moto": ["moto_server", "-H", "127.0.0.1", "-p", "{port}"],
}


@contextmanager
def peers(*names: str) -> Iterator[dict[str, Server]]:
    """Those of the named peers that run, each ended with the block."""
    with ExitStack() as stack:
        found = {}
        gap = _bring()
        for name in names or COMMANDS:
            running = None if gap else stack.enter_context(_started(name))
            if running is None:
                print(f"# without {name}: {gap or 'it did not start'}", flush=True)
            else:
                found[name] = running
        yield found


def _bring() -> str:
    sys.path.append(str(HERE.parent / "tools"))
    from environments import bring

    return bring(HERE / "peers", PLACE)


@contextmanager
def _started(name: str) -> Iterator[Server | None]:
    port = Ports.free().api
    program, *rest = (part.format(port=port) for part in COMMANDS[name])
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [str(PLACE / "bin" / program), *rest],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        server = Server(port, process.pid, whole_tree=True)
        yield server if _answers(server, process) else None
    finally:
        process.terminate()
        process.wait(20)


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + AT_MOST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=5).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
    return False


def creations(port: int, names: list[str]) -> list[bytes]:
    """A CreateEmailIdentity for each name."""
    return [signed(port, "POST", IDENTITIES, {"EmailIdentity": name}) for name in names]


def seed(server: Server, count: int) -> None:
    """So many identities, d0.example and on, by the peer's own CreateEmailIdentity."""
    load(server, creations(server.port, [f"d{number}.example" for number in range(count)]))
