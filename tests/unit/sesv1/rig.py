"""The query API without a network, over the real use cases and a real database.

Requests are signed by botocore, and answers read by its query parser: it has the last word on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import QueryParser
from botocore.serialize import create_serializer

from mailseal.core.access import EVERYTHING, AccessKey, Permissions, secret_name
from mailseal.core.limits import Limits
from mailseal.service.world import World
from mailseal.sesv1.http import QueryApi
from mailseal.sesv2.admission import Admission
from mailseal.telemetry import Line, Telemetry
from tests.fakes import FakeClock
from tests.unit.service.scenes import WHO, Scene, scene

SECRET = "test-secret-00000000000000000000000000000"
HOST = "email.us-east-1.mailseal.test"
MODEL = ServiceModel(Loader().load_service_model("ses", "service-2"))
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass
class TwoClocks(FakeClock):
    """A clock for due times that stands, and one for signatures that is set to each request's own time."""

    real: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def real_now(self) -> datetime:
        return self.real


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    content: bytes

    def parsed(self, action: str) -> dict[str, Any]:
        """What a client of botocore makes of it."""
        response = {"status_code": self.status, "headers": {}, "body": self.content}
        found: dict[str, Any] = QueryParser().parse(response, MODEL.operation_model(action).output_shape)
        return found

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and sentence of an error."""
        found = self.parsed("SendEmail")["Error"]
        return self.status, found["Code"], found["Message"]


@dataclass
class Rig:
    """One application and its scene."""

    here: Scene
    api: QueryApi
    lines: list[Line] = field(default_factory=list)

    async def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """What a client of botocore gets for an action that succeeds."""
        answer = await self.answer(action, **parameters)
        assert answer.status == 200, answer.content
        found = answer.parsed(action)
        found.pop("ResponseMetadata")
        return found

    async def answer(self, action: str, **parameters: Any) -> Answer:
        """The answer to an action, its form written by botocore."""
        made = create_serializer("query", include_validation=False).serialize_to_request(
            parameters, MODEL.operation_model(action)
        )
        return await self.form(**made["body"])

    async def form(self, **pairs: str) -> Answer:
        """The answer to a form of these pairs."""
        return await self.ask("POST", urlencode(pairs).encode())

    async def ask(
        self, method: str, body: bytes, *, query: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        """The answer to a signed request for the path `/`."""
        sent = {"Host": HOST, **({"Content-Type": FORM} if body else {}), **(headers or {})}
        url = f"http://{HOST}/" + (f"?{query}" if query else "")
        request = AWSRequest(method=method, url=url, data=body, headers=sent)
        SigV4Auth(Credentials(WHO.access_key_id, SECRET), "ses", "us-east-1").add_auth(request)
        stamp = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        pairs = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
        pairs.append((b"content-length", str(len(body)).encode()))
        return await self.raw(method, query.encode(), pairs, body, stamp)

    async def raw(
        self, method: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, at: datetime
    ) -> Answer:
        """The answer to a request as it is."""
        assert isinstance(self.here.clock, TwoClocks)
        self.here.clock.real = at
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "raw_path": b"/", "query_string": query}
        await self.api(scope | {"headers": headers}, receive, send)
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])


@asynccontextmanager
async def rig(
    folder: Path, *, permissions: Permissions = EVERYTHING, limits: Limits | None = None
) -> AsyncIterator[Rig]:
    """A rig on a database in that folder, with one access key."""
    async with scene(folder, clock=TwoClocks()) as here:
        await _add_key(here.world, permissions, limits)
        lines: list[Line] = []
        telemetry = Telemetry(lines.append, here.clock.real_now)
        yield Rig(here, QueryApi(here.world, telemetry, Admission(here.world)), lines)


async def _add_key(world: World, permissions: Permissions, limits: Limits | None) -> None:
    key = AccessKey(WHO.access_key_id, WHO.account_id, permissions=permissions)
    sealed = world.keyring.seal_secret(secret_name(key.access_key_id), SECRET.encode())

    def unit(tx: Any) -> None:
        tx.access_keys.add_account(WHO.account_id, world.clock.now())
        tx.access_keys.add(key, sealed, world.clock.now())
        account = tx.access_keys.account(WHO.account_id)
        if limits is not None:
            tx.access_keys.set_account(type(account)(WHO.account_id, limits=limits))

    await world.store.write(unit)


def play(folder: Path, story: Callable[[Rig], Awaitable[None]], **parts: Any) -> None:
    """Runs one story with a rig of its own."""

    async def run() -> None:
        async with rig(folder, **parts) as here:
            await story(here)

    asyncio.run(run())
