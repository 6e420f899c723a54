"""Token buckets: never more than the burst and what time brought, never less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.errors import BadRequest, LimitExceeded, TooManyRequests
from mailseal.core.limits import (
    Bucket,
    Limits,
    Rate,
    after_request,
    check_identities,
    parse_identities,
    parse_rate,
)

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def passed(rate: Rate, pauses: list[float]) -> list[float]:
    """The moments, in seconds, of the requests that were let through."""
    bucket: Bucket | None = None
    at, through = 0.0, []
    for pause in pauses:
        at += pause
        try:
            bucket = after_request(bucket, rate, NOW + timedelta(seconds=at))
        except TooManyRequests:
            continue
        through.append(at)
    return through


def test_a_burst_passes_at_once_and_then_one_for_each_part_of_a_second() -> None:
    assert passed(Rate(2, 3), [0.0] * 10) == [0.0, 0.0, 0.0]
    assert passed(Rate(2, 1), [0.0, 0.25, 0.25, 0.25, 0.25]) == [0.0, 0.5, 1.0]


def test_a_refused_request_costs_nothing() -> None:
    assert passed(Rate(1, 1), [0.0, *[0.1] * 12])[1] == pytest.approx(1.0)


def test_rest_fills_no_more_than_the_burst() -> None:
    assert passed(Rate(5, 2), [0.0, 3600.0, 0.0, 0.0, 0.0]) == [0.0, 3600.0, 3600.0]


def test_a_clock_that_went_back_fills_nothing() -> None:
    bucket = after_request(None, Rate(1, 1), NOW)
    with pytest.raises(TooManyRequests):
        after_request(bucket, Rate(1, 1), NOW - timedelta(hours=1))
    assert after_request(bucket, Rate(1, 1), NOW + timedelta(seconds=1)).at == NOW + timedelta(seconds=1)


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=60),
)
def test_no_stretch_of_time_lets_more_through_than_burst_and_rate(
    per_second: int, burst: int, pauses: list[float]
) -> None:
    through = passed(Rate(per_second, burst), pauses)
    for first in range(len(through)):
        for last in range(first, len(through)):
            allowed = burst + per_second * (through[last] - through[first])
            assert last - first + 1 <= allowed + 1e-3


@pytest.mark.parametrize("numbers", [(0,), (-1,), (10**9 + 1,), (1, 0)])
def test_a_rate_that_is_none_is_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(BadRequest):
        parse_rate(*numbers)


def test_a_rate_without_a_burst_lets_one_seconds_requests_come_at_once() -> None:
    assert parse_rate(20) == Rate(20, 20)
    assert parse_rate(20, 5) == Rate(20, 5)


def test_an_account_may_hold_its_limit_and_not_one_more() -> None:
    check_identities(9_999, Limits(), "us-east-1")
    with pytest.raises(LimitExceeded, match="10000 identities in us-east-1"):
        check_identities(10_000, Limits(), "us-east-1")
    check_identities(10**7, Limits(identities=None), "us-east-1")
    with pytest.raises(LimitExceeded):
        check_identities(0, Limits(identities=0), "us-east-1")
    assert parse_identities(0) == 0
    with pytest.raises(BadRequest):
        parse_identities(-1)
