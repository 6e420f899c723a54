"""A real browser and a sandbox for it; one of each for all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from mailseal.sandbox.child import ChildSandbox, start_child
from tests.console.browsing import ARGUMENTS, CHROMIUM, Visits


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildSandbox]:
    """A sandbox in a process of its own, whose customers do nothing by themselves."""
    data = tmp_path_factory.mktemp("sandbox")
    sandbox = start_child(["--data", str(data), "--ports", "auto", "--publish-after", "never"])
    yield sandbox
    sandbox.stop()


@pytest.fixture
def visits(browser: Browser, world: ChildSandbox, tmp_path: Path) -> Iterator[Visits]:
    """Pages of the sandbox's console, in whatever window and theme; what they did is judged at the end."""
    made = Visits(browser, world.place.api_url)
    yield made
    made.close()
