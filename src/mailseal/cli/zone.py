"""`mailseal zone …`: our zones, and the servers that carry them.

Rule: a server that lacks something is exit code 1; each is asked now.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.text import Text

from mailseal.cli.asking import ask
from mailseal.cli.ending import Exit
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, GREEN, GREY, RED, YELLOW, Screen, columns, text
from mailseal.cli.screens import Members
from mailseal.core.observations import printable

_SIGNS = {"current": ("✓", GREEN), "following": ("·", GREY), "behind": ("!", YELLOW), "silent": ("✗", RED)}
_LATE = ("behind", "silent")


@click.group()
@shared
def zone() -> None:
    """Our zones: their serials, and the servers that carry them."""


@zone.command()
@shared
def status() -> int:
    """Says which serial each server gives, how far behind it is, and since when."""
    asked = way()
    members = ask(asked, "GET", "zones")
    if given("as_json"):
        output().object(members)
    else:
        output().show(standing(members["items"], asked.where))
    late = [one for each in members["items"] for one in each["servers"] if one["following"] in _LATE]
    return Exit.NO if late else Exit.WELL


def standing(zones: Sequence[Members], where: str) -> Screen:
    """The screen: a zone, then a line for each of its servers."""
    lines: list[Text] = []
    for each in zones:
        lines += [*([text()] if lines else []), _head(each, where)]
        if each["servers"]:
            lines += [text(), *columns([_line(one) for one in each["servers"]])]
    return Screen([*lines, text()], _following(zones))


def _head(each: Members, where: str) -> Text:
    servers = each["servers"]
    current = sum(one["following"] == "current" for one in servers)
    followed = f"{current} of {len(servers)} servers have it" if servers else "no server besides our own"
    head = text((printable(each["zone"], at_most=255), CYAN), f"  serial {each['serial']}, {followed}")
    return text(head, f", {where}") if where else head


def _line(one: Members) -> list[Text]:
    sign = _SIGNS[one["following"]]
    return [text(sign, f" {one['server']}"), text(printable(one["text"], at_most=1000))]


def _following(zones: Sequence[Members]) -> str:
    states = {one["following"] for each in zones for one in each["servers"]}
    if "silent" in states:
        return "start that server, or take it out of [dns] secondaries"
    if "behind" in states:
        return "look at that server's log for NOTIFY, transfers and TSIG"
    return "mailseal zone status" if "following" in states else "nothing to do"
