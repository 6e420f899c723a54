"""The page behind a link: looking proves nothing, the button proves once, and nobody learns more."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailseal.native.http import NativeApi
from mailseal.telemetry import Line, Telemetry
from tests.unit.service.scenes import Scene
from tests.unit.service.test_addresses import ME, ask, found, last_token
from tests.unit.service.test_spine import play


@dataclass(frozen=True)
class Page:
    """What a browser gets."""

    status: int
    headers: dict[bytes, bytes]
    body: str


async def opened(here: Scene, method: str, path: str, lines: list[Line] | None = None) -> Page:
    telemetry = Telemetry((lines if lines is not None else []).append, here.clock.now)
    api = NativeApi(here.world, telemetry)
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nobody needs the body")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await api(scope, receive, send)
    return Page(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode())


def link(here: Scene) -> str:
    return f"/mailseal/verify/{last_token(here)}"


def test_a_scanner_that_follows_the_link_proves_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        for method in ("GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE"):
            page = await opened(here, method, link(here))
            assert page.status == (200 if method in ("GET", "HEAD") else 405)
            assert (ME in page.body) is (method == "GET")
            assert page.body == "" or method != "HEAD"
        assert not (await found(here)).address.is_proven

    play(tmp_path, story)


def test_the_button_proves_the_address_once(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        path = link(here)
        assert 'method="post"' in (await opened(here, "GET", path)).body
        done = await opened(here, "POST", path)
        assert (done.status, "Address confirmed" in done.body) == (200, True)
        assert (await found(here)).address.is_proven
        for method in ("GET", "POST"):
            assert (await opened(here, method, path)).status == 404

    play(tmp_path, story)


def test_two_presses_at_once_prove_once(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        pages = await asyncio.gather(*(opened(here, "POST", link(here)) for _ in range(4)))
        assert sorted(page.status for page in pages) == [200, 404, 404, 404]

    play(tmp_path, story)


@pytest.mark.parametrize("tail", ["", "x", "x" * 5000, "%00", "..", "%ff", "<script>"])
def test_pages_of_links_that_never_were_and_that_were_used_are_one(tail: str, tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        used = link(here)
        await opened(here, "POST", used)
        for method in ("GET", "POST"):
            assert await opened(here, method, f"/mailseal/verify/{tail}") == await opened(here, method, used)

    play(tmp_path, story)


def test_the_page_is_for_one_reader_and_loads_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here, "a'b&c@example.com")
        page = await opened(here, "GET", link(here))
        assert "a&#x27;b&amp;c@example.com" in page.body
        assert "a'b&c@" not in page.body
        assert page.headers[b"cache-control"] == b"no-store"
        assert page.headers[b"referrer-policy"] == b"no-referrer"
        assert page.headers[b"content-security-policy"].startswith(b"default-src 'none'; style-src 'sha256-")
        assert "http" not in page.body.lower().replace("<!doctype html>", "")

    play(tmp_path, story)


def test_the_secret_of_a_link_is_in_no_line_of_the_log(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        lines: list[Line] = []
        token = last_token(here)
        for method in ("GET", "POST", "POST"):
            await opened(here, method, link(here), lines)
        assert [line.event for line in lines] == ["request", "request"]
        assert ME in repr(lines[0])
        assert token not in repr(lines)

    play(tmp_path, story)
