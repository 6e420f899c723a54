"""The native API's objects: an identity, its records and its checks as JSON members.

Rule: pure; members are only ever added. Times are RFC 3339 in UTC with Z; what is not known is null.
References: docs/glossary.md; RFC 3339 §5.6.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mailseal.core import ed25519
from mailseal.core.addressid import AddressStanding
from mailseal.core.attributes import Neighbours
from mailseal.core.cachewindow import cache_window
from mailseal.core.identity import (
    ByoDkim,
    EasyDkim,
    Identity,
    Replica,
    Setting,
    rotation_due_at,
    verification,
    wants_ed25519,
)
from mailseal.core.lifecycle import DkimStatus, next_check_at, search_ends_at
from mailseal.core.mailfrom import MailFrom
from mailseal.core.policy import Policy
from mailseal.core.regions import replica_origin
from mailseal.core.rotation import STILL_GIVEN, KeySlot, SlotState
from mailseal.core.sending import second_key, signing_key
from mailseal.core.stored import IdentitySummary, StoredEvent
from mailseal.service.handing import RECORD_TTL, ToPublish

Members = dict[str, Any]


def rfc3339(at: datetime | None) -> str | None:
    """The time to the second, or None for none.

    >>> from datetime import UTC
    >>> rfc3339(datetime(2026, 11, 23, 14, 11, 7, tzinfo=UTC))
    '2026-11-23T14:11:07Z'
    """
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def summary(row: IdentitySummary) -> Members:
    """One row of a list."""
    return {"identity": row.name, "status": row.status, "may_send": row.may_send, "kind": row.kind}


def identity(
    found: Identity,
    beside: Neighbours,
    events: Sequence[StoredEvent],
    now: datetime,
    policy: Policy,
    late: Sequence[str] = (),
) -> Members:
    """All there is to say about an identity; `late` are the servers that have not followed our zones."""
    standing = verification(found)
    proof = found.newest.proof
    looking = next_check_at(proof, proof.last_checked_at or now, policy, 0.0)
    return _place(found) | {
        "kind": "DOMAIN",
        "created_at": rfc3339(found.created_at),
        "dkim_status": proof.status,
        "verification_status": standing.status,
        "may_send": standing.may_send,
        "signing_enabled": found.signing_enabled,
        "signed_with": _signed_with(found),
        **_method(found.newest),
        "hosted_zone": found.slots[0].zone if found.slots else None,
        "last_key_at": rfc3339(found.last_key_at),
        "length_changed_at": rfc3339(found.length_changed_at),
        "checked_at": rfc3339(proof.last_checked_at),
        "next_check_at": rfc3339(looking),
        "search_ends_at": _search_ends(found, policy),
        "new_key_wanted": found.new_key_wanted,
        "rotate_days": policy.rotate_days if found.rotate_days is None else found.rotate_days,
        "rotation_due_at": rfc3339(rotation_due_at(found, policy)),
        "error_type": standing.error_type,
        "cache_window": _cache_window(found, now),
        "settings": [_setting(found, one) for one in found.settings],
        "slots": [_slot(one, late) for one in found.slots],
        "ed25519": _ed25519(found, policy, late),
        **_beside(beside, events, now),
    }


def address(
    found: AddressStanding, beside: Neighbours, events: Sequence[StoredEvent], now: datetime
) -> Members:
    """All there is to say about an identity of an address."""
    asked = found.address
    waiting = asked.status is DkimStatus.PENDING
    return {
        "identity": asked.name,
        "account": asked.account_id,
        "region": asked.region,
        "kind": "EMAIL_ADDRESS",
        "created_at": rfc3339(asked.created_at),
        "verification_status": asked.status,
        "may_send": asked.is_proven,
        "proven_at": rfc3339(asked.proven_at),
        "link_asked_at": rfc3339(asked.link_at),
        "link_ends_at": rfc3339(asked.link_ends_at) if waiting else None,
        "mail_due_at": rfc3339(asked.mail_due_at),
        "mails_tried": asked.mails_tried,
        "domain": None if found.domain is None else found.domain.name,
        "signing_enabled": found.signing_enabled,
        "signing_override": found.signing_override,
        **_beside(beside, events, now),
    }


def _beside(beside: Neighbours, events: Sequence[StoredEvent], now: datetime) -> Members:
    return {
        "tags": [{"key": tag.key, "value": tag.value} for tag in beside.attributes.tags],
        "configuration_set": beside.attributes.configuration_set,
        "feedback_forwarding": beside.attributes.feedback_forwarding,
        "mail_from": _mail_from(beside.mail_from),
        "policies": sorted(beside.policies),
        "now": rfc3339(now),
        "events": events_of(events),
    }


def events_of(events: Sequence[StoredEvent]) -> list[Members]:
    """Events of a timeline, in the order given."""
    return [{"at": rfc3339(e.at), "kind": e.kind, "text": e.text} for e in events]


def _mail_from(mail_from: MailFrom | None) -> Members | None:
    if mail_from is None:
        return None
    return {
        "domain": mail_from.domain,
        "status": mail_from.proof.status,
        "on_failure": mail_from.on_failure,
        "checked_at": rfc3339(mail_from.proof.last_checked_at),
        "error_type": mail_from.proof.error_type,
    }


def records(sheet: ToPublish) -> Members:
    """What the domain's owner has to publish for the newest setting and the second signature, and for the
    MAIL FROM domain."""
    found = sheet.identity
    return _place(found) | {
        "dkim_status": found.newest.proof.status,
        "zone": sheet.zone,
        "records": [
            {"slot": one.slot, "name": one.owner, "type": one.type, "value": one.value, "ttl": RECORD_TTL}
            for one in sheet.records
        ],
    }


def check(
    found: Identity, report: str | None, policy: Policy, mail_from_report: str | None = None
) -> Members:
    """The last check of the newest setting, and that of the MAIL FROM domain.

    The reports are the stored evidence, None where there was none.
    """
    beside: Members = json.loads(mail_from_report) if mail_from_report else {"records": []}
    noted: Members = json.loads(report) if report else {"checked_at": None, "records": []}
    return _place(found) | {
        "dkim_status": found.newest.proof.status,
        "checked_at": noted["checked_at"],
        "search_ends_at": _search_ends(found, policy),
        **_method(found.newest),
        "evidence": noted.get("evidence"),
        "error_type": noted.get("error_type"),
        "zone": noted.get("zone"),
        "not_asked": noted.get("not_asked", ""),
        "records": noted["records"],
        "ed25519_records": noted.get("ed25519_records", []),
        "diagnoses": noted.get("diagnoses", []) + beside.get("diagnoses", []),
        "probes": noted.get("probes", []) + beside.get("probes", []),
        "earlier": noted.get("earlier", []),
        "mail_from_records": beside["records"],
    }


def _place(found: Identity) -> Members:
    return {"identity": found.name, "account": found.account_id, "region": found.region}


def _cache_window(found: Identity, now: datetime) -> Members | None:
    """What receivers may hold of a record that is replaced under its own selector, and until when."""
    window = cache_window(found, now)
    if window is None:
        return None
    return {
        "selector": window.selector,
        "ttl": window.ttl,
        "until": rfc3339(window.until),
        "was_replaced": window.was_replaced,
        "text": window.text,
    }


def _search_ends(found: Identity, policy: Policy) -> str | None:
    proof = found.newest.proof
    waiting = proof.status in (DkimStatus.PENDING, DkimStatus.TEMPORARY_FAILURE) and not proof.was_proven
    return rfc3339(search_ends_at(proof, policy)) if waiting else None


def _method(setting: Setting) -> Members:
    match setting.method:
        case ByoDkim(selector=selector, key=key):
            own = {"bits": key.bits, "fingerprint": key.fingerprint}
            return {"origin": "EXTERNAL", "selector": selector, "key": own, "bits": key.bits}
        case EasyDkim(bits=bits):
            return {"origin": "AWS_SES", "selector": None, "key": None, "bits": bits}
        case Replica(region=region, parent=parent):
            origin = replica_origin(region)
            return {"origin": origin, "selector": None, "key": None, "bits": parent.bits}


def _setting(found: Identity, setting: Setting) -> Members:
    signs = found.signing is not None and found.signing.setting_id == setting.setting_id
    proof = setting.proof
    return _method(setting) | {
        "status": proof.status,
        "since": rfc3339(proof.since),
        "signs": signs and found.signing_enabled,
        "checked_at": rfc3339(proof.last_checked_at),
        "last_success_at": rfc3339(proof.last_success_at),
    }


def _signed_with(found: Identity) -> Members | None:
    chosen = signing_key(found)
    if chosen is None:
        return None
    number = next((slot.number for slot in found.slots if slot.token == chosen.selector), None)
    second = second_key(found)
    return {
        "slot": number,
        "selector": chosen.selector,
        "bits": chosen.bits,
        "ed25519_selector": second.selector if second else None,
    }


def _ed25519(found: Identity, policy: Policy, late: Sequence[str]) -> Members:
    """How it stands with the second signature."""
    slot = ed25519.signing_slot(found.ed25519)
    return {
        "said": found.ed25519.said,
        "wanted": wants_ed25519(found, policy),
        "seen": slot is not None,
        "new_key_wanted": found.ed25519.new_key_wanted,
        "slots": [_slot(one, late) for one in found.ed25519.slots],
    }


def _slot(slot: KeySlot, late: Sequence[str]) -> Members:
    key = None if slot.key is None else {"bits": slot.key.bits, "fingerprint": slot.key.fingerprint}
    published = slot.answered is not None and slot.answered.text is not None
    ready_at = max((old.until for old in slot.earlier), default=None)
    is_known = ready_at != STILL_GIVEN
    return {
        "slot": slot.number,
        "token": slot.token,
        "name": slot.owner,
        "state": slot.state.lower(),
        "key": key,
        "published": published,
        "published_since": rfc3339(slot.placed_at) if slot.key is not None else None,
        "published_until": rfc3339(slot.blank_at) if slot.state is SlotState.PREVIOUS else None,
        "seen_at": rfc3339(slot.seen_at),
        "ready_at": rfc3339(ready_at) if is_known else None,
        "waits_for_servers": None if is_known else list(late),
    }
