"""The screens about accounts and access keys against tests/screens/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailseal.cli import access_screens as screens
from mailseal.cli.output import Screen
from mailseal.core.smtpaccess import smtp_password
from tests.unit.cli.test_screens import EXPECTED, as_text

KEY: dict[str, Any] = {
    "access_key_id": "MSAK4QZ7N2XW6TJ3HB5C",
    "account": "000000000001",
    "label": "",
    "enabled": True,
    "allow": ["*"],
    "identities": ["*"],
    "created_at": "2026-11-23T14:03:11Z",
    "is_sandbox_key": False,
}
SECRET = "EXAMPLEe5Rk0vTq8wYb3uXn6cJm1zLs9dHg2pQaF"
SENDER = KEY | {
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "enabled": False,
    "allow": ["ses:Send*"],
    "identities": ["shop.example", "*@shop.example"],
    "label": "the shop",
}
ACCOUNT: dict[str, Any] = {
    "account": "000000000002",
    "label": "the shop",
    "created_at": "2026-11-23T14:03:11Z",
    "limits": {"identities": 10000, "rate": None, "burst": None},
    "identities": {"us-east-1": 0, "eu-west-1": 0},
    "access_keys": 0,
}
BUSY = ACCOUNT | {
    "account": "000000000001",
    "label": "",
    "limits": {"identities": None, "rate": 20, "burst": 40},
    "identities": {"us-east-1": 299, "eu-west-1": 1},
    "access_keys": 2,
}

SCREENS: dict[str, Callable[[], Screen]] = {
    "access-create": lambda: screens.created(KEY | {"secret_access_key": SECRET}, ""),
    "access-smtp": lambda: screens.smtp_user(
        SENDER
        | {
            "enabled": True,
            "region": "eu-west-1",
            "smtp_username": SENDER["access_key_id"],
            "smtp_password": smtp_password(SECRET, "eu-west-1"),
        },
        "",
    ),
    "access-import": lambda: screens.imported(SENDER | {"enabled": True}, "sandbox on 127.0.0.1:7080"),
    "access-list": lambda: screens.listed("000000000001", [SENDER, KEY], "", terminal=True),
    "access-list-none": lambda: screens.listed("000000000001", [], "", terminal=True),
    "access-disable": lambda: screens.switched(SENDER, ""),
    "access-enable": lambda: screens.switched(KEY, ""),
    "access-delete": lambda: screens.deleted(KEY),
    "account-create": lambda: screens.account(ACCOUNT, ""),
    "account-show": lambda: screens.account(BUSY, ""),
    "account-list": lambda: screens.accounts([BUSY, ACCOUNT], "", terminal=True),
}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_agreed(name: str) -> None:
    assert as_text(SCREENS[name]()) == (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_our_own_words_end_by_column_80_and_the_last_line_is_next(name: str) -> None:
    lines = as_text(SCREENS[name]()).splitlines()
    assert lines[-1].startswith("Next: ")
    assert all(line == line.rstrip() for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_no_screen_without_an_expected_one() -> None:
    assert {path.stem for path in EXPECTED.glob("acc*.txt")} == set(SCREENS)


def test_off_a_terminal_there_is_one_tab_between_columns_and_no_header() -> None:
    keys = [line.plain for line in screens.listed("000000000001", [KEY, SENDER], "", terminal=False).lines]
    assert [line.count("\t") for line in keys] == [5, 5]
    accounts = [line.plain for line in screens.accounts([ACCOUNT], "", terminal=False).lines]
    assert accounts[0].startswith(
        "000000000002\t0 identities\t0 access keys\tat most 10000 a region\tno rate\t"
    )


def test_hostile_labels_are_shown_and_not_obeyed() -> None:
    hostile = KEY | {"label": "\x1b[31mred\u202e"}
    shown = as_text(screens.listed("000000000001", [hostile], "", terminal=True))
    assert "\\x1b[31mred\\u202e" in shown
    assert "\x1b" not in shown
