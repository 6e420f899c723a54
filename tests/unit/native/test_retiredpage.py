"""The page of retired keys: open to all, the same for all, and not there where nothing is published."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from mailseal.core.policy import Policy
from mailseal.service import disclose
from mailseal.service.world import World
from tests.unit.native.test_linkpage import opened
from tests.unit.service.scenes import DOMAIN, Scene, scene
from tests.unit.service.test_disclose import OPEN, looks, rotated

PATH = "/mailseal/retired-keys"


def test_everybody_gets_a_retired_key_with_its_selector_and_dates(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path, policy=OPEN) as here:
            await disclose.settle(here.world)
            selector, _ = await rotated(here)
            await looks(here)
            early = await opened(here, "GET", f"{PATH}/{DOMAIN}")
            assert (early.status, "PRIVATE KEY" in early.body) == (404, False)
            await looks(here, days=31)
            for path in (f"{PATH}/{DOMAIN}", f"{PATH}/{DOMAIN.upper()}", f"{PATH}/{DOMAIN}/{selector}"):
                page = await opened(here, "GET", path)
                assert page.status == 200
                assert page.headers[b"content-type"] == b"text/plain; charset=utf-8"
                first, second, *rest = page.body.splitlines()
                assert first == f"Selector: {selector}._domainkey.{DOMAIN}"
                assert second == "Key: RSA 2048"
                assert rest[2].startswith("Published: 20")
                assert rest[3] == "-----BEGIN PRIVATE KEY-----"
                assert rest[-1] == "-----END PRIVATE KEY-----"
                assert max(map(len, rest)) <= 64
            head = await opened(here, "HEAD", f"{PATH}/{DOMAIN}")
            assert (head.status, head.body) == (200, "")
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                assert (await opened(here, method, f"{PATH}/{DOMAIN}")).status == 405
            closed = Scene(replaced(here))
            assert (await opened(closed, "GET", f"{PATH}/{DOMAIN}")).status == 404

    asyncio.run(story())


def replaced(here: Scene) -> World:
    """The same world with the door closed."""
    return replace(here.world, policy=Policy())


def test_paths_that_name_no_domain_are_answered_alike(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path, policy=OPEN) as here:
            for rest in ("", "/", "x", "..", "%2e%2e", "example.com//", "a" * 5000, "\xe9.example", "'--"):
                page = await opened(here, "GET", f"{PATH}/{rest}".encode("latin-1").decode("latin-1"))
                assert (page.status, page.body.startswith("No retired key")) == (404, True), rest

    asyncio.run(story())
