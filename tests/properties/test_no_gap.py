"""Whatever is asked for in whatever order: what signed goes on signing, with a key that is published, and no
key leaves the zone while mail that it signed is on its way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailseal.core import ed25519, rotation
from mailseal.core import settings as asked
from mailseal.core.checking import with_check, with_ed25519_check
from mailseal.core.errors import BadRequest
from mailseal.core.identity import ByoDkim, Identity, after_time, wants_ed25519, wish_of
from mailseal.core.keys import KeyRef
from mailseal.core.observations import Observation, Outcome
from mailseal.core.rotation import SlotState
from mailseal.core.sending import second_key, signing_key
from mailseal.core.settings import WantByo, WantEasy
from mailseal.core.verification import ExpectedRecord, compare, ed25519_records, expected_records
from mailseal.dkim.keyrecord import format_key_record
from tests.unit.core.scenes import (
    POLICY,
    START,
    blank_ed25519_slots,
    easy_identity,
    ed25519_key,
    key,
    observation,
    owner_publishes,
    published,
)

LIFE_OF_MAIL = timedelta(days=8)


@dataclass
class Mail:
    """One signed mail: when, and the public key that a receiver needs for it."""

    at: datetime
    owner: str
    text: bytes


class NoGap(RuleBasedStateMachine):
    """One domain whose owner does what is asked, through any sequence of requests and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.identity: Identity = published(easy_identity(), START)
        self.own_records: dict[str, bytes] = {}
        self.count = 10
        self.signed_once = False
        self.mails: list[Mail] = []

    def _fresh(self, bits: int = 2048) -> KeyRef:
        self.count += 1
        return key(self.count, bits)

    def _setting_id(self) -> str:
        self.count += 1
        return f"setting-{self.count}"

    def _after(self, identity: Identity) -> None:
        bits = rotation.key_wanted(identity.slots, wish_of(identity))
        if bits is not None:
            identity = asked.with_fresh_key(identity, self._fresh(bits), self.now, POLICY).identity
        self.identity = published(self._with_second(identity), self.now)

    def _with_second(self, identity: Identity) -> Identity:
        """As the service does it: slots where there are none, a key where one is wanted."""
        keys = identity.ed25519
        if not wants_ed25519(identity, POLICY):
            return identity
        keys = keys if keys.slots else replace(keys, slots=blank_ed25519_slots())
        wish = ed25519.wish_of(keys, wanted=True)
        if rotation.key_wanted(keys.slots, wish) is None:
            return replace(identity, ed25519=keys)
        self.count += 1
        fresh = ed25519_key(self.count)
        return asked.with_fresh_ed25519_key(replace(identity, ed25519=keys), fresh, self.now).identity

    @rule(said=st.booleans())
    def say_second_signature(self, said: bool) -> None:
        keys = replace(self.identity.ed25519, said=said)
        self._after(after_time(replace(self.identity, ed25519=keys), self.now, POLICY))

    @rule()
    def rotate_second_key(self) -> None:
        keys = ed25519.with_new_key_asked(self.identity.ed25519)
        self._after(replace(self.identity, ed25519=keys))

    @rule(published_too=st.booleans())
    def check_second(self, published_too: bool) -> None:
        expected = ed25519_records(self.identity, self.now, POLICY)
        if not expected:
            return
        there = owner_publishes(expected, self.identity.ed25519.slots)
        seen = there if published_too else nobody_publishes(expected)
        before = self.identity
        change = with_ed25519_check(before, compare(expected, seen), self.now, POLICY)
        assert [one.proof for one in change.identity.settings] == [one.proof for one in before.settings]
        self._after(change.identity)
        assert published_too or second_key(self.identity) is None

    @rule(bits=st.sampled_from([None, 1024, 2048]))
    def put_easy(self, bits: int | None) -> None:
        try:
            change = asked.with_easy(self.identity, WantEasy(bits), self._setting_id(), self.now, POLICY)
        except BadRequest:
            return
        self._after(change.identity)

    @rule(selector=st.sampled_from(["s1", "s2", "s3"]))
    def put_own(self, selector: str) -> None:
        signing = self.identity.signing
        if signing and isinstance(signing.method, ByoDkim) and signing.method.selector == selector:
            return  # the owner's own replacement of a TXT in place is told to the owner, not hidden from it
        fresh = self._fresh()
        want = WantByo(selector, "text")
        change = asked.with_byodkim(self.identity, want, fresh, self._setting_id(), self.now, POLICY)
        self.own_records[selector] = format_key_record(fresh.spki)
        self._after(change.identity)

    @rule()
    def rotate(self) -> None:
        if not isinstance(self.identity.newest.method, ByoDkim):
            self._after(replace(self.identity, new_key_wanted=True))

    @rule(seconds=st.sampled_from([1, 6, 61, 3600, 86400, 9 * 86400]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def slots_turn(self) -> None:
        self._after(after_time(self.identity, self.now, POLICY))

    @precondition(lambda self: not self._own_pending())
    @rule()
    def check(self) -> None:
        self._check()

    @rule()
    def owner_obeys_and_all_is_checked(self) -> None:
        self._check()
        self.now += timedelta(seconds=6)
        self._check()

    def _own_pending(self) -> bool:
        return isinstance(self.identity.newest.method, ByoDkim)

    def _check(self) -> None:
        for setting in self.identity.settings:
            expected = expected_records(self.identity, setting, self.now, POLICY)
            seen = owner_publishes(expected, self.identity.slots)
            report = compare(expected, seen)
            change = with_check(self.identity, setting.setting_id, report, self.now, POLICY)
            self._after(change.identity)

    @invariant()
    def one_active_and_one_next_at_most(self) -> None:
        slots = self.identity.slots
        assert len(rotation.in_state(slots, SlotState.ACTIVE)) <= 1
        assert len(rotation.in_state(slots, SlotState.NEXT)) <= 1
        assert len({slot.key.key_id for slot in slots if slot.key}) == len([s for s in slots if s.key])
        second = self.identity.ed25519.slots
        assert len(rotation.in_state(second, SlotState.ACTIVE)) <= 1
        assert len(rotation.in_state(second, SlotState.NEXT)) <= 1

    @invariant()
    def the_second_signature_has_a_published_key_that_nothing_else_hides(self) -> None:
        chosen = second_key(self.identity)
        if chosen is None:
            return
        slot = next(s for s in self.identity.ed25519.slots if s.token == chosen.selector)
        assert slot.key is not None
        assert slot.key.key_id == chosen.key_id
        assert rotation.is_ready(slot, self.now, POLICY)
        self.mails.append(Mail(self.now, slot.owner, format_key_record(slot.key.spki)))

    @invariant()
    def what_signed_goes_on_signing_with_a_published_key(self) -> None:
        chosen = signing_key(self.identity)
        self.signed_once = self.signed_once or chosen is not None
        if not self.signed_once:
            return
        assert chosen is not None
        slot = next((s for s in self.identity.slots if s.token == chosen.selector), None)
        if slot is None:
            assert chosen.selector in self.own_records
            return
        assert slot.key is not None
        assert slot.key.key_id == chosen.key_id
        assert rotation.is_ready(slot, self.now, POLICY)
        self.mails.append(Mail(self.now, slot.owner, format_key_record(slot.key.spki)))

    @invariant()
    def no_key_leaves_the_zone_while_its_mail_is_on_its_way(self) -> None:
        self.mails = [mail for mail in self.mails if self.now - mail.at < LIFE_OF_MAIL]
        answers = {slot.owner: slot.answered for slot in self.identity.all_slots}
        for mail in self.mails:
            answer = answers[mail.owner]
            assert answer is not None
            assert answer.text == mail.text


def nobody_publishes(expected: tuple[ExpectedRecord, ...]) -> tuple[Observation, ...]:
    """What one resolver sees where there is nothing."""
    return tuple(observation(record.owner, outcome=Outcome.NXDOMAIN, negative_ttl=60) for record in expected)


NoGap.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_no_sequence_of_requests_leaves_a_gap = NoGap.TestCase
