"""Every page of the console below /console/ACCOUNT/REGION/, in one table.

Rule: what is not in the table does not exist; whatever is not GET changes something and needs a form's token.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailseal.console import actions, identitypage, listpage, newpage
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
)
