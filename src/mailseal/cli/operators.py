"""`mailseal access operator …`: who may sign in to the console.

Rule: a password that is made is shown once; one that is given comes from a file, never from a flag.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from mailseal.cli.asking import ask
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, Screen, columns, tabbed, text
from mailseal.cli.screens import when
from mailseal.config import SetupError
from mailseal.core.observations import printable

_LONGEST_FILE = 4096
_PASSWORD_FILE = click.option(
    "--password-file", type=click.Path(path_type=Path), help="File with the password alone; else one is made."
)


@click.group()
@shared
def operator() -> None:
    """People who may sign in to the console."""


@operator.command()
@click.argument("name", metavar="NAME")
@_PASSWORD_FILE
@shared
def create(name: str, password_file: Path | None) -> None:
    """Makes an operator and shows the password once."""
    asked = way()
    body = {"name": name, **_given(password_file)}
    _say(ask(asked, "POST", "operators", body=body), asked.where)


@operator.command()
@click.argument("name", metavar="NAME")
@_PASSWORD_FILE
@shared
def password(name: str, password_file: Path | None) -> None:
    """Gives an operator another password and ends every session."""
    asked = way()
    _say(ask(asked, "PUT", f"operators/{quote(name, safe='')}", body=_given(password_file)), asked.where)


@operator.command("list")
@shared
def list_operators() -> None:
    """Everybody who may sign in."""
    members = ask(way(), "GET", "operators")
    if given("as_json"):
        output().object(members)
    else:
        output().show(listed(members["items"], terminal=output().is_terminal))


@operator.command()
@click.argument("name", metavar="NAME")
@shared
def delete(name: str) -> None:
    """Removes an operator and ends every session."""
    if not given("yes"):
        cost = f"{name} is signed out everywhere and cannot sign in again."
        if not sys.stdin.isatty():
            raise SetupError(f"{name} was not deleted", cost, f"mailseal access operator delete {name} --yes")
        click.confirm(f"{cost} Delete?", abort=True, err=True)
    asked = way()
    members = ask(asked, "DELETE", f"operators/{quote(name, safe='')}")
    if given("as_json"):
        output().object(members)
    else:
        output().show(Screen([text(f"{_shown(members['operator'])}  deleted")], "nothing to do"))


def told(members: Mapping[str, Any], where: str) -> Screen:
    """What `access operator create` and `password` show: the password for the only time."""
    head = ", ".join(part for part in ("operator of the console", where) if part)
    lines = [text(f"{_shown(members['operator'])}  {head}"), text()]
    if "password" in members:
        lines += [text("Password, shown once:"), text("  ", (members["password"], CYAN)), text()]
    return Screen(lines, f"sign in at {members['url']}")


def listed(items: Sequence[Mapping[str, Any]], *, terminal: bool) -> Screen:
    """What `access operator list` shows: a line for each."""
    rows = [
        [
            text(_shown(one["operator"])),
            text(f"since {when(one['created_at'])}"),
            text("rests after wrong passwords" if one["resting"] else ""),
        ]
        for one in items
    ]
    if not terminal:
        return Screen(tabbed(rows))
    count = f"{len(items)} {'operator' if len(items) == 1 else 'operators'}"
    following = "nothing to do" if items else "mailseal access operator create NAME"
    return Screen([text(count), *([text(), *columns(rows), text()] if rows else [])], following)


def _say(members: Mapping[str, Any], where: str) -> None:
    if given("as_json"):
        output().object(members)
    else:
        output().show(told(members, where))


def _given(path: Path | None) -> dict[str, str]:
    """The password of a file, if one was named; raises SetupError."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE)
    except OSError as fault:
        raise SetupError(f"{path} cannot be read: {fault.strerror}") from None
    return {"password": content.decode("utf-8", "replace").strip("\r\n")}


def _shown(foreign: str) -> str:
    return printable(foreign, at_most=300)
