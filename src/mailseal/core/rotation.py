"""The three key slots of a domain, and what is due to them at `now`.

Rule: a slot's key is never replaced in place: it goes BLANK → NEXT → ACTIVE → PREVIOUS → BLANK, and a key
signs only when every earlier answer of its slot has expired from all caches.
References: RFC 6376 §3.6.2.2; RFC 2308 §5; docs/decisions/0004-key-slots.md.

             place              seen and ready           retire                retained long enough
    BLANK ─────────► NEXT ─────────────────────► ACTIVE ────────► PREVIOUS ─────────────────────────► BLANK
      └───────── place, where nothing signs yet ───►┘ ▲               │
                                                      └─── revive ────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mailseal.core.keys import KeyRef
from mailseal.core.names import slot_name
from mailseal.core.policy import Policy
from mailseal.dkim.keyrecord import format_key_record

STILL_GIVEN = datetime(9999, 1, 1, tzinfo=UTC)
"""Until when an earlier answer may be cached that some server of ours still gives: nobody knows yet."""


class SlotState(StrEnum):
    """What a slot's key is used for."""

    BLANK = "BLANK"
    NEXT = "NEXT"
    ACTIVE = "ACTIVE"
    PREVIOUS = "PREVIOUS"


@dataclass(frozen=True, slots=True)
class Answer:
    """What our zone gives at one owner name: a TXT's content, or None for "no such name"."""

    text: bytes | None
    ttl: int


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """An answer that is no longer given and may sit in a cache until `until`."""

    text: bytes | None
    until: datetime


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One of a domain's three places for a key, named by its token for life."""

    number: int
    token: str
    zone: str
    state: SlotState = SlotState.BLANK
    key: KeyRef | None = None
    placed_at: datetime | None = None
    seen_at: datetime | None = None
    """When a resolver outside last gave this key under the customer's own name; None once it did not."""
    has_signed: bool = False
    blank_at: datetime | None = None
    retired_at: datetime | None = None
    withdraw_at: datetime | None = None
    withdrawn: bool = False
    answered: Answer | None = None
    """What the zone gives at this moment; None as long as the name has never been published."""
    earlier: tuple[EarlierAnswer, ...] = field(default=())

    @property
    def owner(self) -> str:
        """The slot's owner name in the hosted zone."""
        return slot_name(self.token, self.zone)


Slots = tuple[KeySlot, ...]


def answer_of(slot: KeySlot, policy: Policy) -> Answer:
    """What the zone ought to give at this slot's name."""
    if slot.withdrawn:
        return Answer(None, policy.blank_ttl)
    if slot.key is None:
        return Answer(b"", policy.blank_ttl)
    return Answer(format_key_record(slot.key.spki), policy.key_ttl)


def is_ready(slot: KeySlot, now: datetime, policy: Policy) -> bool:
    """Whether the slot's present answer is published and no cache can hold an earlier one."""
    published = slot.answered is not None and slot.answered.text == answer_of(slot, policy).text
    return published and all(earlier.until <= now for earlier in slot.earlier)


def in_state(slots: Slots, state: SlotState) -> tuple[KeySlot, ...]:
    """The slots in one state, in the order of their numbers."""
    return tuple([slot for slot in slots if slot.state is state])


def active(slots: Slots) -> KeySlot | None:
    """The slot whose key signs, or would sign once the setting is proven."""
    for slot in slots:
        if slot.state is SlotState.ACTIVE:
            return slot
    return None


def upcoming(slots: Slots) -> KeySlot | None:
    """The slot whose key is published and waits to be used."""
    for slot in slots:
        if slot.state is SlotState.NEXT:
            return slot
    return None


def first_blank(slots: Slots) -> KeySlot | None:
    """The blank slot to place a key in: the one whose earlier answers expire first."""
    blank = in_state(slots, SlotState.BLANK)
    return min(blank, key=_quiet_since, default=None)


def _quiet_since(slot: KeySlot) -> tuple[float, int]:
    if not slot.earlier:
        return 0.0, slot.number
    return max(earlier.until.timestamp() for earlier in slot.earlier), slot.number


