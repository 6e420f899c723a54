"""What a sandbox is started with: where its data is, which ports it takes, how its customers behave.

Rule: everything is on loopback; the access key is fixed, no secret, and refused by `serve`.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path

ACCESS_KEY_ID = "MSSANDBOX00000000001"
ACCESS_KEY = "sandbox-only-000000000000000000000000001"
ACCOUNT_ID = "000000000001"
REGION = "us-east-1"
HOSTED_ZONE = "dkim.mailseal.test"
NAME_SERVER = "ns1.dkim.mailseal.test"
LOOPBACK = "127.0.0.1"
RESOLVERS = (LOOPBACK, "127.0.0.2") if sys.platform == "linux" else (LOOPBACK,)
"""Where a sandbox's domains are looked at from: two networks, where loopback has more than one address."""
BLANK_TTL = 1
"""Seconds that "nothing here yet" may be remembered: a developer waits for it, so it is short."""
ANY_CREDENTIALS = "every access key that does not exist is let in, its signature unread: for test suites only"

_API, _OUR_DNS, _CUSTOMERS_DNS = 80, 53, 54
PORT_BASE = 7000
_BELOW_CONNECTIONS = range(10_000, 32_768)
_PORTS_TRIED = 200
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


class DurationError(ValueError):
    """The text is not a duration."""


def parse_duration(text: str) -> timedelta:
    """The length of time that `90s`, `10m`, `72h`, `8d` or `1h30m` names; raises DurationError.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise DurationError(f"{text!r} is not a duration; write 90s, 10m, 72h or 8d")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise DurationError(f"{text!r} is too long") from None


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on 127.0.0.1 that a sandbox takes."""

    api: int
    our_dns: int
    customers_dns: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """The ports at their fixed places above a base: 7080, 7053 and 7054 above 7000."""
        return cls(base + _API, base + _OUR_DNS, base + _CUSTOMERS_DNS)

    @classmethod
    def free(cls) -> Ports:
        """Three ports that nothing listens on, neither TCP nor UDP, at this moment."""
        return cls(*free_ports(3))


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports of 127.0.0.1 that nothing has at this moment, neither TCP nor UDP.

    They lie below those that the kernel gives to connections: between now and the moment at which they are
    taken, no client's socket can get one by chance.
    """
    with ExitStack() as held:
        return tuple(_held_port(held) for _ in range(count))


def _held_port(held: ExitStack) -> int:
    for _ in range(_PORTS_TRIED):
        port = _BELOW_CONNECTIONS.start + secrets.randbelow(len(_BELOW_CONNECTIONS))
        with ExitStack() as both:
            try:
                for host, kind in product(RESOLVERS, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                    both.enter_context(socket.socket(socket.AF_INET, kind)).bind((host, port))
            except OSError:
                continue
            held.push(both.pop_all())
            return port
    raise OSError(f"none of {_PORTS_TRIED} ports of {LOOPBACK} was free")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """One start of a sandbox; `publish_after` None: customers publish only what they are told to."""

    data: Path
    ports: Ports
    publish_after: timedelta | None = None
    speed: float = 1.0
    access_keys: tuple[tuple[str, str], ...] = ()
    """Further access keys with their secrets; the first is the one that is shown."""
    any_credentials: bool = False

    @property
    def shown_key(self) -> tuple[str, str]:
        """The access key that clients are told, with its secret."""
        return next(iter(self.access_keys), (ACCESS_KEY_ID, ACCESS_KEY))

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "store" / "mailseal.db"

    @property
    def mailbox(self) -> Path:
        """The Maildir that takes all mail."""
        return self.data / "mailbox"

    @property
    def clock_file(self) -> Path:
        """Where the clock's lead is kept."""
        return self.data / "clock.json"

    @property
    def zones_file(self) -> Path:
        """Where the customers' records are kept."""
        return self.data / "customers.json"

    @property
    def place_file(self) -> Path:
        """Where a running sandbox says how to reach it."""
        return self.data / "sandbox.json"

    @property
    def master_key(self) -> Path:
        """The master key; not in the database's folder, where it would be backed up with what it seals."""
        return self.data / "master.key"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running sandbox is to be found."""

    pid: int
    api_url: str
    our_dns: str
    customers_dns: str
    mailbox: str


def write_place(path: Path, place: Place) -> None:
    """Leaves word of a running sandbox in its data folder."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps(asdict(place)), encoding="utf-8")
    written.replace(path)


def read_place(path: Path) -> Place | None:
    """The sandbox that last wrote its place there; None where there is none. It may be gone by now."""
    try:
        return Place(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def environment(api_url: str, access_key_id: str = ACCESS_KEY_ID, secret: str = ACCESS_KEY) -> dict[str, str]:
    """The variables by which any AWS client finds a sandbox, whichever version of SES's API it speaks; boto3
    reads one region name, JS the other."""
    return {
        "AWS_ENDPOINT_URL_SESV2": api_url,
        "AWS_ENDPOINT_URL_SES": api_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
