"""Every page in both themes and at both widths: nothing for axe-core to find, nothing to scroll sideways."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from mailseal.sandbox.child import ChildSandbox
from mailseal.sandbox.client import SandboxClient
from tests.conftest import NODE_MODULES
from tests.console.browsing import HOME, WINDOWS, Visits
from tests.console.payloads import PAYLOADS
from tests.console.world import populate

pytestmark = [
    pytest.mark.suite_people,
    pytest.mark.needs_debian("chromium"),
    pytest.mark.needs_npm("axe-core"),
    pytest.mark.timeout(300),
]
SERIOUS = ("serious", "critical")
PAGES = (
    "identities",
    "identities?q=nothing-has-this-name",
    "new",
    "identity/harbourlight.example",
    "identity/tidewater.example",
    "identity/fernhill.example",
    "identity/lakeside.example",
    "identity/tidewater.example?format=terraform",
    "change/rotate/harbourlight.example",
    "change/method/harbourlight.example",
    "change/length/harbourlight.example",
    "change/signing/harbourlight.example",
    "change/delete/harbourlight.example",
    "events",
    "access",
    "accounts",
    "health",
    "sandbox/dns",
    "sandbox/clock",
    "sandbox/mailbox",
    "identity/nobody.example",
)


@pytest.fixture(scope="module")
def populated(world: ChildSandbox) -> SandboxClient:
    """A sandbox with an identity in each state that a page tells apart, and a message."""
    client = SandboxClient(world.place.api_url, timeout=60)
    populate(client)
    return client


def findings(page: Page) -> list[Any]:
    """What axe-core finds serious, with where it stands."""
    page.add_script_tag(path=NODE_MODULES / "axe-core" / "axe.min.js")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:3])
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("theme", "width"), WINDOWS)
def test_axe_finds_nothing_serious_and_no_page_scrolls_sideways(
    visits: Visits, populated: SandboxClient, theme: str, width: int
) -> None:
    # The judge is put into the page from outside, which the pages' own policy forbids.
    page = visits.page(theme=theme, width=width, bypass_csp=True)
    page.goto("/")
    wrong = {}
    for path in PAGES:
        page.goto(f"{HOME}/{path}")
        if found := findings(page):
            wrong[path] = found
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            wrong[path] = [*wrong.get(path, []), ("too wide", wide)]
    assert wrong == {}


def test_no_page_scrolls_sideways_in_a_narrow_window(visits: Visits, populated: SandboxClient) -> None:
    page = visits.page(width=320)
    page.goto("/")
    for path in PAGES:
        page.goto(f"{HOME}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_two_hundred_payloads_run_nowhere(visits: Visits, populated: SandboxClient) -> None:
    assert len(set(PAYLOADS)) >= 200
    quoted = [payload.replace("\\", "\\\\").replace('"', '\\"') for payload in PAYLOADS]
    for number in range(0, len(quoted), 10):
        body = {
            "name": f"x{number}.payloads.example",
            "type": "TXT",
            "values": [f'"{one}"' for one in quoted[number : number + 10]],
        }
        client_answer = populated.ask("PUT", "/sandbox/dns", body=body)
        assert client_answer["values"]
    for payload in PAYLOADS:
        label = "".join(char for char in payload if char.isprintable())[:64]
        populated.ask("POST", "/access-keys", body={"label": label})
    page = visits.page()
    page.goto("/")
    for path in ("sandbox/dns", "access"):
        page.goto(f"{HOME}/{path}")
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        assert page.evaluate("window.pwned") is None
        assert harmful(page) == 0
        assert page.get_by_text("alert(1)").count() > 0
    for payload in PAYLOADS[::8]:
        page.goto(f"{HOME}/identities?q={quote_of(payload)}")
        assert page.evaluate("window.pwned") is None
        assert harmful(page) == 0


def test_the_judges_find_what_is_wrong(visits: Visits, populated: SandboxClient) -> None:
    page = visits.page(bypass_csp=True)
    page.goto("/")
    page.goto(f"{HOME}/new")
    page.evaluate("document.querySelector('label[for=id]').remove()")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<a onclick=0>x</a>')")
    assert findings(page) != []
    assert harmful(page) == 1


def harmful(page: Page) -> int:
    """How many elements could run something."""
    return int(
        page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some("
            "a => /^on/i.test(a.name) || /^\\s*(javascript|data):/i.test(a.value) && a.name !== 'value')"
            " || /^(iframe|object|embed|base|math|img|video|audio)$/i.test(e.tagName)).length"
        )
    )


def quote_of(text: str) -> str:
    """A payload as it can be in a query."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
