"""Windows of a browser, and what a page may not do in one: leave the origin, break the policy, throw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOME = "/console/000000000001/us-east-1"
PATIENCE_MS = 30_000
WINDOWS = (("light", 1280), ("dark", 390))


@dataclass
class Visits:
    """Windows on one origin, and all that went wrong in them."""

    browser: Browser
    origin: str
    contexts: list[BrowserContext] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def page(self, *, theme: Any = "light", width: int = 1280, **options: Any) -> Page:
        """A new window of somebody who was never here."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, base_url=self.origin, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: self._judge(request.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dismiss)
        return page

    def close(self) -> None:
        """Closes every window; raises AssertionError for what none of them may do."""
        for context in self.contexts:
            context.close()
        assert self.foreign == [], "a page asked another origin"
        assert self.said == [], "a page broke its policy or threw"
        assert self.dialogs == [], "a script ran that is not ours"

    def _judge(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.origin).netloc:
            self.foreign.append(url)

    def _hear(self, message: ConsoleMessage) -> None:
        # A page that answers 400 or 404 is told in the console too; that is no fault of the page.
        if message.type == "error" and "status of 4" not in message.text:
            self.said.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
