"""What `verify` and `message show` say of a message, against tests/screens/."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailseal.cli import message_screens as screens
from mailseal.cli.key_records import answer_of
from mailseal.cli.message import judged
from mailseal.cli.output import Screen
from mailseal.core.description import described
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.dkim.message import parse_message
from mailseal.dkim.verify import verify
from tests.unit.cli.test_screens import as_text

EXPECTED = Path(__file__).resolve().parents[2] / "screens"
VECTORS = Path(__file__).parents[2] / "vectors" / "dkim"
KEYS = {name: text.encode() for name, text in json.loads((VECTORS / "rfc-keys.json").read_text()).items()}
SIGNED = (VECTORS / "rfc8463-a3.eml").read_bytes()
LISTED = SIGNED.replace(b"Subject: Is", b"Subject: [list] Is") + b"-- \r\nthe list\r\n"
HOSTILE = SIGNED.replace(b"Subject: Is", b"Subject: \x1b[31mIs\xe2\x80\xae")


def observed(name: str, outcome: Outcome = Outcome.ANSWER, **parts: Any) -> Observation:
    asked = Asked(Stage.VANTAGE, "udp://192.0.2.53")
    return Observation(Question(name, RecordType.TXT), asked, outcome, **parts)


def verified(
    raw: bytes, *, original: bytes | None = None, silent: bool = False, no_keys: bool = False
) -> Screen:
    seen = {
        name: observed(name, Outcome.NXDOMAIN)
        if no_keys
        else observed(name, Outcome.TEMPORARY, detail="no answer within 5 s")
        if silent
        else observed(name, texts=(text,))
        for name, text in KEYS.items()
    }
    message = parse_message(raw)
    found = verify(message, lambda name: answer_of(seen.get(name)))
    sent = parse_message(original) if original else None
    members = judged(message, found, lambda name: answer_of(seen.get(name)), seen, sent)
    return screens.verified({"file": "mail.eml", **members})


SCREENS: dict[str, Callable[[], Screen]] = {
    "message-show": lambda: screens.shown({"file": "mail.eml", **described(parse_message(SIGNED))}),
    "verify-pass": lambda: verified(SIGNED),
    "verify-listed": lambda: verified(LISTED),
    "verify-compared": lambda: verified(SIGNED.replace(b"Joe.", b"James."), original=SIGNED),
    "verify-unknown": lambda: verified(
        SIGNED.replace(b"Joe.", b"James and family.").replace(b"hungry", b"full")
    ),
    "verify-silent": lambda: verified(SIGNED, silent=True),
    "verify-no-key": lambda: verified(SIGNED, no_keys=True),
    "verify-unsigned": lambda: verified(b"From: a@example.com\r\n\r\nhello\r\n"),
}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_about_a_message_is_as_it_was_agreed(name: str) -> None:
    assert as_text(SCREENS[name]()) == (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_the_lines_about_a_message_end_by_column_80(name: str) -> None:
    lines = as_text(SCREENS[name]()).splitlines()
    assert lines[-1].startswith("Next: ")
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


def test_what_stands_in_a_message_is_shown_and_not_obeyed() -> None:
    for screen in (
        verified(HOSTILE, original=SIGNED),
        screens.shown({"file": "mail.eml", **described(parse_message(HOSTILE))}),
    ):
        assert "\x1b" not in as_text(screen)
        assert "\u202e" not in as_text(screen)
        assert "\\x1b[31mIs\\u202e" in as_text(screen)


def test_a_bomb_of_parts_is_described_to_a_limit() -> None:
    nested = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
    for depth in range(1, 2000):
        nested += b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (depth - 1, depth)
    assert len(described(parse_message(nested + b"x\r\n"))["parts"]) == 11
    wide = (
        b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\nx\r\n" * 9000
    )
    assert len(described(parse_message(wide))["parts"]) == 200
