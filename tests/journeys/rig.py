"""The whole application on loopback for journeys: its own thread and event loop, customers' DNS, a Maildir.

The clock is the sandbox's, so that days pass in a moment; everything else is what `mailseal serve` runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, TypeVar

import boto3
import dkim
import dns.message
import dns.query
import dns.rdatatype
import uvloop
from botocore.config import Config as ClientConfig

from mailseal.app import Edges, Running, start
from mailseal.config import Config, parse_config
from mailseal.core.access import AccessKey, Principal
from mailseal.core.policy import Policy
from mailseal.core.verification import ed25519_records, expected_records
from mailseal.sandbox.clock import SandboxClock
from mailseal.sandbox.customer_dns import RunningCustomerDns, start_customer_dns
from mailseal.sandbox.settings import Ports
from mailseal.sandbox.zones import CustomerZones
from mailseal.sealing.masterkey import write_master_key
from mailseal.service.configure import get_identity
from mailseal.telemetry import Line

ZONE = "dkim.mx.example.net"
ACCOUNT, REGION = "000000000001", "us-east-1"
KEY = AccessKey("MSAKJOURNEY000000001", ACCOUNT, "journey-secret")
T = TypeVar("T")

CONFIG = """
[store]
database = "{database}"
folder = "{folder}/data"
master_key = "file:{folder}/master.key"
[dns]
hosted_zone = "{zone}"
name_servers = ["ns1.{zone}"]
addresses = ["ns1.{zone} 127.0.0.1"]
listen = ["127.0.0.1:{dns}"]
[resolver]
vantages = ["udp://127.0.0.1:{customers}"]
allow_networks = ["127.0.0.0/8"]
port = {customers}
[api]
listen = ["127.0.0.1:0"]
{api}
[keys]
stock_2048 = 2
stock_1024 = 1
{keys}
[nexthop]
url = "{next_hop}"
"""


@dataclass
class Rig:
    """A running Mailseal with its customers."""

    folder: Path
    next_hop: str = ""
    keys: str = ""
    """More lines of the section about keys."""
    api: str = ""
    """More lines of the section about the API."""
    lines: list[Line] = field(default_factory=list)
    clock: SandboxClock = field(default_factory=lambda: SandboxClock(None))
    zones: CustomerZones = field(default_factory=CustomerZones)
    ports: Ports = field(default_factory=Ports.free)
    access_keys: tuple[AccessKey, ...] = (KEY,)
    more: str = ""
    """More lines of the configuration."""

    def __post_init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rig", daemon=True)
        self._thread.start()
        self._customers: RunningCustomerDns | None = None
        self._running: Running | None = None
        (self.folder / "data").mkdir(exist_ok=True)
        if not (self.folder / "master.key").exists():
            write_master_key(self.folder / "master.key")

    @property
    def app(self) -> Running:
        """The application, which has been started."""
        assert self._running is not None
        return self._running

    @property
    def config(self) -> Config:
        """What it is started with."""
        url = self.folder / "postgresql.url"
        text = CONFIG.format(
            folder=self.folder,
            database=url.read_text() if url.exists() else f"sqlite:{self.folder}/data/mailseal.db",
            zone=ZONE,
            dns=self.ports.our_dns,
            customers=self.ports.customers_dns,
            keys=self.keys,
            api=self.api,
            next_hop=self.next_hop or f"maildir:{self.folder}/mailbox",
        )
        return parse_config(text + self.more, {}, where="the journey")

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """What an async function gives on the application's own event loop."""

        async def run() -> T:
            return await make()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(50)

    def start(self) -> None:
        """Starts customers' DNS and the application."""
        self.call(self._start)

    async def _start(self) -> None:
        if self._customers is None:
            forward = {ZONE: ("127.0.0.1", self.ports.our_dns)}
            at = ("127.0.0.1", self.ports.customers_dns)
            self._customers = await start_customer_dns(self.zones, at, forward)
        edges = Edges(
            clock=self.clock, access_keys=self.access_keys, on_log=self.lines.append, policy=quick_blanks
        )
        self._running = await start(self.config, edges=edges)

    def stop(self) -> None:
        """Stops the application; its data stays."""
        if self._running is not None:
            self.call(self._running.close)
            self._running = None

    def close(self) -> None:
        """Stops everything."""
        self.stop()
        if self._customers is not None:
            self.call(self._customers.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def client(self, **other: Any) -> Any:
        """A client of boto3."""
        return new_client(self, "sesv2", **other)

    def publish(self, domain: str) -> None:
        """Plays the owner: publishes what the newest setting asks for."""
        world = self.app.world
        who = Principal(ACCOUNT, REGION, "journey")
        now = self.clock.now()
        identity = self.call(lambda: get_identity(world, who, domain, now))
        wanted = expected_records(identity, identity.newest, now, world.policy)
        self.zones.publish(wanted + ed25519_records(identity, now, world.policy), ttl=5)

    def settle(self) -> None:
        """Does all that is due at this moment."""
        self.call(self.app.worker.catch_up)

    def advance(self, *, steps: int = 1, **by: float) -> None:
        """Moves the clock on, in equal steps, with all that is due done at each."""
        self.settle()
        for _ in range(steps):
            self.clock.move_to(self.clock.now() + timedelta(**by) / steps)
            self.settle()

    def mails(self) -> list[bytes]:
        """The mails in the Maildir, in the order in which they came."""
        return [path.read_bytes() for path in sorted((self.folder / "mailbox" / "new").iterdir())]

    def text_at(self, name: bytes | str, timeout: int = 5) -> bytes | None:
        """The TXT that a receiver's resolver finds at a name; what dkimpy asks for keys with."""
        asked = (name.decode() if isinstance(name, bytes) else name).rstrip(".")
        query = dns.message.make_query(asked, dns.rdatatype.TXT, use_edns=0, payload=1232)
        answer = dns.query.udp(query, "127.0.0.1", timeout=timeout, port=self.ports.customers_dns)
        texts = [b"".join(rdata.strings) for rrset in answer.answer for rdata in rrset if rdata.rdtype == 16]
        return texts[0] if texts else None

    def is_signed(self, mail: bytes) -> bool:
        """Whether dkimpy, fetching the key through the DNS, accepts the mail's signature."""
        return bool(dkim.verify(mail, dnsfunc=self.text_at))

    def dkim_status(self, name: str) -> str:
        """The status that GetEmailIdentity tells."""
        return str(self.client().get_email_identity(EmailIdentity=name)["DkimAttributes"]["Status"])


def new_client(rig: Rig, service: str, **other: Any) -> Any:
    """A client of boto3 for either version of SES's API."""
    named = {
        "endpoint_url": rig.app.api_url,
        "region_name": REGION,
        "aws_access_key_id": KEY.access_key_id,
        "aws_secret_access_key": KEY.secret,
        "config": ClientConfig(retries={"total_max_attempts": 1}, read_timeout=30),
    }
    return boto3.client(service, **(named | other))


def quick_blanks(policy: Policy) -> Policy:
    """The policy with a blank slot's TTL of a second, as in the sandbox: a new name waits for nobody."""
    return replace(policy, blank_ttl=1)


def selector_of(mail: bytes) -> str:
    """The s= of the topmost signature."""
    value = str(message_from_bytes(mail, policy=policy.compat32)["DKIM-Signature"])
    tags = dict(part.strip().split("=", 1) for part in value.replace("\n", "").split(";") if "=" in part)
    return tags["s"].strip()


@contextmanager
def running_rig(folder: Path, **settings: Any) -> Iterator[Rig]:
    """A rig that was started and will be closed."""
    rig = Rig(folder, **settings)
    try:
        rig.start()
        yield rig
    finally:
        rig.close()


def real_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)
