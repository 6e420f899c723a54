"""`mailseal access …` and `mailseal account …`: who may sign requests, for whom, and how much.

Rule: a secret that is made is shown once; one that is given comes from a file or a prompt, never from a flag.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from mailseal.cli import access_screens as screens
from mailseal.cli.asking import ask
from mailseal.cli.operators import operator
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import Screen
from mailseal.cli.tokens import token
from mailseal.config import SetupError

_LONGEST_SECRET_FILE = 4096


@click.group()
@shared
def access() -> None:
    """Access keys: what requests are signed with; and who may sign in to the console."""


access.add_command(operator)


@click.group()
@shared
def account() -> None:
    """Accounts: who owns identities and access keys, within which limits."""


def _say(members: Any, make: Callable[[], Screen]) -> None:
    """The object itself for programs, else its screen."""
    if given("as_json"):
        output().object(members)
    else:
        output().show(make())


access.add_command(token)


def _key_options(function: Any) -> Any:
    """The options by which a new key is described."""
    options = (
        click.option(
            "--allow", multiple=True, metavar="ACTION", help="Only this, as ses:SendEmail; repeatable."
        ),
        click.option(
            "--identity", "identities", multiple=True, metavar="NAME", help="Only for this; repeatable."
        ),
        click.option("--label", default="", help="What it is for, for people."),
    )
    for option in options:
        function = option(function)
    return function


@access.command()
@_key_options
@shared
def create(allow: tuple[str, ...], identities: tuple[str, ...], label: str) -> None:
    """Makes an access key and shows its secret once."""
    asked = way()
    body = _new_key(allow, identities, label)
    members = ask(asked, "POST", "access-keys", body=body)
    _say(members, lambda: screens.created(members, asked.where))


@access.command("import")
@click.argument("key_id", metavar="ID")
@click.option(
    "--secret-file", type=click.Path(path_type=Path), help="File with the secret alone; else it is asked."
)
@_key_options
@shared
def import_key(
    key_id: str, secret_file: Path | None, allow: tuple[str, ...], identities: tuple[str, ...], label: str
) -> None:
    """Brings over an access key that exists elsewhere, so that its users go on as they are."""
    asked = way()
    body = _new_key(allow, identities, label) | {
        "access_key_id": key_id,
        "secret_access_key": _secret(secret_file),
    }
    members = ask(asked, "POST", "access-keys", body=body)
    _say(members, lambda: screens.imported(members, asked.where))


@access.command()
@click.option("--identity", "identities", multiple=True, metavar="NAME", help="Only for this; repeatable.")
@click.option("--label", default="", help="What it is for, for people.")
@shared
def smtp(identities: tuple[str, ...], label: str) -> None:
    """Makes an access key for mail submission and shows its SMTP password once."""
    asked = way()
    body = _new_key((), identities, label) | ({"region": given("region")} if given("region") else {})
    members = ask(asked, "POST", "smtp-users", body=body)
    _say(members, lambda: screens.smtp_user(members, asked.where))


@access.command("list")
@shared
def list_keys() -> None:
    """The access keys of an account, without their secrets."""
    asked = way()
    query = {"account": given("account")} if given("account") else {}
    members = ask(asked, "GET", "access-keys", query=query)
    _say(
        members,
        lambda: screens.listed(
            members["account"], members["items"], asked.where, terminal=output().is_terminal
        ),
    )


@access.command()
@click.argument("key_id", metavar="ID")
@shared
def disable(key_id: str) -> None:
    """Refuses whoever signs with this key, from the next request on."""
    _switch(key_id, enabled=False)


@access.command()
@click.argument("key_id", metavar="ID")
@shared
def enable(key_id: str) -> None:
    """Takes requests signed with this key again."""
    _switch(key_id, enabled=True)


def _switch(key_id: str, *, enabled: bool) -> None:
    asked = way()
    members = ask(asked, "PUT", f"access-keys/{quote(key_id, safe='')}", body={"enabled": enabled})
    _say(members, lambda: screens.switched(members, asked.where))


@access.command()
@click.argument("key_id", metavar="ID")
@shared
def delete(key_id: str) -> None:
    """Removes an access key for good."""
    if not given("yes"):
        cost = f"Whoever signs with {key_id} is refused from then on; to try that out, disable it."
        if not sys.stdin.isatty():
            raise SetupError(f"{key_id} was not deleted", cost, f"mailseal access delete {key_id} --yes")
        click.confirm(f"{cost} Delete it?", abort=True, err=True)
    members = ask(way(), "DELETE", f"access-keys/{quote(key_id, safe='')}")
    _say(members, lambda: screens.deleted(members))


def _limit_options(function: Any) -> Any:
    """The options by which limits are set."""
    options = (
        click.option("--identities", metavar="N", help="At most so many in each region; off: any number."),
        click.option("--rate", metavar="N", help="Requests a second in each region; off: any number."),
        click.option("--burst", type=int, metavar="N", help="How many may come at once; else one second's."),
        click.option("--label", help="Who it is, for people."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@account.command("create")
@click.argument("account_id", metavar="[ID]", required=False)
@_limit_options
@shared
def create_account(account_id: str | None, **limits: Any) -> None:
    """Makes an account; without an id it gets the next free one."""
    asked = way()
    body = _limits(**limits) | ({"account": account_id} if account_id else {})
    members = ask(asked, "POST", "accounts", body=body)
    _say(members, lambda: screens.account(members, asked.where))


@account.command("list")
@shared
def list_accounts() -> None:
    """All accounts and what they hold."""
    asked = way()
    members = ask(asked, "GET", "accounts")
    _say(members, lambda: screens.accounts(members["items"], asked.where, terminal=output().is_terminal))


@account.command()
@click.argument("account_id", metavar="ID")
@shared
def show(account_id: str) -> None:
    """One account: its limits and what it holds."""
    asked = way()
    members = ask(asked, "GET", f"accounts/{quote(account_id, safe='')}")
    _say(members, lambda: screens.account(members, asked.where))


@account.command("set")
@click.argument("account_id", metavar="ID")
@_limit_options
@shared
def set_account(account_id: str, **limits: Any) -> None:
    """Changes an account's label and limits; what is not said stays."""
    body = _limits(**limits)
    if not body:
        raise SetupError("nothing to set", do="say --identities, --rate, --burst or --label")
    asked = way()
    members = ask(asked, "PUT", f"accounts/{quote(account_id, safe='')}", body=body)
    _say(members, lambda: screens.account(members, asked.where))


