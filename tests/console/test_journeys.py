"""The journeys of newcomer, owner and operator through the console, in Debian's Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mailseal.core.operators import Operator
from mailseal.passwords import hash_password
from tests.console.browsing import HOME, PATIENCE_MS, Visits
from tests.journeys.rig import running_rig

pytestmark = [
    pytest.mark.suite_people,
    pytest.mark.needs_debian("chromium"),
    pytest.mark.timeout(300),
]
expect.set_options(timeout=PATIENCE_MS)


def create(page: Page, typed: str) -> None:
    """Fills the form for a new identity and sends it."""
    page.goto(f"{HOME}/new")
    page.get_by_label("Domain or address").fill(typed)
    page.get_by_role("button", name="Create and show the records").click()


def play_owner(page: Page, domain: str, *, mistake: str = "") -> None:
    """Publishes what a domain's identity asks for, or makes a mistake of that."""
    page.goto(f"{HOME}/sandbox/dns")
    page.get_by_label("Domain", exact=True).select_option(domain)
    if mistake:
        page.get_by_label("Mistake", exact=True).select_option(mistake)
        page.get_by_role("button", name="Make this mistake").click()
    else:
        page.get_by_role("button", name="Publish what is asked").click()
    expect(page.get_by_role("heading", name="Records", exact=True)).to_be_visible()


def move_clock(page: Page, by: str) -> None:
    """Moves the sandbox's clock on, with all that is due."""
    page.goto(f"{HOME}/sandbox/clock")
    page.get_by_role("button", name=by, exact=True).click()
    expect(page.get_by_role("heading", name="What that changed")).to_be_visible()


def test_a_newcomer_comes_from_nothing_to_a_message_whose_signature_is_valid(visits: Visits) -> None:
    page = visits.page()
    page.goto("/")
    expect(page).to_have_url(re.compile(f"{HOME}/identities$"))
    create(page, "https://Newcomer.example/shop")
    expect(page.get_by_role("heading", level=1)).to_have_text("newcomer.example")
    expect(page.get_by_role("article")).to_have_count(3)
    play_owner(page, "newcomer.example")
    move_clock(page, "10m")
    page.goto(f"{HOME}/identity/newcomer.example")
    expect(page.locator("#dx-h")).to_contain_text("All records are in place. Mail is signed with the key")
    page.goto(f"{HOME}/sandbox/mailbox")
    page.get_by_text("Send a test message").click()
    page.get_by_label("From", exact=True).fill("orders@newcomer.example")
    page.get_by_label("Subject").fill("Order 2291")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("heading", name="Order 2291")).to_be_visible()
    expect(page.get_by_role("heading", name="Signature valid")).to_be_visible()


def test_an_owner_sees_the_mistake_the_difference_and_what_to_paste(visits: Visits) -> None:
    page = visits.page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    create(page, "owner.example")
    play_owner(page, "owner.example", mistake="DOUBLED_DOMAIN")
    page.goto(f"{HOME}/identity/owner.example")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#dx-h")).to_contain_text("the domain in their names twice")
    expect(page.locator(".compare mark")).to_have_text(".owner.example")
    page.get_by_role("button", name="Copy name 1", exact=True).click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"[a-z2-7]{32}\._domainkey", copied)
    expect(page.get_by_role("button", name="Copy name 1", exact=True)).to_contain_text("Copied")
    play_owner(page, "owner.example")
    move_clock(page, "10m")
    page.goto(f"{HOME}/identity/owner.example")
    expect(page.get_by_text("In place").first).to_be_visible()


def test_without_a_script_everything_goes_as_well(visits: Visits) -> None:
    page = visits.page(java_script_enabled=False)
    page.goto("/")
    create(page, "scriptless.example")
    expect(page.get_by_role("heading", level=1)).to_have_text("scriptless.example")
    expect(page.get_by_role("button", name=re.compile("^Copy"))).to_have_count(0)
    play_owner(page, "scriptless.example")
    move_clock(page, "10m")
    page.goto(f"{HOME}/identities?q=scriptless")
    expect(
        page.get_by_role("row", name=re.compile("scriptless.example")).get_by_text("Verified")
    ).to_be_visible()


def test_the_keyboard_comes_everywhere(visits: Visits) -> None:
    page = visits.page()
    page.goto("/")
    create(page, "keyboard.example")
    page.goto(f"{HOME}/identities")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="keyboard.example")).to_be_visible()
    page.get_by_role("link", name="keyboard.example").focus()
    page.keyboard.press("Enter")
    menu = page.get_by_label("More actions")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=re.compile("Pause signing"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()


@pytest.mark.parametrize("with_script", [True, False])
def test_a_theme_that_was_chosen_stays(visits: Visits, *, with_script: bool) -> None:
    page = visits.page(java_script_enabled=with_script)
    page.goto("/")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{HOME}/access")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_an_operator_signs_in_creates_pauses_and_deletes(browser: Browser, tmp_path: Path) -> None:
    with running_rig(tmp_path) as rig:
        stored = hash_password("four words make one")
        operator = Operator("ada", rig.clock.real_now(), stored)
        rig.call(lambda: rig.app.world.store.write(lambda tx: tx.operators.save(operator)))
        visits = Visits(browser, rig.app.api_url)
        page = visits.page()
        page.goto("/")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill("not the right one")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not open the console")
        page.get_by_label("Password").fill("four words make one")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Add your first domain")).to_be_visible()
        create(page, "example.com")
        rig.publish("example.com")
        rig.advance(seconds=60, steps=10)
        page.reload()
        expect(page.locator("#dx-h")).to_contain_text("Mail is signed")
        page.get_by_label("More actions").click()
        page.get_by_role("link", name=re.compile("Pause signing")).click()
        page.get_by_role("button", name="Pause signing").click()
        expect(page.locator("#dx-h")).to_have_text("Signing is paused.")
        page.goto(f"{HOME}/change/delete/example.com")
        page.get_by_label(re.compile("to confirm")).fill("example.org")
        page.get_by_role("button", name="Delete identity").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted")
        page.get_by_label(re.compile("to confirm")).fill("example.com")
        page.get_by_role("button", name="Delete identity").click()
        expect(page.get_by_role("heading", name="Add your first domain")).to_be_visible()
        page.get_by_role("button", name="Sign out").last.click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        visits.close()