def newest_previous(slots: Slots) -> KeySlot | None:
    """The previous slot that was retired last."""
    return max(in_state(slots, SlotState.PREVIOUS), key=_retired, default=None)


def _retired(slot: KeySlot) -> float:
    return slot.retired_at.timestamp() if slot.retired_at else 0.0


def changed(slots: Slots, slot: KeySlot) -> Slots:
    """The slots with one of them put in the place of its number."""
    return tuple([slot if old.number == slot.number else old for old in slots])


def blanked(slot: KeySlot) -> KeySlot:
    """The slot without its key; its token, zone and the memory of its answers stay."""
    return KeySlot(
        number=slot.number,
        token=slot.token,
        zone=slot.zone,
        withdraw_at=slot.withdraw_at,
        withdrawn=slot.withdrawn,
        answered=slot.answered,
        earlier=slot.earlier,
    )


def retired(slot: KeySlot, now: datetime, policy: Policy) -> KeySlot:
    """The slot after its key has ceased to sign: kept published for mail on its way, or blank at once
    where the key has never signed."""
    if not slot.has_signed:
        return blanked(slot)
    keep = policy.retain + timedelta(seconds=policy.key_ttl)
    return replace(slot, state=SlotState.PREVIOUS, blank_at=now + keep, retired_at=now, seen_at=None)


def with_no_use(slots: Slots, now: datetime, policy: Policy) -> Slots:
    """The slots after Easy DKIM has ceased to be wanted: nothing active, nothing upcoming."""
    return tuple(
        retired(slot, now, policy) if slot.state in (SlotState.ACTIVE, SlotState.NEXT) else slot
        for slot in slots
    )


def revived(slots: Slots) -> Slots:
    """The slots with the newest previous key active again; unchanged where there is none."""
    slot = newest_previous(slots)
    if slot is None or active(slots) is not None:
        return slots
    return changed(slots, replace(slot, state=SlotState.ACTIVE, blank_at=None, retired_at=None))


def with_key_used(slots: Slots) -> Slots:
    """The slots after the active key has begun to sign."""
    slot = active(slots)
    return slots if slot is None else changed(slots, replace(slot, has_signed=True))


def seen(slots: Slots, texts: dict[int, bytes], now: datetime) -> Slots:
    """The slots after a resolver outside gave these texts, by slot number, under the customer's names.

    Where it gave none at all it could not be asked, and what was seen before still counts.
    """
    if not texts:
        return slots
    return tuple(
        replace(slot, seen_at=now if _gives_its_key(slot, texts) else None)
        if slot.state is SlotState.NEXT
        else slot
        for slot in slots
    )


def _gives_its_key(slot: KeySlot, texts: dict[int, bytes]) -> bool:
    return slot.key is not None and texts.get(slot.number) == format_key_record(slot.key.spki)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the newest Easy setting wants of the slots; None bits: no Easy DKIM is wanted."""

    bits: int | None
    new_key: bool = False
    """A new key is asked for although the length fits (rotation on demand)."""
    in_use: bool = False
    """The active key signs mail, so that a new one has to be proven first."""
    absent_until: datetime | None = None
    """Until when a cache may hold that some name of the owner's is not there; a new key waits for that."""
    revoke: bool = False
    """The active key is compromised: the new one signs as soon as it is seen, the old one is blanked at once,
    and so is the oldest previous key where no slot is blank. Mail on its way ceases to verify."""


SIGHT_LASTS = timedelta(seconds=60)
"""A key that was seen longer ago than this has to be seen again before it may sign: its owner may have
deleted an "unused" CNAME meanwhile."""


def key_wanted(slots: Slots, wish: Wish) -> int | None:
    """The length in bits of the key that has to be placed now, or None where none can or need be."""
    if wish.bits is None or upcoming(slots) is not None or first_blank(slots) is None:
        return None
    current = active(slots)
    fits = current is not None and current.key is not None and current.key.bits == wish.bits
    return None if fits and not wish.new_key else wish.bits


