"""The front end without a network: a signing client, a world of one access key, and use cases that are data.

Requests are signed by botocore, which has the last word on what a right signature is.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mailseal.core.access import AccessKey
from mailseal.core.attributes import Attributes, Neighbours
from mailseal.core.errors import AlreadyExists, NotFound
from mailseal.core.identity import ByoDkim, EasyDkim, Identity, Setting
from mailseal.core.keys import KeyRef
from mailseal.core.lifecycle import DkimStatus, started
from mailseal.core.rotation import KeySlot, SlotState
from mailseal.core.stored import IdentitySummary
from mailseal.service.attributes import Described
from mailseal.sesv2.calls import UseCases
from mailseal.sesv2.http import SesApi
from mailseal.telemetry import Line, Telemetry

KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "test-secret-00000000000000000000000000000"
DISABLED_ID = "AKIADISABLEDDISABLED"
HOST = "email.us-east-1.mailseal.test"
MADE_AT = datetime(2026, 11, 23, 14, 3, 11, 83000, tzinfo=UTC)
ZONE = "dkim.mx.example.net"
TOKENS = tuple(letter * 32 for letter in "abc")


def key(bits: int = 2048) -> KeyRef:
    """A reference to a key that does not exist."""
    return KeyRef(f"key-{bits}", bits, b"public")


def easy(name: str = "example.com", bits: int = 2048) -> Identity:
    """An identity with Easy DKIM, PENDING, its first slot active."""
    slots = [KeySlot(number, token, ZONE) for number, token in enumerate(TOKENS)]
    slots[0] = replace(slots[0], state=SlotState.ACTIVE, key=key(2048), placed_at=MADE_AT)
    newest = Setting("s1", EasyDkim(bits), started(MADE_AT))
    return Identity("1" * 12, "us-east-1", name, MADE_AT, newest, tuple(slots), last_key_at=MADE_AT)


def byodkim(name: str = "example.com", selector: str = "s1") -> Identity:
    """The same identity with a key of the customer's, PENDING."""
    setting = Setting("s2", ByoDkim(selector, key()), started(MADE_AT))
    return replace(easy(name), newest=setting)


@dataclass
class World:
    """What the front end sees of a world; `clock` is set to the time of each signed request."""

    real: datetime = MADE_AT
    regions: tuple[str, ...] = ("us-east-1", "eu-west-1")
    reads: int = 0
    store: Any = None
    keyring: Any = None
    clock: Any = None

    def __post_init__(self) -> None:
        known = {
            KEY_ID: AccessKey(KEY_ID, "1" * 12),
            DISABLED_ID: AccessKey(DISABLED_ID, "1" * 12, enabled=False),
        }
        decoy = (AccessKey("decoy", "0" * 12), b"", False)
        keys = SimpleNamespace(
            look_up=lambda name: (known[name], SECRET.encode(), True) if name in known else decoy
        )

        kept: dict[Any, bytes] = {}

        def save(*told: Any) -> bool:
            kept[told[:3]] = told[3]
            return True

        answers = SimpleNamespace(load=lambda *call: kept.get(call[:3]), save=save)
        tx = SimpleNamespace(access_keys=keys, answers=answers)

        async def read(unit: Any) -> Any:
            self.reads += 1
            return unit(tx)

        async def write(unit: Any) -> Any:
            return unit(tx)

        self.store = SimpleNamespace(read=read, write=write)
        self.keyring = SimpleNamespace(open_secret=lambda name, sealed: sealed)
        self.clock = SimpleNamespace(now=lambda: MADE_AT, real_now=lambda: self.real)


