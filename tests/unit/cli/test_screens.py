"""The screens against tests/screens/: words, order and alignment are the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailseal.cli import address_screens, check_screens, rotation, screens, zone
from mailseal.cli.output import Screen
from mailseal.core.cachewindow import CacheWindow
from tests.unit.cli import objects

EXPECTED = Path(__file__).resolve().parents[2] / "screens"

SCREENS: dict[str, Callable[[], Screen]] = {
    "identity-create": lambda: screens.created(
        objects.identity(dkim_status="PENDING"), objects.records(), ""
    ),
    "identity-create-in-a-sandbox": lambda: screens.created(
        objects.identity(dkim_status="PENDING"), objects.records(), "sandbox on 127.0.0.1:7080"
    ),
    "identity-create-own-key": lambda: screens.created(
        objects.own_key() | {"dkim_status": "PENDING"},
        [{"slot": None, "name": "s1._domainkey.example.com", "type": "TXT", "value": "p=MIIB", "ttl": 1800}],
        "",
    ),
    "identity-show": lambda: screens.shown(objects.identity(), "", all_events=False),
    "identity-show-own-key": lambda: screens.shown(objects.own_key(), "", all_events=True),
    "identity-show-not-yet": lambda: screens.shown(
        objects.identity(
            dkim_status="PENDING",
            may_send=False,
            signed_with=None,
            checked_at=None,
            next_check_at="2026-11-23T15:03:22Z",
        ),
        "",
        all_events=False,
    ),
    "identity-address": lambda: address_screens.shown(objects.address(), "", all_events=False),
    "identity-address-not-handed-over": lambda: address_screens.shown(
        objects.address(
            mail_due_at="2026-11-23T15:10:00Z",
            mails_tried=2,
            events=[objects.event("2026-11-23T14:05:00Z", "mail with the link not taken: no answer")],
        ),
        "",
        all_events=False,
    ),
    "identity-address-proven": lambda: address_screens.shown(
        objects.address(
            verification_status="SUCCESS",
            may_send=True,
            proven_at="2026-11-23T14:03:00Z",
            link_ends_at=None,
            domain="example.com",
            signing_enabled=True,
        ),
        "",
        all_events=False,
    ),
    "identity-address-failed": lambda: address_screens.shown(
        objects.address(verification_status="FAILED", link_ends_at=None), "", all_events=True
    ),
    "identity-list": lambda: screens.listed(
        [
            {"identity": "example.com", "status": "SUCCESS", "may_send": True},
            {"identity": "a-much-longer-name.example.org", "status": "PENDING", "may_send": False},
        ],
        None,
        "",
        terminal=True,
    ),
    "identity-records": lambda: screens.to_publish(
        objects.identity(dkim_status="PENDING") | {"records": objects.records()}, ""
    ),
    "identity-check-missing": lambda: check_screens.checked(
        objects.checked("MATCH", "NXDOMAIN", "NXDOMAIN"), "", terminal=True
    ),
    "identity-check-wrong": lambda: check_screens.checked(
        objects.checked("MATCH", "MISMATCH", "NODATA"), "", terminal=True
    ),
    "identity-check-doubled": lambda: check_screens.checked(objects.doubled(), "", terminal=True),
    "identity-check-warned": lambda: check_screens.checked(objects.warned(), "", terminal=True),
    "identity-check-silent": lambda: check_screens.checked(
        objects.checked("TEMP", "TEMP", "TEMP"), "", terminal=True
    ),
    "identity-check-partly": lambda: check_screens.checked(partly(), "", terminal=True),
    "identity-check-right": lambda: check_screens.checked(
        objects.checked("MATCH", "MATCH", "MATCH"), "", terminal=True
    ),
    "identity-check-success": lambda: check_screens.checked(
        objects.checked("MATCH", "MATCH", "MATCH", dkim_status="SUCCESS", search_ends_at=None),
        "",
        terminal=True,
    ),
    "identity-check-mail-from": lambda: check_screens.checked(
        objects.checked("MATCH", "MATCH", "MATCH", dkim_status="SUCCESS", search_ends_at=None)
        | {"mail_from_records": objects.mail_from_records()},
        "",
        terminal=True,
    ),
    "identity-show-mail-from": lambda: screens.shown(
        objects.identity(mail_from={"domain": "bounce.example.com", "status": "PENDING"}, events=[]),
        "",
        all_events=False,
    ),
    "identity-show-replaced": lambda: screens.shown(
        objects.own_key()
        | {"cache_window": {"text": CacheWindow("s1", None, screens.parsed(objects.NOW), True).text}},
        "",
        all_events=False,
    ),
    "identity-rotate": lambda: rotation.rotating(objects.rotating(), ""),
    "identity-rotate-behind": lambda: rotation.rotating(objects.rotating_behind(), ""),
    "zone-status": lambda: zone.standing(objects.zones(), ""),
    "identity-rotate-done": lambda: rotation.rotating(objects.rotated(), ""),
    "identity-rotate-waits": lambda: rotation.rotating(objects.identity(new_key_wanted=True), ""),
    "identity-evidence": lambda: check_screens.evidence(objects.checked("MATCH", "MISMATCH", "NODATA"), ""),
}


def partly() -> Any:
    """A check in which the authorities have the records and the resolver does not give them yet."""
    members = objects.checked("TEMP", "TEMP", "TEMP")
    for record in members["records"]:
        record["authorities"] = {"asked": 2, "matching": 2}
        record["resolvers"] = {"asked": 1, "matching": 0}
    return members


def as_text(screen: Screen) -> str:
    """The screen as it stands on a terminal, without its colours."""
    lines = [line.plain for line in screen.lines]
    return "\n".join([*lines, *([f"Next: {screen.following}"] if screen.following else [])]) + "\n"


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_agreed(name: str) -> None:
    assert as_text(SCREENS[name]()) == (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_our_own_words_end_by_column_80_and_the_last_line_is_next(name: str) -> None:
    lines = as_text(SCREENS[name]()).splitlines()
    assert lines[-1].startswith("Next: ")
    assert all(line == line.rstrip() for line in lines)
    longest = max(lines, key=len)
    # Only names and values may be longer, and each of those stands alone on its line.
    assert len(longest) <= 80 or objects.ZONE in longest or "_domainkey" in longest


def test_no_screen_without_an_expected_one() -> None:
    assert {path.stem for path in EXPECTED.glob("identity-*.txt")} | {"zone-status"} == set(SCREENS)


def test_off_a_terminal_there_is_one_tab_between_columns_and_no_header() -> None:
    rows: list[Any] = [{"identity": "example.com", "status": "SUCCESS", "may_send": True}]
    assert [line.plain for line in screens.listed(rows, None, "", terminal=False).lines] == [
        "example.com\tSUCCESS\tsends"
    ]
    plain = check_screens.checked(objects.checked("MATCH", "TEMP", "TEMP"), "", terminal=False)
    assert all(line.plain.count("\t") == 3 for line in plain.lines[1:])


def test_hostile_text_from_the_dns_is_shown_and_not_obeyed() -> None:
    hostile = objects.checked("MISMATCH")
    hostile["records"][0]["seen"][0]["chain"] = ["\x1b[31mred\u202e.example"]
    for screen in (
        check_screens.checked(hostile, "", terminal=True),
        check_screens.evidence(hostile, ""),
    ):
        shown = as_text(screen)
        assert "\\x1b[31mred\\u202e.example" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("findings", "status", "well", "silent"),
    [
        (("MATCH",) * 3, "SUCCESS", True, False),
        (("MATCH",) * 3, "PENDING", False, False),
        (("MATCH", "MATCH", "NXDOMAIN"), "SUCCESS", False, False),
        (("TEMP", "NOT_ASKED", "TEMP"), "PENDING", False, True),
        (("TEMP", "NXDOMAIN", "TEMP"), "PENDING", False, False),
        ((), "PENDING", False, False),
    ],
)
def test_could_not_ask_is_not_a_no(findings: tuple[str, ...], status: str, well: bool, silent: bool) -> None:
    members = objects.checked(*findings, dkim_status=status)
    assert check_screens.all_well(members) is well
    assert check_screens.could_not_ask(members) is silent
