"""Addresses as identities: their spelling, their life, and what they cover."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailseal.core import addressid
from mailseal.core.addressid import AddressIdentity, AddressName, covering_addresses, parse_address
from mailseal.core.errors import BadRequest
from mailseal.core.lifecycle import DkimStatus
from tests.unit.core.scenes import ACCOUNT, REGION, START

HOUR = timedelta(hours=1)


def pending() -> AddressIdentity:
    return addressid.created(ACCOUNT, REGION, AddressName("me", "example.com"), START).address


def test_the_local_part_keeps_its_case_and_the_domain_has_none() -> None:
    assert str(parse_address("Me+News@News.EXAMPLE.com")) == "Me+News@news.example.com"
    assert parse_address("!#$%&'*+/=?^_`{|}~-@example.com").local == "!#$%&'*+/=?^_`{|}~-"


def test_a_refusal_shows_the_address_and_no_control_character() -> None:
    with pytest.raises(BadRequest) as told:
        parse_address("a\x1b[31m\r\nb@example.com")
    assert told.value.message == "Invalid email address a?[31m??b@example.com."
    with pytest.raises(BadRequest) as told:
        parse_address("x" * 5000 + "@example.com")
    assert len(told.value.message) < 300


@pytest.mark.parametrize(
    ("local", "names"),
    [
        ("me", ("me@example.com",)),
        ("me+a", ("me+a@example.com", "me@example.com")),
        ("me+a+b", ("me+a+b@example.com", "me@example.com")),
        ("+a", ("+a@example.com",)),
        ("me+", ("me+@example.com", "me@example.com")),
    ],
)
def test_an_address_covers_itself_and_its_labels(local: str, names: tuple[str, ...]) -> None:
    assert covering_addresses(local, "example.com") == names


def test_only_a_pending_address_is_ever_due() -> None:
    address = pending()
    assert address.due_at == START
    waiting = addressid.after_mail_taken(address, "250 ok").address
    assert waiting.due_at == START + timedelta(hours=24)
    proven = addressid.after_link(waiting, START + HOUR)
    assert proven is not None
    assert proven.address.due_at is None
    assert addressid.after_time(waiting, START + 24 * HOUR).address.due_at is None


def test_a_link_counts_to_the_last_moment_and_not_at_it() -> None:
    last = START + timedelta(hours=24)
    assert addressid.after_link(pending(), last - timedelta(milliseconds=1)) is not None
    assert addressid.after_link(pending(), last) is None
    assert addressid.after_time(pending(), last - timedelta(milliseconds=1)).events == ()
    assert addressid.after_time(pending(), last).address.status is DkimStatus.FAILED


def test_nothing_changes_an_address_that_is_proven() -> None:
    change = addressid.after_link(pending(), START)
    assert change is not None
    proven = change.address
    assert addressid.with_link_wanted(proven, START + HOUR).address == proven
    assert addressid.after_time(proven, START + 100 * HOUR).address == proven
    assert addressid.after_link(proven, START) is None


def test_pauses_grow_and_end_before_the_link_does() -> None:
    address, now, pauses = pending(), START, []
    for _ in range(20):
        address = addressid.after_mail_failed(address, "no answer", now, for_good=False).address
        if address.mail_due_at is None:
            break
        pauses.append(address.mail_due_at - now)
        now = address.mail_due_at
    assert tuple(pauses) == addressid.RETRY_AFTER
    assert now < address.link_ends_at
    assert address.status is DkimStatus.PENDING
    late = addressid.after_mail_failed(pending(), "no answer", START + 24 * HOUR, for_good=False).address
    assert late.mail_due_at is None


def test_a_refusal_for_good_is_not_asked_again() -> None:
    change = addressid.after_mail_failed(pending(), "550 no such user", START, for_good=True)
    assert change.address.mail_due_at is None
    assert change.events[0].text == "mail with the link not taken: 550 no such user; given up"
