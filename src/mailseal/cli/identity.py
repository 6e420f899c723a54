"""`mailseal identity …`: identities, their records, checks and keys.

Rule: each command asks the native API once and shows what it said; the program decides nothing.
References: docs/cli.md.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from mailseal.cli import address_screens, check_screens, handing, rotation, screens
from mailseal.cli.asking import Way, ask, identity_path
from mailseal.cli.ending import Exit
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import Screen, text
from mailseal.cli.sharing import share
from mailseal.config import SetupError
from mailseal.handoff.formats import FORMATS

_PAGE = 500
_LONGEST_KEY_FILE = 64 * 1024
_ROUND_S = 5.5
"""Two agreeing rounds are five seconds apart at least."""
_LONGEST_ROUND_S = 30.0
_TELL_EVERY_S = 10.0
_LOOK_S = 1.0


@click.group()
@shared
def identity() -> None:
    """Identities: domains and addresses that an account may send as."""


def _say(members: Any, make: Callable[[], Screen]) -> None:
    """The object itself for programs, else its screen."""
    if given("as_json"):
        output().object(members)
    else:
        output().show(make())


def _shown(members: Any, where: str, *, all_events: bool) -> Screen:
    """The screen of an identity of either kind."""
    make = address_screens.shown if address_screens.is_address(members) else screens.shown
    return make(members, where, all_events=all_events)


@identity.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--byodkim", "selector", metavar="SELECTOR", help="Sign with an own key under this selector.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="That key, PEM or DER.")
@click.option("--bits", type=click.Choice(["1024", "2048"]), help="Length of the key that is made.")
@shared
def create(names: tuple[str, ...], selector: str | None, key_file: Path | None, bits: str | None) -> None:
    """Creates identities and says what to publish; an address gets a mail with a link."""
    wish = _wish(selector, key_file, bits)
    asked = way()
    for name in names:
        body = {"identity": name, **({"dkim": wish} if wish else {})}
        members = ask(asked, "POST", "identities", body=body)
        if address_screens.is_address(members):
            _say(members, partial(_shown, members, asked.where, all_events=False))
            continue
        records = ask(asked, "GET", identity_path(members["identity"], "records"))["records"]
        _say(members | {"records": records}, partial(screens.created, members, records, asked.where))


@identity.command("list")
@click.option("--status", help="Only those with this status.")
@click.option("--match", help="Only those whose name contains this.")
@shared
def list_identities(status: str | None, match: str | None) -> None:
    """One line for each identity."""
    asked = way()
    query = {"limit": str(_PAGE)}
    query |= {name: value for name, value in (("status", status), ("contains", match)) if value}
    items: list[Any] = []
    following: str | None = ""
    while following is not None:
        page = ask(asked, "GET", "identities", query=query | ({"next": following} if following else {}))
        items += page["items"]
        following = page["next"]
    terminal = output().is_terminal
    _say({"items": items, "next": None}, lambda: screens.listed(items, None, asked.where, terminal=terminal))


@identity.command()
@click.argument("name")
@click.option("--events", is_flag=True, help="The whole timeline.")
@shared
def show(name: str, events: bool) -> None:
    """One identity: status, slots, timeline."""
    asked = way()
    members = ask(asked, "GET", identity_path(name), query={"events": "all"} if events else {})
    _say(members, lambda: _shown(members, asked.where, all_events=events))


@identity.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--format", "form", type=click.Choice(["table", *FORMATS]), default="table")
@click.option("--all", "everything", is_flag=True, help="Of all domains of the account, as they are read.")
@shared
def records(name: str | None, form: str, everything: bool) -> None:
    """What the domain's owner has to publish, for people or in the form that a tool reads."""
    if (name is None) != everything:
        raise SetupError("which records?", do="mailseal identity records NAME, or --all")
    if form == "table":
        handing.show(way(), name)
    else:
        handing.write(way(), name, FORMATS[form])


