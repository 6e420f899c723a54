"""The installation of the rig: its folder, its process that can be killed, and calls that outlive a kill."""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailseal.app.installation import add_access_key, open_installation
from mailseal.sealing import Keyring, load_master_key, write_master_key
from mailseal.store.sqlite import SqliteStore
from tests.fakes import HOSTED_ZONE, START
from tests.faults.server import KEY, Answered, Client
from tests.peers import dns_daemons

CONFIG = """
[store]
database = "sqlite:{folder}/data/mailseal.db"
master_key = "file:{folder}/master.key"
[dns]
hosted_zone = "{zone}"
name_servers = ["ns1.{zone}"]
addresses = ["ns1.{zone} 127.0.0.1"]
listen = ["127.0.0.1:{dns}"]
key_ttl = 4
blank_ttl = 1
[resolver]
vantages = ["udp://127.0.0.1:{customers}"]
allow_networks = ["127.0.0.0/8"]
port = {customers}
[api]
listen = ["127.0.0.1:{api}"]
[keys]
stock_2048 = 0
stock_1024 = 30
[nexthop]
url = "maildir:{folder}/mail"
"""
CHECKOUT = Path(__file__).resolve().parents[3]
CALLERS = 12
STARTS_WITHIN_S = 30.0
ANSWERS_WITHIN_S = 60.0


@dataclass
class Installation:
    """One installation in a folder; `customers` is the port of the customers' DNS."""

    folder: Path
    customers: int
    api: int = field(default_factory=dns_daemons.free_port)
    dns: int = field(default_factory=dns_daemons.free_port)
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    async def install(self) -> None:
        """Writes the configuration, and makes the database with its one access key."""
        (self.folder / "data").mkdir()
        text = CONFIG.format(
            folder=self.folder, zone=HOSTED_ZONE, api=self.api, dns=self.dns, customers=self.customers
        )
        (self.folder / "mailseal.toml").write_text(text, encoding="utf-8")
        write_master_key(self.folder / "master.key")
        keyring = Keyring(load_master_key(f"file:{self.folder}/master.key"))
        store = SqliteStore.open(self.database)
        await open_installation(store, keyring, HOSTED_ZONE)
        await add_access_key(store, keyring, KEY, START)
        await store.close()

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.folder / "data" / "mailseal.db"

    @property
    def mailbox(self) -> Path:
        """Where mail arrives."""
        return self.folder / "mail" / "new"

    @property
    def log(self) -> Path:
        """Everything the process ever said."""
        return self.folder / "serve.log"

    def start(self) -> None:
        """Starts the process and returns when it says that it is ready."""
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.faults.zero_gap.program", str(self.folder / "mailseal.toml")]
        with self.log.open("ab") as log:
            at = log.seek(0, os.SEEK_END)
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=CHECKOUT)
        while b'"ready"' not in self.log.read_bytes()[at:]:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]
            assert time.monotonic() - began < STARTS_WITHIN_S, "the server is not ready"
            time.sleep(0.02)
        self.starts.append(time.monotonic() - began)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(10) == -9, "the server ended by itself"

    def stop(self) -> None:
        """SIGTERM, where it runs at all."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def faults(self) -> list[str]:
        """Lines of the log that tell of a fault or of a trace."""
        words = ('"fault"', "Traceback")
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if any(word in line for word in words)]


class Calls:
    """Signed requests from the event loop; one that dies with the server is sent again."""

    def __init__(self, port: int, broken: Callable[[], None]) -> None:
        self._port = port
        self._broken = broken
        self._threads = ThreadPoolExecutor(CALLERS, "caller")
        self._own = threading.local()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[Answered, int]:
        """The answer, and how often the request had been sent before without one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ANSWERS_WITHIN_S
        again = 0
        while True:
            answered = await loop.run_in_executor(self._threads, self._try, method, path, body)
            if answered is not None and answered.status < 500:
                return answered, again
            assert loop.time() < until, f"{method} {path}: {answered}"
            self._broken()
            again += 1
            await asyncio.sleep(0.2)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _try(self, method: str, path: str, body: dict[str, Any] | None) -> Answered | None:
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = Client(self._port)
        try:
            return client.call(method, path, body)
        except (OSError, http.client.HTTPException, ValueError):
            client.close()
            return None
