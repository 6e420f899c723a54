"""The Ed25519 keys beside an identity's RSA key: two key slots of their own, for a second signature.

Rule: they go through the same states as RSA keys and never touch these; a key signs only while a resolver
outside gives it under the customer's own name, for nothing is lost without it.
References: RFC 8463 §3; RFC 6376 §4; docs/decisions/0015-ed25519-beside-rsa.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mailseal.core import rotation
from mailseal.core.keys import KeyRef
from mailseal.core.policy import Policy
from mailseal.core.rotation import KeySlot, Slots, SlotState, Wish
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import ED25519_BITS

FIRST_NUMBER, COUNT = 4, 2
"""Their slots are numbered behind those of Easy DKIM; one signs, the other takes the key that follows."""


@dataclass(frozen=True, slots=True)
class Ed25519:
    """What an identity has of Ed25519: what was said, and its slots, none before the first key."""

    said: bool | None = None
    """Whether this identity gets the second signature; None: as the installation says."""
    slots: Slots = ()
    new_key_wanted: bool = False
    revoke_old_key: bool = False
    """The active key is compromised (`rotation.Wish.revoke`)."""


def of_easy_dkim(slots: Slots) -> Slots:
    """Of all slots of a domain those of Easy DKIM."""
    return tuple([slot for slot in slots if slot.number < FIRST_NUMBER])


def of_ed25519(slots: Slots) -> Slots:
    """Of all slots of a domain those for Ed25519 keys."""
    return tuple([slot for slot in slots if slot.number >= FIRST_NUMBER])


def wish_of(keys: Ed25519, *, wanted: bool) -> Wish:
    """What is wanted of the slots: always proof before use, as if mail depended on it."""
    if not wanted:
        return Wish(None)
    return Wish(ED25519_BITS, keys.new_key_wanted, in_use=True, revoke=keys.revoke_old_key)


def with_key_placed(keys: Ed25519, key: KeyRef, now: datetime) -> Ed25519:
    """The keys with a fresh one in a blank slot, to be used once it is seen."""
    slot = rotation.first_blank(keys.slots)
    if slot is None:
        return keys
    placed = replace(rotation.blanked(slot), state=SlotState.NEXT, key=key, placed_at=now)
    slots = rotation.changed(keys.slots, placed)
    return replace(keys, slots=slots, new_key_wanted=False)


def with_new_key_asked(keys: Ed25519, *, revoke: bool = False) -> Ed25519:
    """The keys with a new one wanted beside the one in use; the first one comes by itself."""
    if rotation.active(keys.slots) is None:
        return keys
    waits = rotation.upcoming(keys.slots) is not None
    return replace(keys, new_key_wanted=not waits, revoke_old_key=keys.revoke_old_key or revoke)


def after_time(keys: Ed25519, now: datetime, policy: Policy, *, wanted: bool) -> Ed25519:
    """The keys with everything done that is due at `now` and needs no new key.

    Where they are no longer wanted what signed stays published for mail on its way; wanted again within that
    time, it comes back.
    """
    if not wanted:
        slots = rotation.with_no_use(keys.slots, now, policy)
        slots = rotation.after_time(slots, Wish(None), now, policy)
        return Ed25519(keys.said, slots)
    slots = keys.slots
    if rotation.upcoming(slots) is None:
        slots = rotation.revived(slots)
    later = rotation.after_time(slots, wish_of(keys, wanted=True), now, policy)
    switched = rotation.active(later) != rotation.active(slots)
    revoke = keys.revoke_old_key and not (switched and not keys.new_key_wanted)
    return replace(keys, slots=later, revoke_old_key=revoke)


def seen(keys: Ed25519, texts: Mapping[int, bytes], gone: Collection[int], now: datetime) -> Ed25519:
    """The keys after a check: `texts` is what resolvers gave, by slot number, where they gave what was
    expected, and `gone` are the slots whose record is definitively not there."""
    return replace(keys, slots=tuple([_seen(slot, texts, gone, now) for slot in keys.slots]))


def _seen(slot: KeySlot, texts: Mapping[int, bytes], gone: Collection[int], now: datetime) -> KeySlot:
    if slot.key is None or slot.state is SlotState.PREVIOUS:
        return slot
    if texts.get(slot.number) == format_key_record(slot.key.spki):
        return replace(slot, seen_at=now)
    return replace(slot, seen_at=None) if slot.number in gone else slot


def signing_slot(keys: Ed25519) -> KeySlot | None:
    """The slot whose key makes the second signature; None while no record for it was seen, or it has gone."""
    slot = rotation.active(keys.slots)
    return slot if slot is not None and slot.seen_at is not None and not slot.withdrawn else None


def waiting_slot(keys: Ed25519) -> KeySlot | None:
    """The slot whose key waits to be seen before it is used."""
    return rotation.upcoming(keys.slots)
