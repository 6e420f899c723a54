"""Operators: the people who sign in to the console, their sessions, and when a name has to rest.

Rule: values and decisions only; what is stored tells neither a password nor a session's secret.
References: OWASP ASVS 5.0, chapters on authentication and session management.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailseal.core.errors import BadRequest

TRIES = 5
"""So many wrong passwords in a row, and the name rests."""
REST = timedelta(minutes=15)
IDLE = timedelta(hours=12)
"""A session that nobody used for so long is over."""
LONGEST = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=5)
"""A session's last use is written down that often."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may sign in; `password` is an Argon2id text, or empty for nobody's password."""

    name: str
    created_at: datetime
    password: str = field(default="", repr=False)
    failures: int = 0
    """Wrong passwords in a row."""
    resting_until: datetime | None = None

    def rests(self, now: datetime) -> bool:
        """Whether no password is taken now, the right one neither."""
        return self.resting_until is not None and now < self.resting_until


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's stay in the console, known by the hash of the secret in a cookie."""

    secret_hash: str
    operator: str
    began_at: datetime
    seen_at: datetime

    def lasts(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now < self.seen_at + IDLE and now < self.began_at + LONGEST


def after_wrong_password(operator: Operator, now: datetime) -> Operator:
    """The operator after one wrong password more."""
    failures = operator.failures + 1
    if failures < TRIES:
        return replace(operator, failures=failures)
    return replace(operator, failures=0, resting_until=now + REST)


def after_right_password(operator: Operator) -> Operator:
    """The operator after the right password."""
    return replace(operator, failures=0, resting_until=None)


def parse_operator_name(text: str) -> str:
    """The name in lower case; raises BadRequest."""
    name = text.strip().lower()
    if not _NAME.match(name):
        raise BadRequest(
            "An operator's name is 1 to 64 letters, digits and . _ @ -, and begins with a letter or a digit."
        )
    return name


def parse_password(text: str) -> str:
    """The password as it was given; raises BadRequest, which does not repeat it."""
    if not SHORTEST_PASSWORD <= len(text) <= LONGEST_PASSWORD:
        raise BadRequest(
            f"A password has {SHORTEST_PASSWORD} characters at least.", hint="Four words make a good one."
        )
    return text
