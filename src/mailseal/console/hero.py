"""The one large thing on an identity's page: what is, why, and what to do.

Rule: pure; the first of several mistakes is the one that blocks, the others are lines below it.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailseal.console import times
from mailseal.console.evidence import Report, Told, told_of
from mailseal.console.records import Card
from mailseal.console.words import Sign
from mailseal.core.identity import EasyDkim, Identity
from mailseal.core.lifecycle import DkimStatus, next_check_at, search_ends_at
from mailseal.core.policy import Policy
from mailseal.core.rotation import KeySlot, active, upcoming

_SIGNING = Sign("ok", "ok", "Signing")
_PAUSED = Sign("warn", "warn", "Paused")
_WAITING = Sign("wait", "wait", "Waiting")
_ENDED = Sign("bad", "bad", "Failed")
_NONE = Sign("", "none", "Not started")
_GONE = Sign("warn", "warn", "Temporary failure")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and what to paste for it."""

    text: str
    paste: str = ""
    of: str = ""
    """What the pasted text is, for its button."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a rotation: done, now or to do."""

    kind: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """When we look again and until when, in the page's words; empty where that is not so."""

    next_at: str = ""
    seconds: int | None = None
    until: str = ""
    until_span: str = ""
    foot: str = ""


@dataclass(frozen=True, slots=True)
class Hero:
    """What the page says first."""

    sign: Sign
    aside: str
    what: str
    why: str
    is_calm: bool = False
    told: Told | None = None
    others: tuple[Told, ...] = ()
    steps: tuple[Step, ...] = ()
    stages: tuple[Stage, ...] = ()
    when: When = When()
    action: str = "check"
    """What its button does: check, or retry."""


def hero_of(
    identity: Identity, report: Report | None, cards: Sequence[Card], now: datetime, policy: Policy
) -> Hero:
    """What the page of a domain says first."""
    proof = identity.newest.proof
    told = told_of(report, identity.name)
    when = _when(identity, now, policy)
    if proof.status is DkimStatus.SUCCESS:
        return _verified(identity, told, now)
    if proof.status is DkimStatus.NOT_STARTED:
        why = "Mail from this domain goes out unsigned until keys are set up."
        return Hero(_NONE, "", "No keys have been set up for this domain.", why, is_calm=True)
    if told:
        return _mistake(identity, told, cards, when)
    if proof.status is DkimStatus.FAILED:
        why = "Put the records right, then begin again. The same records still count."
        return Hero(_ENDED, "", "We looked for 72 hours and did not see all records.", why, action="retry")
    if proof.status is DkimStatus.TEMPORARY_FAILURE:
        why = "We don't know that anything is wrong with the records. Mail is signed on meanwhile."
        return Hero(_GONE, "", "The records could be seen before and now they can't.", why, when=when)
    return _looking(identity, cards, when)


def _when(identity: Identity, now: datetime, policy: Policy) -> When:
    """When we look again and until when."""
    proof = identity.newest.proof
    again = next_check_at(proof, proof.last_checked_at or now, policy, 0.0)
    left = None if again is None else max(0, round((again - now).total_seconds()))
    searching = not proof.was_proven and proof.status is not DkimStatus.FAILED
    ends = search_ends_at(proof, policy)
    remembered = proof.negative_until
    foot = ""
    if remembered is not None and remembered > now:
        foot = f"Resolvers may repeat an older answer for {times.span(remembered - now)} more."
    return When(
        "" if again is None else times.moment(max(again, now), now),
        left,
        times.moment(ends, now) if searching else "",
        f"{times.span(ends - now)} from now" if searching else "",
        foot,
    )


def _looking(identity: Identity, cards: Sequence[Card], when: When) -> Hero:
    """Nothing is known to be wrong, and not all is seen."""
    right = sum(card.sign.tone == "ok" for card in cards)
    held = " Until the new setting is proven, mail is signed with the old one." if identity.signing else ""
    if right and right == len(cards):
        what = "All records are seen. One more look, and it is verified."
        return Hero(_WAITING, "Nothing for you to do", what, f"Two looks have to agree.{held}", when=when)
    if any(card.sign.tone != "none" for card in cards):
        what = f"We are looking for the records. {right} of {len(cards)} are in place."
    else:
        what = "Publish these records. We are looking for them already."
    steps = (
        Step(f"Add the {_many(len(cards)).lower()} below at the DNS host of {identity.name}."),
        Step("Save. There is nothing to report back: we will see it."),
    )
    return Hero(_WAITING, f"{_many(len(cards))} to publish", what, held.strip(), steps=steps, when=when)


