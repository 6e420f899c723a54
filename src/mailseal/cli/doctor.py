"""`mailseal doctor`: what is wrong here, and the one thing to do about each.

Rule: a fault is exit code 1, a warning is not; what could not be asked is neither.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

import textwrap

import click
from rich.text import Text

from mailseal.cli.asking import ask
from mailseal.cli.ending import Exit
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, GREEN, GREY, RED, YELLOW, Screen, columns, text
from mailseal.cli.screens import Members, when
from mailseal.core.observations import printable

_COLUMNS = 80
_SIGNS = {"ok": ("✓", GREEN), "warning": ("!", YELLOW), "fault": ("✗", RED), "not_asked": ("–", GREY)}


@click.command()
@shared
def doctor() -> int:
    """Looks at all that Mailseal stands on, and says what is wrong and what to do."""
    members = ask(way(), "POST", "doctor")
    if given("as_json"):
        output().object(members)
    else:
        output().show(examined(members))
    return Exit.NO if members["faults"] else Exit.WELL


def examined(members: Members) -> Screen:
    """The screen: a line for each, then what to do."""
    checks = members["checks"]
    lines = [
        text(
            f"Mailseal {members['version']}  {_counted(len(checks), 'check')}, {when(members['checked_at'])}"
        ),
        text(),
    ]
    lines += columns(
        [[text(_SIGNS[one["result"]], f" {one['name']}"), text(_shown(one["seen"]))] for one in checks]
    )
    lines.append(text())
    for one in checks:
        if one["result"] in ("fault", "warning") and one.get("advice"):
            lines += [*_advice(one), text()]
    counted = [_counted(members["faults"], "fault"), _counted(members["warnings"], "warning")]
    lines.append(text(", ".join(counted)))
    return Screen(lines, _following(members))


def _advice(one: Members) -> list[Text]:
    sentence = f"{one['name']}: {_shown(one['advice'])}"
    lines = [text(line) for line in textwrap.wrap(sentence, _COLUMNS, break_long_words=False)]
    rows = [
        [text((_absolute(name), CYAN)), text(kind), text((value if kind != "NS" else _absolute(value), CYAN))]
        for name, kind, value in ((r["name"], r["type"], r["value"]) for r in one.get("records", ()))
    ]
    return lines + columns(rows)


def _absolute(name: str) -> str:
    """A name as a zone file wants it."""
    return f"{name}."


def _following(members: Members) -> str:
    if not members["faults"] and not members["warnings"]:
        return "nothing to do"
    records = sum(len(one.get("records", ())) for one in members["checks"])
    if records:
        return f"publish {'this line' if records == 1 else f'these {records} lines'}, then mailseal doctor"
    return "do what stands above, then mailseal doctor" if members["faults"] else "nothing that cannot wait"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number or 'no'} {word}s"


def _shown(foreign: str) -> str:
    return printable(foreign, at_most=1000)