def _new_key(allow: tuple[str, ...], identities: tuple[str, ...], label: str) -> dict[str, Any]:
    """What the options say about a new key, as the native API takes it."""
    body: dict[str, Any] = {"allow": list(allow), "identities": list(identities), "label": label}
    if given("account"):
        body["account"] = given("account")
    return {name: value for name, value in body.items() if value}


def _limits(identities: str | None, rate: str | None, burst: int | None, label: str | None) -> dict[str, Any]:
    """What the options say about limits, as the native API takes it: `off` is null there."""
    body: dict[str, Any] = {}
    for name, value in (("identities", identities), ("rate", rate)):
        if value is not None:
            body[name] = None if value == "off" else _number(name, value)
    if burst is not None:
        body["burst"] = burst
    if label is not None:
        body["label"] = label
    return body


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise SetupError(f"--{name} {value!r} is not a number", do=f"--{name} 100, or --{name} off")
    return int(value)


def _secret(path: Path | None) -> str:
    """The secret from its file, or asked for without being shown; raises SetupError."""
    if path is None:
        if not sys.stdin.isatty():
            raise SetupError("no secret was given", "nobody is there to be asked", "--secret-file FILE")
        return str(click.prompt("  its secret (not shown)", hide_input=True, err=True)).strip()
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_SECRET_FILE)
    except OSError as fault:
        raise SetupError(f"{path} cannot be read: {fault.strerror}") from None
    return content.decode("ascii", "replace").strip()
