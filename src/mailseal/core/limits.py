"""How much an account may have and how often it may ask: arithmetic only.

Rule: a rate is a token bucket; in any stretch of T seconds at most `burst + per_second × T` requests pass.
What is not limited is None, never a very large number.
References: AWS SESv2 LimitExceededException, AWS SESv2 TooManyRequestsException.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailseal.core.errors import BadRequest, LimitExceeded, TooManyRequests

DEFAULT_IDENTITIES = 10_000
"""Identities of an account in one region, domains and addresses together, as SES has it."""
MOST = 10**9
RATE_EXCEEDED = "Rate exceeded"


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second in the long run, and how many may come at once."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits, each for one region; None is no limit."""

    identities: int | None = DEFAULT_IDENTITIES
    rate: Rate | None = None


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many requests may still come at once, as of a moment."""

    tokens: float
    at: datetime


def parse_rate(per_second: int, burst: int | None = None) -> Rate:
    """The rate of these numbers; without a burst, one second's requests. Raises BadRequest."""
    for name, number in (("rate", per_second), ("burst", per_second if burst is None else burst)):
        if not 1 <= number <= MOST:
            raise BadRequest(f"The {name} must be a number from 1 to {MOST}.", hint="No limit at all: off.")
    return Rate(per_second, per_second if burst is None else burst)


def parse_identities(number: int) -> int:
    """The greatest number of identities; raises BadRequest."""
    if not 0 <= number <= MOST:
        raise BadRequest(f"The number of identities must be from 0 to {MOST}.", hint="No limit at all: off.")
    return number


def after_request(bucket: Bucket | None, rate: Rate, now: datetime) -> Bucket:
    """The bucket after one more request (None: the first of late); raises TooManyRequests where it is empty.

    A clock that went back fills nothing and takes nothing away.
    """
    if bucket is None:
        return Bucket(rate.burst - 1.0, now)
    passed = max(0.0, (now - bucket.at).total_seconds())
    tokens = min(float(rate.burst), bucket.tokens + passed * rate.per_second)
    if tokens < 1.0:
        raise TooManyRequests(RATE_EXCEEDED, hint=f"This account may ask {rate.per_second} times a second.")
    return Bucket(tokens - 1.0, max(now, bucket.at))


def check_identities(held: int, limits: Limits, region: str) -> None:
    """Raises LimitExceeded where an account that holds so many identities may not have one more."""
    if limits.identities is not None and held >= limits.identities:
        raise LimitExceeded(
            f"The account has reached its limit of {limits.identities} identities in {region}.",
            hint="Delete some, or raise it: mailseal account set ID --identities NUMBER",
        )
