"""The narrow floor between the tables and a database engine: run one statement, get its rows.

Rule: a table knows nothing of its engine but `Execute`; statements have `?` for parameters, times are
integer epoch milliseconds, and a value is one of `Value`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

Value = str | int | bytes | None
Row = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Execute(Protocol):
    """Runs one statement inside the transaction and gives all its rows."""

    def __call__(self, statement: str, values: Sequence[Value] = (), /) -> Sequence[Row]: ...


def to_ms(at: datetime) -> int:
    """Whole milliseconds since the epoch, the rest cut off.

    >>> to_ms(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))
    1000
    """
    return (at - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """The aware UTC moment that many milliseconds after the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms_or_null(at: datetime | None) -> int | None:
    """As `to_ms`; None stays None."""
    return None if at is None else (at - _EPOCH) // _MILLISECOND


def from_ms_or_null(ms: int | None) -> datetime | None:
    """As `from_ms`; None stays None."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def duration_to_ms(duration: timedelta) -> int:
    """Whole milliseconds of a duration, the rest cut off."""
    return duration // _MILLISECOND


def duration_from_ms(ms: int) -> timedelta:
    """The duration of that many milliseconds."""
    return timedelta(milliseconds=ms)
