"""Key slots: a key is never replaced in place, never used unseen, never gone while it is needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mailseal.core import rotation
from mailseal.core.rotation import Answer, EarlierAnswer, SlotState, Wish, answer_of
from mailseal.dkim.keyrecord import format_key_record
from tests.unit.core.scenes import POLICY, START, blank_slots, key, served

USED = Wish(2048, in_use=True)
LATER = START + timedelta(hours=1)


def rotating() -> rotation.Slots:
    """Slot 1 signs, slot 2 holds the next key, and both are published."""
    slots = rotation.with_key_placed(blank_slots(), Wish(2048), key(1), START, POLICY)
    slots = tuple(served(slot, START) for slot in rotation.with_key_used(slots))
    slots = rotation.with_key_placed(slots, replace(USED, new_key=True), key(2), START, POLICY)
    return tuple(served(slot, START) for slot in slots)


def states(slots: rotation.Slots) -> list[str]:
    return [slot.state.value for slot in slots]


def test_a_key_that_nobody_outside_has_seen_does_not_sign() -> None:
    assert states(rotation.after_time(rotating(), USED, LATER, POLICY)) == ["ACTIVE", "NEXT", "BLANK"]


def test_another_text_under_the_customers_name_is_not_the_key() -> None:
    slots = rotation.seen(rotating(), {2: b"p=AAAA"}, START)
    assert slots[1].seen_at is None


def in_sight(slots: rotation.Slots, now: datetime) -> rotation.Slots:
    return rotation.seen(slots, {2: format_key_record(key(2).spki)}, now)


def test_a_seen_key_waits_until_the_blank_answer_has_expired() -> None:
    early = START + timedelta(seconds=60)
    waiting = rotation.after_time(in_sight(rotating(), early), USED, early, POLICY)
    assert states(waiting) == ["ACTIVE", "NEXT", "BLANK"]
    taken = rotation.after_time(in_sight(rotating(), LATER), USED, LATER, POLICY)
    assert states(taken) == ["PREVIOUS", "ACTIVE", "BLANK"]


def test_a_seen_key_waits_while_a_cache_may_hold_that_its_name_is_not_there() -> None:
    absent = replace(USED, absent_until=LATER + timedelta(seconds=1))
    slots = in_sight(rotating(), LATER)
    assert states(rotation.after_time(slots, absent, LATER, POLICY))[1] == "NEXT"
    over = replace(absent, absent_until=LATER)
    assert states(rotation.after_time(slots, over, LATER, POLICY))[1] == "ACTIVE"
    compromised = replace(absent, revoke=True)
    assert states(rotation.after_time(slots, compromised, LATER, POLICY))[1] == "ACTIVE"


def test_a_key_seen_long_ago_has_to_be_seen_again() -> None:
    slots = in_sight(rotating(), START)
    assert states(rotation.after_time(slots, USED, LATER, POLICY)) == ["ACTIVE", "NEXT", "BLANK"]


def test_a_key_whose_name_the_owner_deleted_is_out_of_sight_again() -> None:
    slots = rotation.seen(in_sight(rotating(), LATER), {1: b"p=x", 3: b""}, LATER)
    assert slots[1].seen_at is None
    assert states(rotation.after_time(slots, USED, LATER, POLICY))[1] == "NEXT"


def test_a_resolver_that_gives_nothing_takes_no_key_out_of_sight() -> None:
    assert rotation.seen(in_sight(rotating(), LATER), {}, LATER)[1].seen_at == LATER


def test_a_key_that_is_not_published_yet_does_not_sign() -> None:
    slots = in_sight(rotating(), LATER)
    unpublished = rotation.changed(slots, replace(slots[1], answered=Answer(b"", 60), earlier=()))
    assert states(rotation.after_time(unpublished, USED, LATER, POLICY))[1] == "NEXT"


def test_a_retired_key_stays_published_for_eight_days_and_its_ttl() -> None:
    slots = rotation.after_time(in_sight(rotating(), LATER), USED, LATER, POLICY)
    gone = LATER + timedelta(days=8, seconds=POLICY.key_ttl)
    before = rotation.after_time(slots, USED, gone - timedelta(seconds=1), POLICY)
    assert answer_of(before[0], POLICY).text == format_key_record(key(1).spki)
    after = rotation.after_time(slots, USED, gone, POLICY)
    assert answer_of(after[0], POLICY) == Answer(b"", POLICY.blank_ttl)
    assert after[0].key is None


def test_a_compromised_key_goes_as_soon_as_the_new_one_is_seen() -> None:
    revoking = replace(USED, revoke=True)
    early = START + timedelta(seconds=5)
    unseen = rotation.after_time(rotating(), revoking, early, POLICY)
    assert states(unseen) == ["ACTIVE", "NEXT", "BLANK"]
    gone = rotation.after_time(in_sight(rotating(), early), revoking, early, POLICY)
    assert states(gone) == ["BLANK", "ACTIVE", "BLANK"]
    assert gone[0].key is None


def test_a_compromised_key_makes_room_where_there_is_none() -> None:
    previous = {"state": SlotState.PREVIOUS, "blank_at": START + timedelta(days=9)}
    slots = rotating()
    slots = rotation.changed(slots, replace(slots[1], retired_at=START, **previous))
    slots = rotation.changed(slots, replace(slots[2], key=key(3), retired_at=LATER, **previous))
    wish = replace(USED, new_key=True)
    assert rotation.key_wanted(rotation.after_time(slots, wish, LATER, POLICY), wish) is None
    urgent = replace(wish, revoke=True)
    assert rotation.next_due_at(slots, urgent, LATER) == LATER
    roomy = rotation.after_time(slots, urgent, LATER, POLICY)
    assert states(roomy) == ["ACTIVE", "BLANK", "PREVIOUS"]


def test_without_a_blank_slot_a_wish_waits() -> None:
    slots = tuple(
        replace(slot, state=SlotState.PREVIOUS, key=key(slot.number), blank_at=LATER, retired_at=START)
        for slot in blank_slots()
    )
    assert rotation.key_wanted(slots, Wish(2048)) is None
    assert rotation.next_due_at(slots, Wish(2048), START) == LATER
    turned = rotation.after_time(slots, Wish(2048), LATER, POLICY)
    assert rotation.key_wanted(turned, Wish(2048)) == 2048


def test_a_next_key_that_is_no_longer_wanted_goes_at_once() -> None:
    turned = rotation.after_time(rotating(), Wish(1024, in_use=True), START, POLICY)
    assert states(turned) == ["ACTIVE", "BLANK", "BLANK"]


def test_a_fresh_key_goes_where_the_earlier_answers_expire_first() -> None:
    slots = blank_slots()
    slots = rotation.changed(slots, replace(slots[0], earlier=(EarlierAnswer(b"p=x", LATER),)))
    placed = rotation.with_key_placed(slots, Wish(2048), key(1), START, POLICY)
    assert states(placed) == ["BLANK", "ACTIVE", "BLANK"]


def test_after_deletion_the_names_leave_only_when_the_mail_has_arrived() -> None:
    slots = rotation.with_domain_gone(rotating(), START, POLICY)
    leave = START + timedelta(days=8, seconds=POLICY.key_ttl)
    assert answer_of(slots[0], POLICY).text == format_key_record(key(1).spki)
    assert rotation.next_due_at(slots, Wish(None), START) == leave
    gone = rotation.after_time(slots, Wish(None), leave, POLICY)
    assert [answer_of(slot, POLICY).text for slot in gone] == [None, None, None]
    assert [slot.token for slot in gone] == [slot.token for slot in blank_slots()]


def test_an_identity_that_comes_back_keeps_its_names() -> None:
    slots = rotation.with_domain_back(rotation.with_domain_gone(rotating(), START, POLICY))
    later = rotation.after_time(slots, Wish(None), START + timedelta(days=20), POLICY)
    assert [answer_of(slot, POLICY).text for slot in later] == [b"", b"", b""]
