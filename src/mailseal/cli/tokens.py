"""`mailseal access token …`: bearer tokens of the native API, for programs that cannot sign.

Rule: a token is shown once, by the command that made it.
References: docs/cli.md.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from mailseal.cli.asking import ask
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, Screen, text
from mailseal.cli.screens import when
from mailseal.core.bearer import MOST_DAYS
from mailseal.core.observations import printable


@click.group()
@shared
def token() -> None:
    """Bearer tokens: for programs that cannot sign their requests to the native API."""


@token.command()
@click.option("--allow", multiple=True, metavar="ACTION", help="Only this, as ses:Get*; repeatable.")
@click.option("--identity", "identities", multiple=True, metavar="NAME", help="Only for this; repeatable.")
@click.option("--label", default="", help="What it is for, for people.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="How long it is good; else without end.")
@shared
def create(allow: tuple[str, ...], identities: tuple[str, ...], label: str, days: int | None) -> None:
    """Makes a token and shows it once."""
    asked = way()
    body: dict[str, Any] = {"allow": list(allow), "identities": list(identities), "label": label}
    body |= {"days": days, "account": given("account")}
    members = ask(asked, "POST", "access-tokens", body={name: one for name, one in body.items() if one})
    ends = f"good until {when(members['expires_at'])}" if members["expires_at"] else "without end"
    lines = [
        text(", ".join(part for part in (f"{members['token_id']}  {ends}", asked.where) if part)),
        text(),
        text("Token, shown once:"),
        text("  ", (f"Authorization: Bearer {members['token']}", CYAN)),
        text(),
    ]
    _say(members, Screen(lines, "nothing to do; only its hash is stored"))


@token.command("list")
@shared
def list_tokens() -> None:
    """The tokens of an account, by their ids."""
    query = {"account": given("account")} if given("account") else {}
    members = ask(way(), "GET", "access-tokens", query=query)
    lines = [
        text(f"{one['token_id']}  {printable(one['label']) or '–'}  until {when(one['expires_at'])}")
        for one in members["items"]
    ]
    _say(
        members, Screen(lines, "mailseal access token delete ID" if lines else "mailseal access token create")
    )


@token.command()
@click.argument("token_id", metavar="ID")
@shared
def delete(token_id: str) -> None:
    """Refuses whoever sends this token, from the next request on."""
    members = ask(way(), "DELETE", f"access-tokens/{quote(token_id, safe='')}")
    _say(members, Screen([text(f"{printable(token_id)}  deleted")], "nothing to do"))


def _say(members: Any, screen: Screen) -> None:
    if given("as_json"):
        output().object(members)
    else:
        output().show(screen)
