"""A whole Mailseal on loopback, in a thread of its own, with a DNS in which nobody answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as BotoConfig

from mailseal.app import Edges, start
from mailseal.config import ApiConfig, Config, DnsConfig, KeysConfig, NextHopConfig, StoreConfig
from mailseal.core.access import AccessKey
from mailseal.core.observations import AuthorityReport, Observation, Question
from mailseal.sealing.masterkey import write_master_key
from mailseal.telemetry import Line

KEY = AccessKey("AKIAWIREWIREWIREWIRE", "000000000001", "wire-secret-00000000000000000000000000000")


class SilentResolver:
    """A DNS in which nobody answers."""

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport:
        return AuthorityReport(None, detail="nobody answers")

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        return ()


@dataclass
class Application:
    """A whole Mailseal on loopback, in a thread of its own."""

    folder: Path
    url: str = ""
    lines: list[Line] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def config(self) -> Config:
        master = self.folder / "master.key"
        write_master_key(master)
        data = self.folder / "data"
        data.mkdir()
        return Config(
            store=StoreConfig(database=f"sqlite:{data / 'mailseal.db'}", master_key=f"file:{master}"),
            dns=DnsConfig(hosted_zone="dkim.wire.test", listen=("127.0.0.1:0",)),
            keys=KeysConfig(stock_2048=0, stock_1024=0, own_keys_per_second=0),
            api=ApiConfig(listen=("127.0.0.1:0",), regions=("us-east-1", "eu-west-1")),
            nexthop=NextHopConfig(url=f"maildir:{data / 'mail'}"),
        )

    async def run(self, ready: threading.Event, stop: asyncio.Event) -> None:
        edges = Edges(access_keys=(KEY,), resolver=SilentResolver(), on_log=self.lines.append)
        running = await start(self.config(), edges=edges)
        self.url = running.api_url
        ready.set()
        await stop.wait()
        await running.close()

    def client(self, region: str = "us-east-1") -> Any:
        if region not in self.clients:
            self.clients[region] = self.new_client(region)
        return self.clients[region]

    def new_client(self, region: str) -> Any:
        return boto3.client(
            "sesv2",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=KEY.access_key_id,
            aws_secret_access_key=KEY.secret,
            config=BotoConfig(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
        )


@contextmanager
def running(folder: Path) -> Iterator[Application]:
    """An application that answers, ended with the block."""
    made = Application(folder)
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await made.run(ready, stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    try:
        yield made
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
