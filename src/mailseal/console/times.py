"""Times as pages say them: how long, and when, always with the zone.

Rule: pure; UTC, the server's only zone. The script may count on from what is written, never replace it.
References: docs/glossary.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def span(length: timedelta) -> str:
    """A length of time in its two largest units.

    >>> span(timedelta(seconds=192)), span(timedelta(days=2, hours=21, minutes=3)), span(timedelta(seconds=9))
    ('3 min 12 s', '2 days 21 h', '9 s')
    """
    seconds = max(0, int(length.total_seconds()))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    told = [
        (days, "day" if days == 1 else "days"),
        (hours, "h"),
        (minutes, "min"),
        (rest, "s"),
    ]
    first = next((at for at, (number, _) in enumerate(told) if number), 3)
    shown = [f"{number} {unit}" for number, unit in told[first : first + 2] if number]
    return " ".join(shown) or "0 s"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit.

    >>> ago(datetime(2026, 11, 23, 14, tzinfo=UTC), datetime(2026, 11, 23, 14, 11, 7, tzinfo=UTC))
    '11 min ago'
    """
    if at is None:
        return "never"
    length = now - at
    if length >= timedelta(days=7):
        return day(at, now)
    number, unit = span(length).split(" ")[:2]
    return f"{number} {unit} ago"


def moment(at: datetime, now: datetime) -> str:
    """When, as short as it is clear: the day is left out where it is today.

    >>> moment(datetime(2026, 11, 27, 12, 14, tzinfo=UTC), datetime(2026, 11, 24, 14, tzinfo=UTC))
    '27 Nov, 12:14 UTC'
    """
    clock = f"{at.astimezone(UTC):%H:%M} UTC"
    return clock if at.date() == now.date() else f"{day(at, now)}, {clock}"


def day(at: datetime, now: datetime) -> str:
    """The day, with its year where that is another one.

    >>> day(datetime(2025, 1, 9, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))
    '9 Jan 2025'
    """
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {_MONTHS[at.month - 1]}{year}"


def stamp(at: datetime) -> str:
    """The whole moment to the second.

    >>> stamp(datetime(2026, 11, 24, 14, 31, 22, tzinfo=UTC))
    '24 Nov 2026, 14:31:22 UTC'
    """
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%Y, %H:%M:%S} UTC"
