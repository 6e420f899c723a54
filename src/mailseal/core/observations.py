"""What one look-up in the DNS gave, as a value that keeps every class of outcome apart.

Rule: "could not ask" is never "is not there": only `NXDOMAIN` and `NODATA` say that something is absent.
References: RFC 1034 §3.6.2 (CNAME), RFC 2308 §2 (negative answers), RFC 8914 §2 (extended errors).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class RecordType(StrEnum):
    """The record types that a check of a domain ever asks for."""

    A = "A"
    NS = "NS"
    CNAME = "CNAME"
    SOA = "SOA"
    MX = "MX"
    TXT = "TXT"
    AAAA = "AAAA"


class Outcome(StrEnum):
    """What an answer, or the lack of one, says about the name that was asked for."""

    ANSWER = "ANSWER"
    NXDOMAIN = "NXDOMAIN"
    NODATA = "NODATA"
    BOGUS = "BOGUS"
    """A validating resolver found that DNSSEC does not hold for this name."""
    TEMPORARY = "TEMPORARY"
    """No evidence either way: SERVFAIL, REFUSED, silence, a lame server, a spent budget, a broken answer."""


class Stage(StrEnum):
    """Whose word an observation is: the zone's own servers, or a resolver that looks from outside."""

    AUTHORITY = "AUTHORITY"
    VANTAGE = "VANTAGE"


class Trouble(StrEnum):
    """Why a server gave nothing to go by, where a diagnosis depends on it."""

    LAME = "LAME"
    """It does not answer as an authority for the zone that is delegated to it."""
    NOT_PUBLIC = "NOT_PUBLIC"
    """Its address is one of special purpose: it was not asked."""
    DELEGATED = "DELEGATED"
    """The name belongs to servers further down, and none of those can be asked."""


ENDLESS_ALIASES = "the aliases run in a circle or are too many"
"""How an observation says in its detail that its chain has no end; the chain is as far as it was followed."""


@dataclass(frozen=True, slots=True)
class Question:
    """One name and type to ask for; the name in lower-case A-labels without the final dot."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked: `ns1.example.net 192.0.2.1` for an authority, `udp://127.0.0.1:53` for a vantage."""

    stage: Stage
    server: str
    is_remote: bool = False
    """Whether a vantage is somebody else's resolver: its word may block SUCCESS, and never alone give it."""


@dataclass(frozen=True, slots=True)
class SoaRecord:
    """The parts of a SOA record that a check compares; `minimum` is the negative TTL in seconds."""

    primary: str
    admin: str
    serial: int
    minimum: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One server's reply to one question.

    `chain` and `outcome` are independent: NXDOMAIN with a chain means that the alias is there and its target
    is not. Names are in DNS presentation form, lower-case, without the final dot. TTLs are seconds.
    """

    question: Question
    asked: Asked
    outcome: Outcome
    rcode: str = ""
    """`NOERROR`, `SERVFAIL` …; empty where no answer came."""
    chain: tuple[str, ...] = ()
    """The targets of the CNAMEs that start at the question's name, in order, as far as this answer goes."""
    texts: tuple[bytes, ...] = ()
    """The TXT records at the end of the chain, the character-strings of each joined without separator."""
    addresses: tuple[str, ...] = ()
    """What A or AAAA records at the end of the chain say."""
    names: tuple[str, ...] = ()
    """The targets of NS or MX records at the end of the chain."""
    soa: SoaRecord | None = None
    """The SOA of the answer, or the one that came with a negative answer."""
    zone: str | None = None
    """The owner of that SOA: the apex of the zone that answered."""
    ttl: int | None = None
    """The smallest TTL in the answer."""
    negative_ttl: int | None = None
    """How long the absence may be remembered: the smaller of the SOA's TTL and its minimum (RFC 2308 §5)."""
    authoritative: bool = False
    authenticated: bool = False
    """The AD bit: worth no more than the path to the vantage."""
    detail: str = ""
    """A short reason for a person; foreign bytes in it are escaped."""
    took_ms: int = 0
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class AuthorityReport:
    """What the servers of a domain's own zone said, each for itself."""

    zone: str | None
    """The apex of the closest enclosing zone; None where it could not be found."""
    soa: SoaRecord | None = None
    observations: tuple[Observation, ...] = ()
    detail: str = ""
    """Why there are no observations, or fewer than one hoped for."""
    troubles: frozenset[Trouble] = frozenset()
    """The same, for a diagnosis."""


def printable(foreign: str, *, at_most: int = 300) -> str:
    """Text from outside with control, format and other unprintable characters written as escapes.

    >>> printable("a\\x1b[31m\\u202eb")
    'a\\\\x1b[31m\\\\u202eb'
    """
    shown = "".join(
        c if c == " " or unicodedata.category(c)[0] not in "CZ" else c.encode("unicode_escape").decode()
        for c in foreign[:at_most]
    )
    return shown if len(foreign) <= at_most else shown + "…"
