"""When an identity has to be looked at again: the due times that are stored beside it.

Rule: every save goes through `due_times`, so that no state can be stored that nothing wakes up for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mailseal.core import ed25519
from mailseal.core.checking import switch_due_at
from mailseal.core.identity import EasyDkim, Identity, Setting, rotation_due_at, wants_ed25519, wish_of
from mailseal.core.lifecycle import next_check_at
from mailseal.core.policy import Policy
from mailseal.core.rotation import STILL_GIVEN, KeySlot, next_due_at, upcoming
from mailseal.service.world import DueTimes, Tx

SHORTEST = timedelta(seconds=1)
"""What is due at once and could not be done is tried again no sooner than this."""


SERVERS_FOLLOW = timedelta(seconds=10)
"""How often to look whether what some server still gives has ceased to be given."""


def next_work_at(tx: Tx, *, mails: bool = True) -> datetime | None:
    """The earliest moment at which there is something to do by itself; None where nothing is ever due.

    Without `mails` what is due about addresses is left out.
    """
    moments = [tx.identities.next_due_at(), tx.mail_from.next_due_at()]
    if mails:
        moments.append(tx.addresses.next_due_at())
    return min((moment for moment in moments if moment is not None), default=None)


def due_times(
    identity: Identity, now: datetime, policy: Policy, jitter: float, *, check_now: bool = False
) -> DueTimes:
    """The due times of an identity's settings and slots; `check_now` makes its settings due at once."""
    checks = {
        setting.setting_id: now if check_now else _check_due(identity, setting, now, policy, jitter)
        for setting in identity.settings
    }
    second = ed25519.wish_of(identity.ed25519, wanted=wants_ed25519(identity, policy))
    moments = (
        next_due_at(identity.slots, wish_of(identity), now),
        next_due_at(identity.ed25519.slots, second, now),
        rotation_due_at(identity, policy),
    )
    return DueTimes(checks, min((moment for moment in moments if moment is not None), default=None))


def _check_due(
    identity: Identity, setting: Setting, now: datetime, policy: Policy, jitter: float
) -> datetime | None:
    due = next_check_at(setting.proof, now, policy, jitter)
    switch = switch_due_at(identity, policy) if setting is identity.newest else None
    if switch is not None:
        switch = max(_known(switch, now), now + SHORTEST)
    easy = upcoming(identity.slots) if isinstance(setting.method, EasyDkim) else None
    sight = _sight_due(easy, wish_of(identity).absent_until, now, policy)
    second = _ed25519_due(identity, now, policy) if setting is identity.newest else None
    return min((moment for moment in (due, switch, sight, second) if moment is not None), default=None)


def _ed25519_due(identity: Identity, now: datetime, policy: Policy) -> datetime | None:
    """When to look for the next Ed25519 key, once there is a first signature for it to stand beside."""
    if identity.signing is None or not wants_ed25519(identity, policy):
        return None
    return _sight_due(ed25519.waiting_slot(identity.ed25519), None, now, policy)


def _sight_due(
    following: KeySlot | None, absent: datetime | None, now: datetime, policy: Policy
) -> datetime | None:
    """When to look for a next key: when its slot is ready, else soon, and ever more seldom while it stays
    out of sight."""
    if following is None or following.placed_at is None:
        return None
    if following.seen_at is not None:
        moments = [*(earlier.until for earlier in following.earlier), now + SHORTEST]
        return _known(max(moments if absent is None else [*moments, absent]), now)
    shortest = timedelta(seconds=max(2, policy.blank_ttl))
    return now + min(max(shortest, (now - following.placed_at) / 4), timedelta(hours=1))


def _known(moment: datetime, now: datetime) -> datetime:
    """The moment or, while nobody knows it, the next look whether it is known by then."""
    return now + SERVERS_FOLLOW if moment >= STILL_GIVEN else moment
