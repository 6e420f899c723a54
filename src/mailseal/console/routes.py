"""Every page of the console below /console/ACCOUNT/REGION/, in one table.

Rule: what is not in the table does not exist; whatever is not GET changes something and needs a form's token.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailseal.console import (
    accesspage,
    actions,
    events,
    health,
    identitypage,
    listpage,
    mailbox,
    newpage,
    sandboxpages,
)
from mailseal.console.visit import Page


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and path, in Starlette's notation, and the page that answers."""

    method: str
    path: str
    page: Page
    sandbox_only: bool = False


PAGES: tuple[Rule, ...] = (
    Rule("GET", "identities", listpage.show),
    Rule("GET", "new", newpage.show),
    Rule("POST", "new", newpage.create),
    Rule("GET", "identity/{name:path}", identitypage.show),
    Rule("POST", "check/{name:path}", actions.check),
    Rule("POST", "retry/{name:path}", actions.retry),
    Rule("GET", "change/{what}/{name:path}", actions.ask),
    Rule("POST", "change/{what}/{name:path}", actions.change),
    Rule("GET", "events", events.show),
    Rule("GET", "access", accesspage.show),
    Rule("POST", "access", accesspage.create),
    Rule("POST", "access/{key}", accesspage.change),
    Rule("GET", "accounts", accesspage.accounts),
    Rule("GET", "health", health.show),
    Rule("GET", "sandbox/dns", sandboxpages.dns, sandbox_only=True),
    Rule("POST", "sandbox/dns", sandboxpages.change_dns, sandbox_only=True),
    Rule("GET", "sandbox/clock", sandboxpages.clock, sandbox_only=True),
    Rule("POST", "sandbox/clock", sandboxpages.move_clock, sandbox_only=True),
    Rule("GET", "sandbox/mailbox", mailbox.show, sandbox_only=True),
    Rule("GET", "sandbox/mailbox/{mail}", mailbox.show, sandbox_only=True),
    Rule("POST", "sandbox/mailbox", mailbox.send, sandbox_only=True),
)
