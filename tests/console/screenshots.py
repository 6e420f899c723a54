"""Takes the pictures of docs/images: `python -m tests.console.screenshots`, in a sandbox of its own.

They are taken by this command alone, so that a run of the tests changes no file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from mailseal.sandbox.child import start_child
from mailseal.sandbox.client import SandboxClient
from tests.console.browsing import ARGUMENTS, CHROMIUM, HOME, Visits
from tests.console.world import populate

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
SHOTS = (
    ("identities", "identities", "light", 1280),
    ("identities", "identities", "dark", 390),
    ("identity-pending", "identity/fernhill.example", "light", 1280),
    ("identity-pending", "identity/fernhill.example", "dark", 390),
    ("identity-verified", "identity/harbourlight.example", "dark", 1280),
    ("identity-verified", "identity/harbourlight.example", "light", 390),
    ("new-identity", "new", "light", 1280),
    ("sandbox-mailbox", "sandbox/mailbox", "dark", 1280),
    ("sandbox-dns", "sandbox/dns", "light", 1280),
)


def take(origin: str) -> None:
    """Writes every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        visits = Visits(browser, origin)
        for name, path, theme, width in SHOTS:
            page = visits.page(theme=theme, width=width)
            page.goto("/")
            page.goto(f"{HOME}/{path}")
            page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)
        visits.close()
        browser.close()


def main() -> None:
    """A sandbox with something in it, its pictures, and its end."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = start_child(["--data", folder, "--ports", "auto", "--publish-after", "never"])
        try:
            populate(SandboxClient(sandbox.place.api_url, timeout=60))
            take(sandbox.place.api_url)
        finally:
            sandbox.stop()


if __name__ == "__main__":
    main()
