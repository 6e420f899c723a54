"""The movable clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailseal.sandbox.clock import SandboxClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Hands:
    """The real time of a test, moved by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


def test_an_unmoved_clock_shows_the_real_time() -> None:
    hands = Hands()
    clock = SandboxClock(None, real=hands)
    hands.at += timedelta(seconds=7)
    assert clock.now() == clock.real_now() == NOON + timedelta(seconds=7)


def test_a_moved_clock_runs_on_from_where_it_was_moved_to() -> None:
    hands = Hands()
    clock = SandboxClock(None, real=hands)
    clock.move_to(NOON + timedelta(hours=72))
    hands.at += timedelta(seconds=1)
    assert clock.now() == NOON + timedelta(hours=72, seconds=1)
    assert clock.real_now() == NOON + timedelta(seconds=1)


def test_the_clock_does_not_go_back() -> None:
    clock = SandboxClock(None, real=Hands())
    clock.move_to(NOON + timedelta(hours=1))
    clock.move_to(NOON + timedelta(minutes=59))
    assert clock.now() == NOON + timedelta(hours=1)


def test_the_machine_turning_its_clock_back_does_not_turn_ours_back() -> None:
    hands = Hands()
    clock = SandboxClock(None, real=hands)
    hands.at += timedelta(minutes=10)
    before = clock.now()
    hands.at -= timedelta(minutes=5)
    assert clock.now() == before


def test_a_fast_clock_makes_sixty_seconds_of_one() -> None:
    hands = Hands()
    clock = SandboxClock(None, speed=60, real=hands)
    hands.at += timedelta(seconds=2)
    assert clock.now() == NOON + timedelta(minutes=2)


def test_how_far_the_clock_is_ahead_outlives_a_restart(tmp_path: Path) -> None:
    hands = Hands()
    kept_in = tmp_path / "clock.json"
    clock = SandboxClock(kept_in, real=hands)
    clock.move_to(NOON + timedelta(days=9))
    clock.keep(closing=True)
    hands.at += timedelta(minutes=3)
    assert SandboxClock(kept_in, real=hands).now() == NOON + timedelta(days=9, minutes=3)


def test_a_kill_does_not_turn_a_fast_clock_back(tmp_path: Path) -> None:
    hands = Hands()
    kept_in = tmp_path / "clock.json"
    clock = SandboxClock(kept_in, speed=100, real=hands)
    clock.keep()
    hands.at += timedelta(seconds=2)
    latest = clock.now()
    assert SandboxClock(kept_in, speed=100, real=hands).now() >= latest


def test_a_damaged_clock_file_is_named(tmp_path: Path) -> None:
    kept_in = tmp_path / "clock.json"
    kept_in.write_text('{"ahead_seconds": "soon"}')
    with pytest.raises(ValueError, match=r"clock\.json"):
        SandboxClock(kept_in)
