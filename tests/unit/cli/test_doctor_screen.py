"""The doctor's screen against tests/screens/."""

from __future__ import annotations

from pathlib import Path

from mailseal.cli.doctor import examined
from tests.unit.cli import objects

EXPECTED = Path(__file__).resolve().parents[2] / "screens" / "doctor.txt"


def test_the_doctors_screen_is_the_one_that_was_agreed_on() -> None:
    screen = examined(objects.examined())
    shown = "\n".join(line.plain for line in screen.lines) + f"\nNext: {screen.following}\n"
    assert shown == EXPECTED.read_text(encoding="utf-8")


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    well = {"faults": 0, "warnings": 0, "checks": [{"name": "clock", "result": "ok", "seen": "within 4 ms"}]}
    screen = examined(objects.examined() | well)
    assert [line.plain for line in screen.lines][-1] == "no faults, no warnings"
    assert screen.following == "nothing to do"


def test_a_warning_alone_can_wait() -> None:
    warned = objects.examined() | {"faults": 0, "checks": objects.examined()["checks"][:2]}
    assert examined(warned).following == "nothing that cannot wait"
