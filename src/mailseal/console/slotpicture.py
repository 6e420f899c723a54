"""The key slots as a picture: one lane each, what was, what is, and what is planned, around one line for now.

Rule: pure; a bar is two numbers in per cent, and each lane says in words what it shows.
References: docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailseal.console import times
from mailseal.console.words import Sign
from mailseal.core.identity import Identity, Replica, rotation_due_at
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.policy import Policy
from mailseal.core.rotation import KeySlot, Slots, SlotState

NOW_AT = 42.0
_SHORTEST = timedelta(minutes=2)
_TEXT_FITS = 14.0
"""A bar narrower than this many per cent has no room for its word."""

_SIGNS = {
    SlotState.ACTIVE: Sign("ok", "ok", "Active"),
    SlotState.NEXT: Sign("wait", "wait", "Next"),
    SlotState.PREVIOUS: Sign("plain", "", "Previous"),
    SlotState.BLANK: Sign("plain", "", "Blank"),
}
_WAITING = Sign("wait", "wait", "Waiting")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `kind` is sign, pub or plan."""

    kind: str
    begins: float
    width: float
    word: str

    @property
    def has_room(self) -> bool:
        """Whether its word fits into it."""
        return self.width >= _TEXT_FITS


@dataclass(frozen=True, slots=True)
class Lane:
    """One slot."""

    number: int
    sign: Sign
    key: str
    says: str
    bars: tuple[Bar, ...]
    hush: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """All lanes, and where the axis has words."""

    lanes: tuple[Lane, ...]
    begins: str
    ends: str
    now_at: float = NOW_AT


@dataclass(frozen=True, slots=True)
class _Span:
    """The time that the picture shows; past and future have a scale each, and meet at now."""

    begins: datetime
    now: datetime
    ends: datetime

    def at(self, moment: datetime) -> float:
        """Where a moment is, in per cent."""
        if moment <= self.now:
            part = (moment - self.begins) / (self.now - self.begins)
            return round(max(0.0, part) * NOW_AT, 2)
        part = (moment - self.now) / (self.ends - self.now)
        return round(NOW_AT + min(1.0, part) * (100 - NOW_AT), 2)

    def bar(self, kind: str, begins: datetime, ends: datetime, word: str) -> Bar:
        """A bar from one moment to another."""
        left = self.at(begins)
        return Bar(kind, left, round(max(0.6, self.at(ends) - left), 2), word)


def picture_of(identity: Identity, now: datetime, policy: Policy) -> Picture | None:
    """The slots of an identity with Easy DKIM or a replica of one; None where there are none."""
    method = identity.newest.method
    slots = method.parent.slots if isinstance(method, Replica) else identity.slots
    if not any(slot.key for slot in slots):
        return None
    span = _span(slots, rotation_due_at(identity, policy), now, policy)
    is_proven = identity.signing is not None
    failed = identity.newest.proof.status is DkimStatus.FAILED
    lanes = tuple(_lane(slot, span, is_proven=is_proven, failed=failed, policy=policy) for slot in slots)
    return Picture(lanes, times.moment(span.begins, now), times.day(span.ends, now))


def _span(slots: Slots, rotation_at: datetime | None, now: datetime, policy: Policy) -> _Span:
    starts = [slot.placed_at for slot in slots if slot.placed_at]
    begins = min([*starts, now - _SHORTEST])
    ends = [slot.blank_at for slot in slots if slot.blank_at]
    if not ends:
        ends.append(rotation_at or now + policy.search)
    return _Span(begins, now, max([*ends, now + _SHORTEST]) + (now - begins) * 0.05)


def _lane(slot: KeySlot, span: _Span, *, is_proven: bool, failed: bool, policy: Policy) -> Lane:
    placed = slot.placed_at or span.begins
    key = "" if slot.key is None else f"RSA {slot.key.bits}, {times.day(placed, span.now)}"
    match slot.state:
        case SlotState.ACTIVE if is_proven:
            says = "Signs every message now."
            bars = [
                span.bar("sign", placed, span.now, "signs mail"),
                span.bar("plan", span.now, span.ends, "signs on, until the next key"),
            ]
        case SlotState.ACTIVE:
            what = "signs once the search is begun again" if failed else "signs once all is seen"
            says = f"Published {times.moment(placed, span.now)}. It {what}."
            bars = [
                span.bar("pub", placed, span.now, "published"),
                span.bar("plan", span.now, span.ends, what),
            ]
            return Lane(slot.number, _WAITING, key, says, tuple(bars))
        case SlotState.NEXT:
            says = f"Published {times.moment(placed, span.now)}. Has signed nothing yet."
            bars = [
                span.bar("pub", placed, span.now, "published"),
                span.bar("plan", span.now, span.ends, "signs after the switch"),
            ]
        case SlotState.PREVIOUS:
            says, bars = _previous(slot, placed, span, policy)
        case SlotState.BLANK:
            hush = "waits for the next key"
            return Lane(slot.number, _SIGNS[slot.state], "", "Holds no key.", (), hush)
    return Lane(slot.number, _SIGNS[slot.state], key, says, tuple(bars))


def _previous(slot: KeySlot, placed: datetime, span: _Span, policy: Policy) -> tuple[str, list[Bar]]:
    retired = slot.retired_at or span.now
    blank = slot.blank_at or retired + policy.retain
    says = f"Signed until {times.moment(retired, span.now)}. Blank from {times.moment(blank, span.now)}."
    return says, [
        span.bar("sign", placed, retired, "signed"),
        span.bar("pub", retired, span.now, "published"),
        span.bar("plan", span.now, blank, "stays published"),
    ]