def _mistake(identity: Identity, told: Sequence[Told], cards: Sequence[Card], when: When) -> Hero:
    """The first mistake, told in full."""
    first, *others = told
    ended = identity.newest.proof.status is DkimStatus.FAILED
    word = "Record" if len(first.numbers) == 1 else "Records"
    about = f"{word} {_listed(first.numbers)} of {len(cards)} · in your DNS" if first.numbers else ""
    why = first.why + (" The search has ended; begin it again once that is done." if ended else "")
    if identity.signing is not None:
        why += " Mail is signed on meanwhile."
    steps = () if first.is_ours or first.sign.tone in ("wait", "") else _steps(identity, first, cards)
    return Hero(
        first.sign,
        "Nothing for you to do" if first.is_ours else about,
        first.what,
        why,
        told=first,
        others=tuple(others),
        steps=steps,
        when=when,
        action="retry" if ended else "check",
    )


def _steps(identity: Identity, told: Told, cards: Sequence[Card]) -> tuple[Step, ...]:
    """What to do about one mistake."""
    host = told.host or "the DNS host"
    numbers = [number for number in told.numbers if number <= len(cards)]
    end = Step("Save. There is nothing to report back: we will see it.")
    if told.code == "RECORD_MISSING":
        missing = f"record {_listed(numbers)}" if len(numbers) == 1 else f"records {_listed(numbers)}"
        return (Step(f"Add {missing} below at {host}. If you just did, wait for the next check."), end)
    if not numbers:
        return (Step(f"{told.step}."),)
    changes = []
    for number in numbers:
        card = cards[number - 1]
        paste = told.write if told.write and len(numbers) == 1 else ""
        if told.code in _IN_NAMES:
            changes.append(Step(f"Record {number}: replace the name with this.", card.name, f"name {number}"))
        elif told.code in _IN_VALUES:
            value = paste or card.value
            changes.append(Step(f"Record {number}: replace the value with this.", value, f"value {number}"))
    if not changes:
        return (Step(f"{told.step}, at {host}."), end)
    begin = f"At {host}, edit the {'record' if len(numbers) == 1 else 'records'}. Leave all else as it is."
    return (Step(begin), *changes, end)


_IN_NAMES = frozenset({"DOUBLED_DOMAIN", "HOST_ONLY", "MISSING_UNDERSCORE", "WRONG_ZONE"})
_IN_VALUES = frozenset(
    {"TARGET_SUFFIXED", "TARGET_QUOTED", "TARGET_URL", "WRONG_TOKEN", "OLD_TOKEN", "OTHER_PROVIDER", "LOOP"}
    | {"TXT_QUOTED", "TXT_ESCAPED", "TXT_TRUNCATED", "KEY_DIFFERENT", "KEY_REVOKED", "TXT_BAD_TAG"}
)


def _verified(identity: Identity, told: Sequence[Told], now: datetime) -> Hero:
    """All is well: which key signs, and what goes on by itself."""
    following = upcoming(identity.slots)
    if not identity.signing_enabled:
        why = "The records stay as they are. Mail goes out unsigned until signing goes on."
        return Hero(_PAUSED, "By an operator", "Signing is paused.", why, is_calm=True)
    if following is not None:
        what = "A new key is being proven. Until it is, mail is signed with the current one."
        why = "The switch happens by itself. No record in the DNS changes, and no mail goes out unsigned."
        stages = _stages(following, now)
        return Hero(_SIGNING, "Nothing for you to do", what, why, is_calm=True, stages=stages)
    if told:
        first = told[0]
        return Hero(first.sign, "", first.what, first.why, is_calm=True, told=first, others=tuple(told[1:]))
    current = active(identity.slots)
    is_easy = isinstance(identity.newest.method, EasyDkim) and current is not None
    key = (
        f"Mail is signed with the key in slot {current.number}." if is_easy and current else "Mail is signed."
    )
    why = "Keep the records as they are. Keys change behind them without anybody's help." if is_easy else ""
    return Hero(_SIGNING, "Nothing for you to do", f"All records are in place. {key}", why, is_calm=True)


def _stages(following: KeySlot, now: datetime) -> tuple[Stage, ...]:
    """How far a rotation is."""
    placed = "" if following.placed_at is None else times.moment(following.placed_at, now)
    published = following.answered is not None and bool(following.answered.text)
    seen = following.seen_at is not None
    expires = max((old.until for old in following.earlier), default=now)
    quiet = expires <= now
    left = "" if quiet else f"{times.span(expires - now)} more at most" if expires.year < 9000 else ""
    said = [
        (True, "Key made", "from the stock"),
        (published, f"Published in slot {following.number}", placed),
        (published and seen, "Seen from outside", "under the domain's own name"),
        (published and seen and quiet, "Caches run out", left),
        (False, "Signing switches", "by itself"),
    ]
    reached = next(at for at, (done, _, _) in enumerate(said) if not done)
    kinds = ["done" if at < reached else "now" if at == reached else "todo-step" for at in range(len(said))]
    return tuple(Stage(kind, what, detail) for kind, (_, what, detail) in zip(kinds, said, strict=True))


def _listed(numbers: Sequence[int]) -> str:
    told = [str(number) for number in numbers]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}" if told else ""


def _many(count: int) -> str:
    words = {1: "One record", 2: "Two records", 3: "Three records"}
    return words.get(count, f"{count} records")
