"""What is remembered of senders: for an hour, of the last so many, and never what passes unsigned."""

from __future__ import annotations

from datetime import timedelta

from mailseal.core.addresses import Mailbox
from mailseal.core.keys import KeyRef
from mailseal.core.stored import SealedKey
from mailseal.service.remembered import GOOD_FOR, Remembered, Sender, sender_of
from mailseal.service.signing import Signature
from tests.fakes import START
from tests.unit.service.scenes import DOMAIN, WHO

KEY = SealedKey(KeyRef("k1", 2048, b"spki"), b"envelope", "master", START)
SIGNED = Signature(DOMAIN, KEY, DOMAIN, "token")


def sender(local: str) -> Sender:
    return sender_of(WHO.account_id, WHO.region, Mailbox(local, DOMAIN))


def test_a_signature_is_remembered_for_an_hour_after_it_was_read_last() -> None:
    remembered = Remembered()
    remembered.keep(sender("a"), SIGNED, START)
    assert remembered.recall(sender("a"), START + GOOD_FOR) is SIGNED
    assert remembered.recall(sender("a"), START + GOOD_FOR + timedelta(seconds=1)) is None
    assert remembered.recall(sender("a"), START - timedelta(seconds=1)) is None
    remembered.keep(sender("a"), SIGNED, START + GOOD_FOR)
    assert remembered.recall(sender("a"), START + 2 * GOOD_FOR) is SIGNED


def test_who_may_not_send_or_has_no_key_any_more_is_forgotten() -> None:
    for gone in (None, Signature(DOMAIN)):
        remembered = Remembered()
        remembered.keep(sender("a"), SIGNED, START)
        remembered.keep(sender("a"), gone, START)
        assert remembered.recall(sender("a"), START) is None


def test_beyond_the_most_the_one_who_wrote_longest_ago_is_forgotten() -> None:
    remembered = Remembered(most=2)
    for local in ("a", "b", "a", "c"):
        remembered.keep(sender(local), SIGNED, START)
    known = [local for local in "abc" if remembered.recall(sender(local), START)]
    assert known == ["a", "c"]


def test_another_account_and_another_region_are_other_senders() -> None:
    remembered = Remembered()
    remembered.keep(sender("a"), SIGNED, START)
    box = Mailbox("a", DOMAIN, "The name beside it")
    assert remembered.recall(sender_of(WHO.account_id, WHO.region, box), START) is SIGNED
    assert remembered.recall(sender_of("000000000002", WHO.region, box), START) is None
    assert remembered.recall(sender_of(WHO.account_id, "eu-west-1", box), START) is None
