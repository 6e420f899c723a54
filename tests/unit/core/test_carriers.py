"""How far a server has followed, and the words for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailseal.core.carriers import Following, Standing, described

NOW = datetime(2026, 11, 23, 14, 20, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=18)
JUST_NOW = NOW - timedelta(seconds=5)


def standing(
    given: int | None, seen: int | None, at: datetime | None = LONG_AGO, *, serial: int = 901
) -> Standing:
    return Standing("192.0.2.53:53", "dkim.example.net", serial, seen, at, given)


@pytest.mark.parametrize(
    ("one", "following", "words"),
    [
        (standing(901, 901), Following.CURRENT, "serial 901"),
        # Its answer is newer than what the database remembers of it.
        (standing(901, 880), Following.CURRENT, "serial 901"),
        (standing(None, None, None), Following.SILENT, "does not answer for this zone, and never has"),
        (standing(None, 901), Following.SILENT, "does not answer; not seen since 2026-11-23 14:02 UTC"),
        (
            standing(None, 897),
            Following.SILENT,
            "does not answer; serial 897, 4 behind since 2026-11-23 14:02 UTC",
        ),
        (
            standing(897, 897),
            Following.BEHIND,
            "serial 897, 4 behind since 2026-11-23 14:02 UTC",
        ),
        (standing(897, 897, JUST_NOW), Following.FOLLOWING, "serial 897, 4 behind, on its way"),
        (standing(897, 880), Following.FOLLOWING, "serial 897, 4 behind, on its way"),
        (standing(897, None, None), Following.FOLLOWING, "serial 897, 4 behind, on its way"),
        # The serials have begun anew: 2**32 - 1 is followed by 1.
        (
            standing(2**32 - 1, 2**32 - 1, serial=2),
            Following.BEHIND,
            "serial 4294967295, 3 behind since 2026-11-23 14:02 UTC",
        ),
    ],
)
def test_a_server_is_where_its_own_answer_says(one: Standing, following: Following, words: str) -> None:
    assert one.following(NOW) is following
    assert described(one, NOW) == words


def test_a_server_with_a_newer_serial_lacks_nothing() -> None:
    assert standing(905, 905).behind == 0
