"""Handing records over: of one identity or of all of an account, on the screen or in a tool's format.

Rule: what a tool is to read goes to stdout as it is read, page by page, and nothing else does.
References: docs/cli.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from mailseal.cli import screens
from mailseal.cli.asking import Way, ask, identity_path
from mailseal.cli.options import given, output
from mailseal.handoff.formats import Format
from mailseal.handoff.records import Record, Sheet

_PAGE = 100


def show(asked: Way, name: str | None) -> None:
    """The records for people; all of them, and for programs the native API's objects, without a name."""
    if name is not None:
        members = ask(asked, "GET", identity_path(name, "records"))
        if given("as_json"):
            output().object(members)
        else:
            output().show(screens.to_publish(members, asked.where))
        return
    if given("as_json"):
        output().object({"items": list(_sheets(asked)), "next": None})
        return
    for members in _sheets(asked):
        output().show(screens.to_publish(members, asked.where, is_one_of_many=True))


def write(asked: Way, name: str | None, form: Format) -> None:
    """The records to stdout in a format, those of all domains of the account without a name."""
    found = _sheets(asked) if name is None else iter([ask(asked, "GET", identity_path(name, "records"))])
    out = sys.stdout.buffer
    head = form.head
    for members in found:
        out.write((head + form.write(_sheet(members))).encode())
        head = ""


def _sheets(asked: Way) -> Iterator[Any]:
    """The objects of all domains that have records, page by page."""
    following: str | None = ""
    while following is not None:
        query = {"limit": str(_PAGE)} | ({"next": following} if following else {})
        page = ask(asked, "GET", "records", query=query)
        yield from page["items"]
        following = page["next"]


def _sheet(members: Any) -> Sheet:
    records = (Record(one["name"], one["type"], one["value"], one["ttl"]) for one in members["records"])
    # A server of before says nothing of the zone.
    return Sheet(members["identity"], members.get("zone") or members["identity"], tuple(records))
