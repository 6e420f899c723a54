"""`mailseal identity share`: links for whoever runs a domain's DNS.

Rule: the URL stands alone on its line, whole, so that it can be sent as it is.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from mailseal.cli.asking import ask, identity_path
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, Screen, text
from mailseal.cli.screens import when
from mailseal.config import SetupError
from mailseal.core.observations import printable
from mailseal.core.sharing import MOST_DAYS, USUAL_DAYS

Members = Mapping[str, Any]


@click.command()
@click.argument("name")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help=f"How long it is good; else {USUAL_DAYS}.")
@click.option("--list", "listing", is_flag=True, help="The links that are good still.")
@click.option("--revoke", metavar="ID", help="Takes the link of this id back.")
@shared
def share(name: str, days: int | None, listing: bool, revoke: str | None) -> None:
    """A link that shows whoever runs the domain's DNS what to publish, and nothing else."""
    if sum((days is not None, listing, revoke is not None)) > 1:
        raise SetupError(
            "--days, --list and --revoke exclude each other", do=f"mailseal identity share {name}"
        )
    asked, path = way(), identity_path(name, "share-links")
    if revoke is not None:
        members = ask(asked, "DELETE", f"{path}/{revoke}")
        screen = Screen([text(f"{revoke}  taken back; it opens nothing any more")], "nothing to do")
    elif listing:
        members = ask(asked, "GET", path)
        screen = listed(members["items"], name, asked.where)
    else:
        members = ask(asked, "POST", path, body={"days": days or USUAL_DAYS})
        screen = made(members, asked.where)
    if given("as_json"):
        output().object(members)
    else:
        output().show(screen)


def made(members: Members, where: str) -> Screen:
    """What is shown of a new link."""
    name = printable(members["identity"])
    first = ", ".join(part for part in (f"good until {when(members['expires_at'])}", where) if part)
    lines = [
        text(f"{name}  {first}"),
        text(),
        text("Whoever runs the DNS needs no account, and can see nothing but this domain's records:"),
        text((members["url"], CYAN)),
        text(),
    ]
    return Screen(
        lines, f"send it; mailseal identity share {name} --revoke {members['link_id']} takes it back"
    )


def listed(items: Sequence[Members], name: str, where: str) -> Screen:
    """What is shown of the links of an identity."""
    count = f"{len(items)} {'link' if len(items) == 1 else 'links'}"
    lines = [text(", ".join(part for part in (f"{printable(name)}  {count}", where) if part))]
    for one in items:
        lines += [
            text(),
            text(f"  {one['link_id']}  good until {when(one['expires_at'])}"),
            text("  ", (one["url"], CYAN)),
        ]
    after = f"mailseal identity share {printable(name)}" + (" --revoke ID takes one back" if items else "")
    return Screen([*lines, text()], after)