@identity.command()
@click.argument("name")
@click.option("--wait", "wait", metavar="TIME", is_flag=False, flag_value="10m", help="Until it is decided.")
@shared
def check(name: str, wait: str | None) -> int:
    """Looks now, and says which record is right."""
    asked = way()
    members = ask(asked, "POST", identity_path(name, "check"))
    ran_out = False
    if wait is not None:
        members, ran_out = _wait(asked, name, members, seconds(wait))
    terminal = output().is_terminal
    _say(members, lambda: check_screens.checked(members, asked.where, terminal=terminal))
    if check_screens.all_well(members):
        return Exit.WELL
    if ran_out:
        return Exit.RAN_OUT
    return Exit.COULD_NOT_ASK if check_screens.could_not_ask(members) else Exit.NO


def _wait(asked: Way, name: str, members: Any, patience: float) -> tuple[Any, bool]:
    """The check in which it was decided, or the last one when time ran out, and whether it did."""
    ends = time.monotonic() + patience
    pause, before, told = _ROUND_S, None, 0.0
    while not check_screens.all_well(members) and members["dkim_status"] != "FAILED":
        left = ends - time.monotonic()
        line = check_screens.waiting(before, members)
        if line is not None or time.monotonic() - told > _TELL_EVERY_S:
            output().aside(f"{line or 'nothing new'}; {screens.span(left)} left, Ctrl-C stops watching only")
            told = time.monotonic()
        before = (members["dkim_status"], check_screens.right_of(members))
        if left <= 0:
            return members, True
        time.sleep(min(pause, max(left, 0.0)))
        right, count = check_screens.right_of(members)
        pause = _ROUND_S if right == count else min(pause * 1.5, _LONGEST_ROUND_S)
        members = ask(asked, "POST", identity_path(name, "check"))
    return members, False


identity.add_command(share)


@identity.command()
@click.argument("name")
@shared
def evidence(name: str) -> None:
    """Who was asked what at the last check, and what came back."""
    asked = way()
    members = ask(asked, "GET", identity_path(name, "evidence"))
    _say(members, lambda: check_screens.evidence(members, asked.where))


