"""The lengths of time and the switches by which decisions are taken, as one frozen value.

Rule: made from the configuration once; the defaults are those of SES where they are known.

References: AWS SESv2 DkimAttributes; docs/divergences.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator may set; the defaults are those of SES where they are known."""

    search: timedelta = timedelta(hours=72)
    grace: timedelta = timedelta(hours=72)
    silence: timedelta = timedelta(hours=24)
    second_round: timedelta = timedelta(seconds=5)
    confirmations: int = 3
    retain: timedelta = timedelta(days=8)
    rotate_days: int = 180
    """A key that has been placed for so long is followed by a new one; 0 for never."""
    ed25519: bool = False
    """Whether an identity of which nothing else was said has a second signature, of an Ed25519 key."""
    publish_retired_after: timedelta = timedelta(0)
    """Retired private keys are published that long after their records were found blank; 0 for never."""
    longest_negative: timedelta = timedelta(hours=3)
    length_change_every: timedelta = timedelta(hours=24)
    key_ttl: int = 1800
    blank_ttl: int = 60
    default_bits: int = 2048
    auto_resume: bool = False
    strict_ses_signing_gap: bool = False
    strict_ses_duplicate_signatures: bool = False
    same_length_is_noop: bool = False
