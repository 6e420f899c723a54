"""Retired keys on their way to the public: whose record is blank, since when, and when all may have them.

Rule: a key is out only after two looks that found its record gone, as many days apart as the operator said;
each step is part of what its envelope is sealed to, so that none can be written into a row by hand.
References: RFC 6376 §3.6.1; docs/decisions/0019-deniability.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mailseal.core.names import dkim_name
from mailseal.core.observations import Observation, Outcome, Question, RecordType
from mailseal.core.rotation import KeySlot, Slots
from mailseal.core.stored import SealedKey
from mailseal.dkim.keyrecord import format_key_record

LOOK_AGAIN = timedelta(hours=1)
_BLANK_SINCE, _PUBLISHED = "blank since ", "published "
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_DEFINITIVE = frozenset({Outcome.ANSWER, Outcome.NODATA, Outcome.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that no slot has any more; its place says how far it has come."""

    key: SealedKey
    owner: str
    """The name in the hosted zone at which its public half was."""
    retired_at: datetime | None = None
    look_at: datetime | None = None
    """When to look at its record; None once it is published."""

    @property
    def stage(self) -> str:
        """How far it has come: "" at first, then since when it is blank, then since when it is published."""
        return self.key.place.retired if self.key.place else ""

    @property
    def published_at(self) -> datetime | None:
        """Since when all may have it."""
        return _time_in(self.stage, _PUBLISHED)


class Sight(StrEnum):
    """What a look at a retired key's record comes to."""

    THERE = "THERE"
    GONE = "GONE"
    UNKNOWN = "UNKNOWN"


def questions(retired: RetiredKey) -> tuple[Question, ...]:
    """What to ask resolvers: the name in our zone, and the customer's own."""
    place = retired.key.place
    if place is None:
        raise ValueError("a retired key has had a place")
    names = (retired.owner, dkim_name(place.selector, place.domain))
    return tuple(Question(name, RecordType.TXT) for name in names)


def sight_of(retired: RetiredKey, seen: Sequence[Observation]) -> Sight:
    """What resolvers gave: there while any of them gives the public key at either name; gone only where each
    has an answer for the name in our zone."""
    public = _public_part(retired)
    if any(public in b"".join(text.split()) for one in seen for text in one.texts):
        return Sight.THERE
    ours = [one for one in seen if one.question.name == retired.owner]
    answered = bool(ours) and all(one.outcome in _DEFINITIVE for one in ours)
    return Sight.GONE if answered else Sight.UNKNOWN


def is_in_use(retired: RetiredKey, slots: Slots, now: datetime) -> bool:
    """Whether a slot still has the key, or a cache may still hold it by what our zone gave."""
    return any(_holds(slot, retired, now) for slot in slots)


def _holds(slot: KeySlot, retired: RetiredKey, now: datetime) -> bool:
    public = _public_part(retired)
    given = [old.text for old in slot.earlier if old.until > now]
    given += [slot.answered.text] if slot.answered else []
    has_key = slot.key is not None and slot.key.spki == retired.key.ref.spki
    return has_key or any(text is not None and public in text for text in given)


def _public_part(retired: RetiredKey) -> bytes:
    return format_key_record(retired.key.ref.spki).rpartition(b"p=")[2]


def after_look(stage: str, sight: Sight, now: datetime, wait: timedelta) -> tuple[str, datetime | None]:
    """The stage after a look, and when to look again."""
    if sight is Sight.THERE:
        return "", now + LOOK_AGAIN
    if sight is Sight.UNKNOWN:
        return stage, now + LOOK_AGAIN
    since = _time_in(stage, _BLANK_SINCE)
    if since is None:
        return f"{_BLANK_SINCE}{now:{_FORM}}", now + wait
    if now < since + wait:
        return stage, since + wait
    return f"{_PUBLISHED}{now:{_FORM}}", None


def is_published(stage: str) -> bool:
    """Whether a key of this stage may be given out."""
    return _time_in(stage, _PUBLISHED) is not None


def _time_in(stage: str, word: str) -> datetime | None:
    if not stage.startswith(word):
        return None
    try:
        return datetime.strptime(stage.removeprefix(word), _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None
