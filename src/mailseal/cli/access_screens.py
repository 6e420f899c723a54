"""The screens about accounts and access keys, made of the native API's objects.

Rule: pure; a secret is on one screen only, that of the command that made it, under words that say so.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from mailseal.cli.output import CYAN, GREEN, YELLOW, Screen, columns, tabbed, text
from mailseal.cli.screens import when
from mailseal.core.observations import printable

Members = Mapping[str, Any]


def created(key: Members, where: str) -> Screen:
    """What `access create` shows: the key, and its secret for the only time."""
    lines = [*_described(key, where), text("Access key, shown once:")]
    shown = ("access_key_id", "secret_access_key")
    lines += [text("  ", (f"export AWS_{member.upper()}={key[member]}", CYAN)) for member in shown]
    return Screen([*lines, text()], "nothing to do; its secret is stored sealed and never shown again")


def smtp_user(key: Members, where: str) -> Screen:
    """What `access smtp` shows: the key, and the SMTP password for the only time."""
    lines = [*_described(key, where), text(f"For mail submission in {key['region']}, shown once:")]
    lines += [
        text("  user name  ", (key["smtp_username"], CYAN)),
        text("  password   ", (key["smtp_password"], CYAN)),
    ]
    return Screen(
        [*lines, text()], "nothing to do; another region has another password, and needs another key"
    )


def imported(key: Members, where: str) -> Screen:
    """What `access import` shows: the key; its secret is known to whoever gave it."""
    return Screen(_described(key, where), "nothing to do; requests signed with it are taken from now on")


def switched(key: Members, where: str) -> Screen:
    """What `access enable` and `access disable` show."""
    back = f"mailseal access enable {key['access_key_id']}"
    return Screen(_described(key, where), "nothing to do" if key["enabled"] else back)


def deleted(key: Members) -> Screen:
    """What `access delete` shows."""
    return Screen([text(f"{_shown(key['access_key_id'])}  deleted")], "nothing to do")


def listed(account: str, keys: Sequence[Members], where: str, *, terminal: bool) -> Screen:
    """What `access list` shows: a line for each key."""
    if not terminal:
        return Screen(tabbed([_row(key, [*_patterns(key)]) for key in keys]))
    rows = [_row(key, ["everything" if _patterns(key) == ("*", "*") else "restricted"]) for key in keys]
    count = f"{len(keys)} access {'key' if len(keys) == 1 else 'keys'} of account {account}"
    lines = [text(", ".join(part for part in (count, where) if part))]
    following = "mailseal access disable ID" if keys else "mailseal access create"
    return Screen([*lines, *([text(), *columns(rows), text()] if rows else [])], following)


def account(members: Members, where: str) -> Screen:
    """What `account create`, `account show` and `account set` show: an account with its limits."""
    limits = members["limits"]
    rows = [
        [text("access keys"), text(str(members["access_keys"]))],
        [text("identities"), text(_at_most(limits))],
        [text("rate"), text(_rate(limits))],
    ]
    held = {region: count for region, count in members["identities"].items() if count}
    rows += [[text(region), text(str(count))] for region, count in held.items()]
    name = f"{members['account']}  {_shown(members['label'])}".rstrip()
    lines = [text(", ".join(part for part in (name, where) if part)), text(), *columns(rows), text()]
    make = f"mailseal access create --account {members['account']}"
    return Screen(lines, "nothing to do" if members["access_keys"] else make)


def accounts(items: Sequence[Members], where: str, *, terminal: bool) -> Screen:
    """What `account list` shows: a line for each account."""
    rows = [
        [
            text(one["account"]),
            _count(sum(one["identities"].values()), "identity", "identities"),
            _count(one["access_keys"], "access key", "access keys"),
            *([] if terminal else [text(_at_most(one["limits"])), text(_rate(one["limits"]))]),
            text(_shown(one["label"])),
        ]
        for one in items
    ]
    if not terminal:
        return Screen(tabbed(rows))
    count = f"{len(items)} {'account' if len(items) == 1 else 'accounts'}"
    lines = [text(", ".join(part for part in (count, where) if part)), text(), *columns(rows), text()]
    return Screen(lines, "mailseal account show ID")


def _described(key: Members, where: str) -> list[Text]:
    """A key, what it may do, and an empty line; each pattern is alone on its line."""
    state = _state(key)
    more = ", ".join(part for part in (f"account {key['account']}", where) if part)
    rows = [[text("may do"), text("everything" if one == "*" else _shown(one))] for one in key["allow"]]
    rows += [[text("only for"), text(_shown(one))] for one in key["identities"] if one != "*"]
    rows += [[text("label"), text(_shown(key["label"]))]] if key["label"] else []
    return [text(_shown(key["access_key_id"]), "  ", state, f"  {more}"), text(), *columns(rows), text()]


def _row(key: Members, allowed: Sequence[str]) -> list[Text]:
    cells = [when(key["created_at"]), *allowed, _shown(key["label"])]
    return [text(_shown(key["access_key_id"])), _state(key), *(text(cell) for cell in cells)]


def _state(key: Members) -> Text:
    return text(("enabled", GREEN)) if key["enabled"] else text(("disabled", YELLOW))


def _patterns(key: Members) -> tuple[str, str]:
    return _shown(" ".join(key["allow"])), _shown(" ".join(key["identities"]))


def _at_most(limits: Members) -> str:
    return "any number" if limits["identities"] is None else f"at most {limits['identities']} a region"


def _rate(limits: Members) -> str:
    return "no rate" if limits["rate"] is None else f"{limits['rate']} a second, {limits['burst']} at once"


def _count(number: int, one: str, several: str) -> Text:
    return text(f"{number} {one if number == 1 else several}")


def _shown(foreign: str) -> str:
    return printable(foreign, at_most=1000)
