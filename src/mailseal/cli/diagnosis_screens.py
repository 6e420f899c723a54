"""The part of a check's screen that names mistakes: what is wrong, what was seen, what should be there.

Rule: pure; records with the same mistake share its sentence; a code that this program does not know is told
with the sentence that came along.
References: docs/diagnosis.md.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from mailseal.cli.output import CYAN, RED, columns, text
from mailseal.cli.screens import Members
from mailseal.core.advice import WORDS, Code, Severity
from mailseal.core.observations import printable

_WIDTH = 80
_LONGEST_VALUE = 1000


def told(members: Members, records: Sequence[Members]) -> tuple[list[Text], frozenset[int]]:
    """The lines about the mistakes that have a name, and the numbers of the records that they are about."""
    numbers = {(record["name"], record["type"]): number for number, record in enumerate(records, 1)}
    typed = {record["name"]: record["type"] for record in records}
    groups: dict[str, list[Members]] = {}
    first_of: set[tuple[str, str]] = set()
    for one in members.get("diagnoses", ()):
        # The first of a record's diagnoses is the likeliest; what is about the domain has no record.
        # What was told without a type is about the one record of that name.
        about = (one["name"], one.get("type") or typed.get(one["name"], ""))
        if about in first_of or (one["name"] and about not in numbers):
            continue
        if one["name"]:
            first_of.add(about)
        groups.setdefault(one["code"], []).append(one | {"number": numbers.get(about)})
    lines: list[Text] = []
    for alike in groups.values():
        lines += [*_group(alike), text()]
    return lines, frozenset(numbers[about] for about in first_of)


def _group(alike: Sequence[Members]) -> list[Text]:
    """One mistake of one or several records, each with its number."""
    lines = [text(line) for line in textwrap.wrap(_sentence(alike), _WIDTH)]
    same = len({(tuple(one["seen"]), one["expected"]) for one in alike}) == 1
    rows: list[list[Text]] = []
    for one in alike[:1] if same else alike:
        rows += [[text("seen"), text((_shown(value), RED))] for value in one["seen"]]
        rows += [[text("expected"), text((_shown(one["expected"]), CYAN))]] if one["expected"] else []
        rows += [[text("write"), text((_shown(one["write"]), CYAN))]] if one["write"] else []
    lines += [text(), *columns(rows)] if rows else []
    aside = " ".join(dict.fromkeys(part for one in alike for part in (one["detail"], one["habit"]) if part))
    if aside:
        lines += [text(), *(text(line) for line in textwrap.wrap(printable(aside, at_most=600), _WIDTH))]
    return lines


def _shown(value: str) -> str:
    return printable(value, at_most=_LONGEST_VALUE)


def _sentence(alike: Sequence[Members]) -> str:
    code, about = alike[0]["code"], [str(one["number"]) for one in alike if one["number"]]
    if code not in Code.__members__ or not about:
        return printable(alike[0]["sentence"], at_most=600)
    words = WORDS[Code(code)]
    if len(about) == 1:
        return f"Record {about[0]} {words.one}"
    return f"Records {', '.join(about[:-1])} and {about[-1]} {words.many}"


def step(members: Members) -> str:
    """The one thing to do, where one mistake is all there is; empty otherwise."""
    faults = [one for one in members.get("diagnoses", ()) if one["severity"] != Severity.WARNING]
    first = {record["diagnosis"] for record in members["records"] if record.get("diagnosis")}
    steps = {one["step"] for one in faults if one["code"] in first}
    return str(steps.pop()) if len(steps) == 1 else ""
