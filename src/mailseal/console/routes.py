"""Every page of the console below /console/ACCOUNT/REGION/, in one table.

Rule: what is not in the table does not exist; whatever is not GET changes something and needs a form's token.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailseal.console import listpage
from mailseal.console.visit import Page


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and path, in Starlette's notation, and the page that answers."""

    method: str
    path: str
    page: Page
    sandbox_only: bool = False


PAGES: tuple[Rule, ...] = (Rule("GET", "identities", listpage.show),)