@dataclass
class Cases:
    """Use cases over a dict; every command that arrives is kept, in order."""

    identities: dict[str, Identity] = field(default_factory=dict)
    beside: dict[str, Neighbours] = field(default_factory=dict)
    arrived: list[Any] = field(default_factory=list)
    raises: Exception | None = None
    pause: float = 0.0

    async def _came(self, who: Any, what: Any) -> None:
        self.arrived.append(what)
        if self.pause:
            await asyncio.sleep(self.pause)
        if self.raises is not None:
            raise self.raises

    def _found(self, name: str) -> Identity:
        if name not in self.identities:
            raise NotFound(f"Email identity {name} does not exist.", hint="did you mean example.com?")
        return self.identities[name]

    async def create_identity(self, world: Any, who: Any, command: Any, now: datetime) -> Identity:
        await self._came(who, command)
        if command.name in self.identities:
            raise AlreadyExists(f"Email identity {command.name} already exist.")
        own = command.dkim is not None and command.dkim.selector is not None
        made = byodkim(command.name, command.dkim.selector) if own else easy(command.name)
        self.identities[command.name] = made
        self.beside[command.name] = Neighbours(Attributes(tags=command.tags))
        return made

    async def put_dkim_signing(self, world: Any, who: Any, command: Any, now: datetime) -> Identity:
        await self._came(who, command)
        self._found(command.name)
        selector = command.dkim.selector if command.dkim else None
        changed = byodkim(command.name, selector) if selector else easy(command.name)
        self.identities[command.name] = changed
        return changed

    async def put_dkim_attributes(self, world: Any, who: Any, command: Any, now: datetime) -> None:
        await self._came(who, command)
        found = self._found(command.name)
        self.identities[command.name] = replace(found, signing_enabled=command.signing_enabled)

    async def describe_identity(self, world: Any, who: Any, name: str, now: datetime) -> Described:
        await self._came(who, ("get", name))
        return Described(self._found(name), self.beside.get(name, Neighbours()))

    async def list_identities(self, world: Any, who: Any, command: Any, now: datetime) -> Any:
        await self._came(who, command)
        rows = tuple(IdentitySummary(name, DkimStatus.PENDING, False) for name in sorted(self.identities))
        more = "sealed-token" if len(rows) > command.page_size else None
        return SimpleNamespace(items=rows[: command.page_size], next_token=more)

    async def delete_identity(self, world: Any, who: Any, name: str, now: datetime) -> None:
        await self._came(who, ("delete", name))
        self._found(name)
        del self.identities[name]

    async def neighbours(self, asked: Any) -> bytes:
        await self._came(asked.who, (asked.operation, asked.identity, asked.other))
        return b"{}"

    async def send_email(self, world: Any, who: Any, command: Any, now: datetime) -> str:
        await self._came(who, command)
        return "0100019af0000000-11111111-2222-3333-4444-555555555555-000000"


@dataclass(frozen=True)
class Wire:
    """A request as it goes over the wire."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    time: datetime

    def header(self, name: bytes) -> bytes:
        """The first value of a header."""
        return next(value for header, value in self.headers if header == name)

    def with_header(self, name: bytes, value: bytes) -> Wire:
        """The request with one header's value put in the place of the old one, or added."""
        others = [pair for pair in self.headers if pair[0] != name]
        return replace(self, headers=(*others, (name, value)))

    def without_header(self, name: bytes) -> Wire:
        """The request without a header."""
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0] != name))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    content: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.content)

    @property
    def error(self) -> str | None:
        """The name in x-amzn-ErrorType."""
        found = self.headers.get(b"x-amzn-errortype")
        return found.decode() if found else None


def signed(
    method: str,
    path: str,
    body: Any = None,
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    region: str = "us-east-1",
    service: str = "ses",
    credentials: tuple[str, str] = (KEY_ID, SECRET),
) -> Wire:
    """A request signed by botocore at this moment; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {"Host": HOST, **({"Content-Type": "application/json"} if content else {}), **(headers or {})}
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=content, headers=sent)
    SigV4Auth(Credentials(*credentials), service, region).add_auth(request)
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    if content or method != "GET":
        pairs.append((b"content-length", str(len(content)).encode()))
    time = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return Wire(method, path.encode(), query.encode(), tuple(pairs), content, time)


class Rig:
    """One application and its world."""

    def __init__(self) -> None:
        self.world = World()
        self.cases = Cases()
        self.lines: list[Line] = []
        names = UseCases.__slots__
        use_cases = UseCases(**{name: getattr(self.cases, name) for name in names})
        telemetry = Telemetry(self.lines.append, lambda: self.world.real)
        self.api = SesApi(self.world, telemetry, self._native, use_cases)

    async def _native(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def ask(self, wire: Wire, *, late: timedelta = timedelta(0), pieces: int = 1) -> Answer:
        """The answer to one request, at the time of its signature or `late` after it."""
        return asyncio.run(self.asked(wire, late=late, pieces=pieces))

    async def asked(self, wire: Wire, *, late: timedelta = timedelta(0), pieces: int = 1) -> Answer:
        """The same within a running loop."""
        self.world.real = wire.time + late
        return await answered(self.api, wire, pieces=pieces)


async def answered(api: SesApi, wire: Wire, *, pieces: int = 1) -> Answer:
    """The answer of an application to one request, its body arriving in pieces."""
    size = max(1, -(-len(wire.body) // pieces))
    parts = [wire.body[at : at + size] for at in range(0, len(wire.body), size)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": place < len(parts)}
        for place, part in enumerate(parts, 1)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": wire.method,
        "raw_path": wire.path,
        "query_string": wire.query,
        "headers": list(wire.headers),
    }
    await api(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])


def refusal(answer: Answer) -> tuple[int, str | None, str]:
    """What the error table lists of an answer."""
    return answer.status, answer.error, answer.json["message"]


IDENTITIES = "/v2/email/identities"
