"""What one check of one setting makes of its identity: the proof, the switch, the slots that were seen.

Rule: a result is bound to the setting it was gathered for; for a setting that is gone it means nothing.
References: docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailseal.core import ed25519, rotation
from mailseal.core.cachewindow import cache_window
from mailseal.core.identity import (
    ByoDkim,
    Change,
    EasyDkim,
    Event,
    Identity,
    Replica,
    Setting,
    after_time,
    with_setting,
    with_switch,
)
from mailseal.core.lifecycle import DkimStatus, Proof, after_check
from mailseal.core.policy import Policy
from mailseal.core.verification import DEFINITIVE, CheckReport, Finding


def with_check(
    identity: Identity, setting_id: str, report: CheckReport, now: datetime, policy: Policy
) -> Change:
    """The identity after one check of one of its settings."""
    setting = next((s for s in identity.settings if s.setting_id == setting_id), None)
    if setting is None:
        return Change(identity)
    # Positive answers carry no SOA; what an older setting's check saw of the same zone serves as well.
    soa = next((s.proof.soa for s in (setting, *identity.settings) if s.proof.soa), None)
    check = replace(report.check, soa=report.check.soa or soa)
    proof = after_check(setting.proof, check, now, policy)
    later = with_setting(identity, replace(setting, proof=proof))
    cached = _cache_events(identity, later, now)
    later = replace(later, slots=rotation.seen(later.slots, report.slot_texts, now))
    events = _status_events(setting.proof, proof)
    later, switched = _with_due_switch(later, now, policy)
    later = _without_lost_proof(later, now, policy)
    before = rotation.active(later.slots)
    later = after_time(later, now, policy)
    return Change(later, events + cached + switched + slot_events(before, rotation.active(later.slots)))


def _cache_events(before: Identity, after: Identity, now: datetime) -> tuple[Event, ...]:
    """The sentence for the timeline where a record that is replaced in place has been seen to be replaced."""
    window = cache_window(after, now)
    if window is None or not window.was_replaced:
        return ()
    return () if before.newest.proof.stale_until == window.until else (Event("cache", window.text),)


def with_ed25519_check(identity: Identity, report: CheckReport, now: datetime, policy: Policy) -> Change:
    """The identity after one check of the records of its second signature; nothing else of it changes."""
    numbers = {one.expected.slot: one.verdict for one in report.records if one.expected.slot is not None}
    texts = {n: text for n, text in report.slot_texts.items() if numbers.get(n) is Finding.MATCH}
    gone = {number for number, verdict in numbers.items() if verdict in DEFINITIVE}
    before = ed25519.signing_slot(identity.ed25519)
    seen = replace(identity, ed25519=ed25519.seen(identity.ed25519, texts, gone, now))
    later = after_time(seen, now, policy)
    after = ed25519.signing_slot(later.ed25519)
    if (before and before.number) == (after and after.number):
        return Change(later)
    slot = f"with slot {after.number}" if after else "no longer: its record has gone"
    return Change(later, (Event("ed25519", f"mail is signed by Ed25519 {slot}"),))


def _status_events(before: Proof, after: Proof) -> tuple[Event, ...]:
    if before.status is after.status:
        return ()
    return (Event("status", f"{before.status} → {after.status}"),)


def slot_events(before: rotation.KeySlot | None, after: rotation.KeySlot | None) -> tuple[Event, ...]:
    """The sentence for the timeline where another slot has begun to sign."""
    if before is None or after is None or before.number == after.number:
        return ()
    return (Event("switch", f"signing switched from slot {before.number} to slot {after.number}"),)


def switch_due_at(identity: Identity, policy: Policy) -> datetime | None:
    """When signing may go over to the newest setting, or None while that is not proven or signs already.

    It waits until every earlier answer of the slot to be used has expired and, where an older setting signs,
    every "not there" and every other record that was seen, 3 hours at most. With one and the same selector
    there is nothing to wait for: the old key's record is already gone.
    """
    newest, signing = identity.newest, identity.signing
    if newest.proof.status is not DkimStatus.SUCCESS or newest.proof.last_success_at is None:
        return None
    if signing is not None and signing.setting_id == newest.setting_id:
        return None
    moments = [newest.proof.last_success_at, *_earlier_until(identity)]
    if signing is not None and not _same_name(newest, signing) and newest.proof.negative_until is not None:
        moments.append(newest.proof.negative_until)
    if signing is not None and not _same_name(newest, signing) and newest.proof.stale_until is not None:
        moments.append(min(newest.proof.stale_until, newest.proof.since + policy.longest_negative))
    return max(moments)


def _earlier_until(identity: Identity) -> tuple[datetime, ...]:
    """Until when caches may hold earlier answers of the slot that the newest setting would sign with."""
    slot = _slot_to_use(identity)
    return () if slot is None else tuple(earlier.until for earlier in slot.earlier)


def _slot_to_use(identity: Identity) -> rotation.KeySlot | None:
    match identity.newest.method:
        case Replica(parent=parent):
            return rotation.active(parent.slots)
        case EasyDkim():
            return rotation.active(identity.slots)
        case ByoDkim():
            return None


def _same_name(newest: Setting, signing: Setting) -> bool:
    match newest.method, signing.method:
        case EasyDkim(), EasyDkim():
            return True
        case ByoDkim(selector=new), ByoDkim(selector=old):
            return new.lower() == old.lower()
        case _:
            return False


def _with_due_switch(identity: Identity, now: datetime, policy: Policy) -> tuple[Identity, tuple[Event, ...]]:
    due = switch_due_at(identity, policy)
    if due is None or due > now:
        return identity, ()
    name = _signs_with(identity, now, policy)
    if name is None:
        return identity, ()
    return with_switch(identity, now, policy), (Event("signing", f"mail is signed with {name}"),)


def _signs_with(identity: Identity, now: datetime, policy: Policy) -> str | None:
    """What the newest setting would sign with, in words; None where its key is not fit to be used yet."""
    method = identity.newest.method
    if isinstance(method, ByoDkim):
        return f"selector {method.selector}"
    slot = _slot_to_use(identity)
    if slot is None or not rotation.is_ready(slot, now, policy):
        return None
    return f"slot {slot.number}" + (f" of {method.region}" if isinstance(method, Replica) else "")


def _without_lost_proof(identity: Identity, now: datetime, policy: Policy) -> Identity:
    """The identity without a signing setting whose records have been definitively missing for too long."""
    signing = identity.signing
    if signing is None or signing.proof.status is not DkimStatus.FAILED:
        return identity
    if not isinstance(identity.newest.method, EasyDkim):
        slots = rotation.with_no_use(identity.slots, now, policy)
        return replace(identity, signing=None, slots=slots)
    return replace(identity, signing=None)