def with_key_placed(slots: Slots, wish: Wish, key: KeyRef, now: datetime, policy: Policy) -> Slots:
    """The slots with a fresh key: as NEXT where the active key is in use, else active at once."""
    slot = first_blank(slots)
    if slot is None:
        return slots
    current = active(slots)
    waits = wish.in_use and current is not None
    placed = KeySlot(
        number=slot.number,
        token=slot.token,
        zone=slot.zone,
        state=SlotState.NEXT if waits else SlotState.ACTIVE,
        key=key,
        placed_at=now,
        answered=slot.answered,
        earlier=slot.earlier,
    )
    if current is not None and not waits:
        slots = changed(slots, blanked(current) if wish.revoke else retired(current, now, policy))
    return changed(slots, placed)


def after_time(slots: Slots, wish: Wish, now: datetime, policy: Policy) -> Slots:
    """The slots after everything that is due at `now` and needs no new key: upcoming keys that are no longer
    wanted go, the upcoming key takes over once it is seen and ready, retained keys are blanked."""
    following = upcoming(slots)
    if following is not None and following.key is not None and following.key.bits != wish.bits:
        slots = changed(slots, blanked(following))
        following = None
    if following is not None and may_take_over(following, wish, now, policy):
        slots = _taken_over(slots, following, wish, now, policy)
    slots = tuple([_after_retention(slot, now) for slot in slots])
    return _with_room(slots, wish) if wish.revoke else slots


def may_take_over(following: KeySlot, wish: Wish, now: datetime, policy: Policy) -> bool:
    """Whether the upcoming key may sign from now on."""
    if not wish.in_use:
        return True
    in_sight = following.seen_at is not None and now - following.seen_at <= SIGHT_LASTS
    if not in_sight or wish.revoke:
        return in_sight
    return is_ready(following, now, policy) and (wish.absent_until is None or wish.absent_until <= now)


def _taken_over(slots: Slots, following: KeySlot, wish: Wish, now: datetime, policy: Policy) -> Slots:
    current = active(slots)
    if current is not None:
        current = replace(current, has_signed=current.has_signed or wish.in_use)
        slots = changed(slots, blanked(current) if wish.revoke else retired(current, now, policy))
    return changed(slots, replace(following, state=SlotState.ACTIVE, has_signed=wish.in_use))


def _with_room(slots: Slots, wish: Wish) -> Slots:
    """The slots with the oldest previous key blanked where a new one is wanted and there is no room."""
    if not wish.new_key or upcoming(slots) is not None or first_blank(slots) is not None:
        return slots
    oldest = min(in_state(slots, SlotState.PREVIOUS), key=_retired, default=None)
    return slots if oldest is None else changed(slots, blanked(oldest))


def _after_retention(slot: KeySlot, now: datetime) -> KeySlot:
    if slot.state is SlotState.PREVIOUS and slot.blank_at is not None and slot.blank_at <= now:
        slot = blanked(slot)
    if slot.state is SlotState.BLANK and slot.withdraw_at is not None and slot.withdraw_at <= now:
        slot = replace(slot, withdrawn=True, withdraw_at=None)
    return slot


def with_domain_gone(slots: Slots, now: datetime, policy: Policy) -> Slots:
    """The slots after the identity was deleted: keys that signed stay published for mail on its way, then
    the names leave the zone. Tokens and zone are kept for good."""
    leave = now + policy.retain + timedelta(seconds=policy.key_ttl)
    return tuple(replace(slot, withdraw_at=leave) for slot in with_no_use(slots, now, policy))


def with_domain_back(slots: Slots) -> Slots:
    """The slots after the identity was created again: their names are published as long as it lives."""
    return tuple(replace(slot, withdraw_at=None, withdrawn=False) for slot in slots)


def next_due_at(slots: Slots, wish: Wish, now: datetime) -> datetime | None:
    """When the slots have to be looked at again, or None where nothing will ever be due by time alone."""
    moments = [slot.blank_at for slot in slots if slot.state is SlotState.PREVIOUS and slot.blank_at]
    moments += [slot.withdraw_at for slot in slots if slot.withdraw_at]
    if key_wanted(slots, wish) is not None or (wish.revoke and _with_room(slots, wish) != slots):
        moments.append(now)
    return min(moments, default=None)