@identity.command("set")
@click.argument("name")
@click.option("--easy", is_flag=True, help="Sign with keys made by Mailseal.")
@click.option("--byodkim", "selector", metavar="SELECTOR", help="Sign with an own key under this selector.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="That key, PEM or DER.")
@click.option("--bits", type=click.Choice(["1024", "2048"]), help="Length of the next key that is made.")
@click.option("--signing", type=click.Choice(["on", "off"]), help="Sign mail, or let it pass unsigned.")
@click.option("--rotate-days", type=click.IntRange(-1, 3650), help="A new key so often; 0 never, -1 default.")
@click.option("--ed25519", type=click.Choice(["on", "off", "default"]), help="A second signature, Ed25519.")
@shared
def set_identity(
    name: str,
    easy: bool,
    selector: str | None,
    key_file: Path | None,
    bits: str | None,
    signing: str | None,
    rotate_days: int | None,
    ed25519: str | None,
) -> None:
    """Changes how an identity signs; what signs now goes on until the new setting is proven."""
    wish = _wish(selector, key_file, bits)
    if easy and (selector or key_file):
        raise SetupError("--easy and --byodkim exclude each other", do=f"mailseal identity set {name} --easy")
    body: dict[str, Any] = {}
    if easy or wish:
        body["dkim"] = wish
    if signing is not None:
        body["signing_enabled"] = signing == "on"
    if rotate_days is not None:
        body["rotate_days"] = rotate_days
    if ed25519 is not None:
        body["ed25519"] = ed25519
    if not body:
        ways = "--easy, --byodkim, --bits, --signing, --rotate-days or --ed25519"
        raise SetupError("nothing to set", do=f"say {ways}")
    asked = way()
    members = ask(asked, "PUT", identity_path(name), body=body)
    _say(members, lambda: _shown(members, asked.where, all_events=False))


@identity.command()
@click.argument("name")
@click.option(
    "--wait", "wait", metavar="TIME", is_flag=False, flag_value="1h", help="Until the new key signs."
)
@click.option("--now", "revoke", is_flag=True, help="The key is compromised: revoke it, whatever it costs.")
@click.option("--ed25519", "second", is_flag=True, help="The key of the second signature alone.")
@shared
def rotate(name: str, wait: str | None, revoke: bool, second: bool) -> int:
    """A new key behind the same CNAMEs."""
    patience = 0.0 if wait is None else seconds(wait)
    if revoke:
        cost = f"Mail on its way that {name} signed until now ceases to verify."
        again = f"mailseal identity rotate {name} --now --yes"
        _agree(f"the key of {name} was not revoked", cost, again, "Revoke it?")
    asked = way()
    body = {"revoke_old_key": revoke, **({"ed25519_only": True} if second else {})}
    members = ask(asked, "POST", identity_path(name, "rotate"), body=body)
    if second:
        _say(members, lambda: _shown(members, asked.where, all_events=False))
        return Exit.WELL
    if wait is None or given("as_json"):
        _say(members, lambda: rotation.rotating(members, asked.where))
        return Exit.WELL
    ends, shown = time.monotonic() + patience, 0
    output().line(rotation.head(members, asked.where))
    output().line()
    while True:
        steps = rotation.done(members)
        for step in steps[shown:]:
            output().line(step)
        shown = len(steps)
        if rotation.is_over(members):
            output().next(f"nothing to do; mailseal identity show {name}")
            return Exit.WELL
        if time.monotonic() > ends:
            output().next(f"mailseal identity show {name}")
            return Exit.RAN_OUT
        time.sleep(_LOOK_S)
        members = ask(asked, "GET", identity_path(name))


@identity.command()
@click.argument("name")
@shared
def retry(name: str) -> None:
    """Begins the 72 hours of the search again, or mails another link."""
    asked = way()
    members = ask(asked, "POST", identity_path(name, "retry"))
    _say(members, lambda: _shown(members, asked.where, all_events=False))


@identity.command()
@click.argument("name")
@shared
def delete(name: str) -> None:
    """Removes an identity; mail from it is refused from then on."""
    is_address = "@" in name
    also = (
        ", unless its domain is an identity" if is_address else "; keys that signed stay published for 8 days"
    )
    cost = f"Mail from {name} is refused from then on{also}."
    _agree(f"{name} was not deleted", cost, f"mailseal identity delete {name} --yes", "Delete it?")
    asked = way()
    members = ask(asked, "DELETE", identity_path(name))
    again = "nothing to do"
    again += "" if is_address else f"; mailseal identity create {name} brings the same tokens back"
    _say(members, lambda: Screen([text(f"{name}  deleted")], again))


def _agree(undone: str, cost: str, again: str, question: str) -> None:
    """Says what it costs and asks; without a terminal it wants --yes, and says so."""
    if given("yes"):
        return
    if not sys.stdin.isatty():
        raise SetupError(undone, cost, again)
    click.confirm(f"{cost} {question}", abort=True, err=True)


def _wish(selector: str | None, key_file: Path | None, bits: str | None) -> dict[str, Any]:
    """What the options say about signing, as the native API takes it; raises SetupError."""
    if (selector is None) != (key_file is None):
        raise SetupError("--byodkim and --key belong together", do="--byodkim SELECTOR --key FILE")
    if selector is not None and key_file is not None:
        return {"selector": selector, "private_key": _key_text(key_file)}
    return {"key_bits": int(bits)} if bits else {}


def _key_text(path: Path) -> str:
    """The key's base64 as SES takes it; PEM's own lines joined, or of the DER; raises SetupError."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_KEY_FILE)
    except OSError as fault:
        raise SetupError(f"{path} cannot be read: {fault.strerror}") from None
    if b"-----BEGIN" not in content:
        return base64.b64encode(content).decode()
    # Which kind of PEM it is, is the server's to judge: base64 of a whole PEM text is taken too.
    lines = [line.strip() for line in content.splitlines()]
    body = b"".join(line for line in lines if line and not line.startswith(b"-----") and b":" not in line)
    return body.decode("ascii", "replace")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> float:
    """The seconds of `90s`, `10m`, `72h` or `8d`; raises SetupError.

    >>> seconds("10m")
    600.0
    """
    number, unit = duration[:-1], duration[-1:]
    if not (number.isascii() and number.isdigit() and unit in _UNITS):
        raise SetupError(f"{duration!r} is not a length of time", do="write 90s, 10m, 72h or 8d")
    return float(int(number) * _UNITS[unit])
