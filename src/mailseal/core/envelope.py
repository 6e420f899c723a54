"""A message's envelope, and what became of handing the message to the next hop.

Rule: a lost answer is `NoAnswer`, never a refusal: the next hop may have taken the message.
References: RFC 5321 §2.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """MAIL FROM and RCPT TO (RFC 5321 §2.3.1)."""

    mail_from: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The next hop has taken responsibility for the message, all recipients of it."""

    answer: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The next hop answered and does not take it; `permanent` is a 5xx reply."""

    permanent: bool
    answer: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The next hop could not be asked, or its answer was lost."""

    detail: str


@dataclass(frozen=True, slots=True)
class Busy:
    """The next hop was not asked, because too much waits for it already."""


@dataclass(frozen=True, slots=True)
class RecipientTaken:
    """The next hop would take the message for this recipient; nothing is promised yet."""


MailAnswer = HandedOver | Declined | NoAnswer | Busy
RecipientAnswer = RecipientTaken | Declined | NoAnswer | Busy
