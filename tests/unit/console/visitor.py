"""A browser's part without a browser: cookies, forms and redirects, asked of the console itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from mailseal.console.app import Console
from mailseal.core.access import Principal
from mailseal.core.operators import Operator
from mailseal.passwords import hash_password
from mailseal.service.world import Links, World
from mailseal.telemetry import Line, Telemetry
from tests.fakes import START, fake_world, opened_store

T = TypeVar("T")
NAME, PASSWORD = "ada", "four words make one"
STORED = hash_password(PASSWORD)
ACCOUNT, REGION = "000000000001", "us-east-1"
HOME = f"/console/{ACCOUNT}/{REGION}"
WHO = Principal(ACCOUNT, REGION, "test")
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    text: str

    @property
    def to(self) -> str:
        """Where it sends the browser."""
        return self.headers.get("location", "")

    @property
    def token(self) -> str:
        """The token of the page's first form."""
        found = _TOKEN.search(self.text)
        assert found, self.text[:2000]
        return found[1]

    @property
    def words(self) -> str:
        """What a reader reads, without markup."""
        return " ".join(
            unescape(re.sub(r"<(svg|script).*?</\1>|<[^>]+>", " ", self.text, flags=re.S)).split()
        )


@dataclass
class Visitor:
    """Somebody with a browser."""

    console: Console
    world: World
    lines: list[Line]
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1:8080"

    async def get(self, path: str, **headers: str) -> Answer:
        """A page."""
        return await self.ask("GET", path, b"", headers)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """A form that is sent."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, urlencode(form).encode(), kind | headers)

    async def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One request with this browser's cookies."""
        target, _, query = path.partition("?")
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told = {"host": self.host, **({"cookie": cookie} if cookie else {}), **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "server": ("127.0.0.1", 8080),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()],
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.console(scope, receive, send)
        given = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        cookies = tuple(value for name, value in given if name == "set-cookie")
        for line in cookies:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        text = b"".join(part.get("body", b"") for part in sent[1:]).decode()
        return Answer(sent[0]["status"], dict(given), cookies, text)

    async def sign_in(self, name: str = NAME, password: str = PASSWORD) -> Answer:
        """Through the door."""
        door = await self.get("/console/sign-in")
        return await self.post("/console/sign-in", {"token": door.token, "name": name, "password": password})

    def stranger(self) -> Visitor:
        """Somebody else, with a browser of their own."""
        return replace(self, cookies={})


@asynccontextmanager
async def _opened(folder: Path, sandbox: Any, url: str, **parts: Any) -> Any:
    async with opened_store(folder) as store:
        links = Links(url, "no-reply@mx.example.net", ACCOUNT)
        world = fake_world(store, links=links, **parts)

        def unit(tx: Any) -> None:
            tx.access_keys.add_account(ACCOUNT, START)
            tx.operators.save(Operator(NAME, START, STORED))

        await store.write(unit)
        lines: list[Line] = []
        console = Console(world, Telemetry(lines.append, world.clock.now), sandbox=sandbox)
        yield Visitor(console, world, lines)


def visiting(
    folder: Path,
    test: Callable[[Visitor], Awaitable[T]],
    *,
    sandbox: Any = None,
    url: str = "http://127.0.0.1:8080",
    is_in: bool = True,
    **parts: Any,
) -> T:
    """What a story with a visitor gives; the visitor is signed in unless `is_in` is False."""

    async def run() -> T:
        async with _opened(folder, sandbox, url, **parts) as visitor:
            if is_in and sandbox is None:
                assert (await visitor.sign_in()).status == 303
            return await test(visitor)

    return asyncio.run(run())
