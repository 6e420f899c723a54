"""What the database gives and takes besides identities: sealed keys, rows of lists, due work, the timeline.

Rule: plain values; what they mean is decided elsewhere.
References: AWS SESv2 IdentityInfo, AWS SESv2 ListEmailIdentitiesRequest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.lifecycle import DkimStatus


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A private key as it is stored: opened by the keyring only, and only in its place."""

    ref: KeyRef
    envelope: bytes = field(repr=False)
    master_key_id: str
    made_at: datetime
    place: KeyPlace | None = None
    """None while the key waits in the stock."""


class SealBroken(Exception):
    """A sealed key or secret does not open for the place it is said to belong to: altered, moved, foreign."""


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """One row of a list of identities."""

    name: str
    status: DkimStatus
    """The identity's status (AWS SESv2 VerificationStatus): its signing setting's, else its newest's."""
    may_send: bool
    kind: str = "DOMAIN"


@dataclass(frozen=True, slots=True)
class IdentityQuery:
    """Which identities to list, in the order of their names; filters are None where absent."""

    account_id: str
    region: str
    after: str = ""
    limit: int = 100
    name_contains: str | None = None
    status: DkimStatus | None = None


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When the settings of an identity have to be checked, by setting id, and its slots looked at."""

    checks: Mapping[str, datetime | None]
    slots: datetime | None


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A setting that was claimed for a check, until the lease ends."""

    account_id: str
    region: str
    name: str
    setting_id: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class DueMailFrom:
    """An identity whose MAIL FROM domain was claimed for a check."""

    account_id: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class DueSlots:
    """A domain whose slots were claimed, until the lease ends."""

    account_id: str
    region: str
    domain: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One line of an identity's timeline."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class EventPlace:
    """Which line of whose timeline: enough to go on behind it."""

    at: datetime
    name: str
    number: int
