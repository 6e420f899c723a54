"""Which signature each sender's letters got last, so that the milter signs on while the database is away.

Rule: what is remembered was read from the database an hour ago at most; a sender whose letters pass unsigned
is forgotten at once. Never asked while the database answers.
References: docs/mta.md; milter SMFIR_TEMPFAIL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailseal.core.addresses import Mailbox
from mailseal.service.signing import Signature

GOOD_FOR = timedelta(hours=1)
MOST_SENDERS = 10_000
PATIENCE_S = 5.0
"""Seconds after which a database counts as one that does not answer; it answers within milliseconds."""

Sender = tuple[str, str, str, str]
"""An account, its region, and the address in From: local part and domain."""


def sender_of(account_id: str, region: str, box: Mailbox) -> Sender:
    """The sender of a letter of this account; the name beside the address does not matter."""
    return (account_id, region, box.local, box.domain)


@dataclass(slots=True)
class Remembered:
    """The signatures of the senders that were heard of last; belongs to one event loop."""

    most: int = MOST_SENDERS
    patience_s: float = PATIENCE_S
    _found: dict[Sender, tuple[datetime, Signature]] = field(default_factory=dict)

    def keep(self, sender: Sender, signature: Signature | None, now: datetime) -> None:
        """Takes note of what the database said of a sender at this moment."""
        self._found.pop(sender, None)
        if signature is None or signature.key is None:
            return
        self._found[sender] = (now, signature)
        if len(self._found) > self.most:
            del self._found[next(iter(self._found))]

    def recall(self, sender: Sender, now: datetime) -> Signature | None:
        """What the database said of a sender, None where that is too long ago or was never asked."""
        at, signature = self._found.get(sender, (None, None))
        return None if at is None or not timedelta() <= now - at <= GOOD_FOR else signature
