"""A key replaced under its own selector: what caches may hold is told, before and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailseal.core import settings
from mailseal.core.cachewindow import CacheWindow, cache_window
from mailseal.core.checking import switch_due_at, with_check
from mailseal.core.identity import Change, Identity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.observations import Outcome, Stage
from mailseal.core.settings import WantByo
from mailseal.core.verification import compare, expected_records
from tests.unit.core.scenes import POLICY, START, easy_identity, key, observation

SECOND = timedelta(seconds=1)
OLD, NEW = key(99), key(98)


def put(identity: Identity, number: int, seconds: float, selector: str = "s1") -> Change:
    """The owner brings a key of their own."""
    want = WantByo(selector, "the key's text")
    return settings.with_byodkim(
        identity, want, key(number), f"own-{number}", START + seconds * SECOND, POLICY
    )


def looked(
    identity: Identity, seconds: float, text: bytes | None, ttl: int, cached: bytes | None = None
) -> Change:
    """One look at the newest setting: what the domain's servers say, and the resolver, which may be late."""
    now = START + seconds * SECOND
    (record,) = expected_records(identity, identity.newest, now, POLICY)

    def seen(stage: Stage, found: bytes | None, left: int) -> object:
        if found is None:
            return observation(record.owner, outcome=Outcome.NXDOMAIN, stage=stage)
        return replace(observation(record.owner, texts=(found,), stage=stage), ttl=left)

    at = (seen(Stage.AUTHORITY, text, ttl), seen(Stage.VANTAGE, cached or text, 1 if cached else ttl))
    return with_check(identity, identity.newest.setting_id, compare((record,), at), now, POLICY)  # type: ignore[arg-type]


def text_of(number: int) -> bytes:
    """The record of a key."""
    own = put(easy_identity(), number, 0).identity
    (record,) = expected_records(own, own.newest, START, POLICY)
    return record.value.encode()


def signing_with_own_key() -> Identity:
    """An identity that signs with key 99 under s1, its record's TTL an hour."""
    identity = put(easy_identity(), 99, 0).identity
    for seconds in (0, 6):
        identity = looked(identity, seconds, text_of(99), 3600).identity
    assert identity.signing is not None
    assert identity.signing.setting_id == "own-99"
    return identity


def told(change: Change) -> list[str]:
    return [event.text for event in change.events if event.kind == "cache"]


def test_whoever_replaces_a_key_under_its_selector_is_told_with_the_ttl_that_was_seen() -> None:
    change = put(signing_with_own_key(), 98, 10)
    window = cache_window(change.identity, START + 10 * SECOND)
    assert window == CacheWindow("s1", 3600, START + 3610 * SECOND, False)
    (text,) = told(change)
    assert "for 3600 s after it is replaced, until 2026-11-23 15:00:10 UTC if that is now;" in text
    assert "publish a new selector" in text


@pytest.mark.parametrize("same", ["S1", "s1"])
def test_another_selector_and_the_same_key_have_nothing_to_be_told(same: str) -> None:
    signing = signing_with_own_key()
    assert told(put(signing, 98, 10, "s2")) == []
    assert cache_window(put(signing, 98, 10, "s2").identity, START + 10 * SECOND) is None
    assert cache_window(put(signing, 98, 10, same).identity, START + 10 * SECOND) is not None
    assert told(put(signing, 99, 10, same)) == []
    assert told(put(easy_identity(), 98, 10)) == []


def test_the_old_key_signs_while_its_record_stands_and_the_new_one_once_that_was_seen() -> None:
    identity = put(signing_with_own_key(), 98, 10).identity
    identity = looked(identity, 11, text_of(99), 600).identity
    assert identity.signing is not None
    assert identity.signing.setting_id == "own-99"
    # The owner has shortened the TTL since; what the servers say now counts.
    assert cache_window(identity, START + 11 * SECOND) == CacheWindow("s1", 600, START + 611 * SECOND, False)
    replaced = looked(identity, 21, text_of(98), 300)
    until = START + 623 * SECOND
    assert cache_window(replaced.identity, START + 21 * SECOND) == CacheWindow("s1", None, until, True)
    assert told(replaced) == [CacheWindow("s1", None, until, True).text]
    switched = looked(replaced.identity, 27, text_of(98), 300)
    assert switched.identity.signing is not None
    assert switched.identity.signing.setting_id == "own-98"
    assert told(switched) == []
    assert cache_window(switched.identity, until - SECOND) is not None
    assert cache_window(switched.identity, until) is None


def test_our_own_resolver_that_is_late_does_not_make_the_window_longer() -> None:
    identity = looked(put(signing_with_own_key(), 98, 10).identity, 11, text_of(99), 600).identity
    identity = looked(identity, 21, text_of(98), 600, cached=text_of(99)).identity
    assert identity.newest.proof.status is DkimStatus.PENDING
    for seconds in (400, 500, 506):
        identity = looked(identity, seconds, text_of(98), 600).identity
    window = cache_window(identity, START + 506 * SECOND)
    assert window is not None
    assert window.until == START + 623 * SECOND


def test_a_record_that_was_taken_away_may_be_cached_from_then_on_only() -> None:
    identity = looked(put(signing_with_own_key(), 98, 10).identity, 11, text_of(99), 600).identity
    identity = looked(identity, 21, None, 0).identity
    identity = looked(identity, 31, text_of(98), 600).identity
    assert identity.newest.proof.stale_until == START + 623 * SECOND


def test_a_switch_to_another_selector_waits_for_a_wrong_record_that_stood_there() -> None:
    identity = put(signing_with_own_key(), 98, 10, "s2").identity
    identity = looked(identity, 11, text_of(97), 600).identity
    for seconds in (20, 26):
        identity = looked(identity, seconds, text_of(98), 60).identity
    assert identity.newest.proof.status is DkimStatus.SUCCESS
    assert identity.signing is not None
    assert identity.signing.setting_id == "own-99"
    assert switch_due_at(identity, POLICY) == START + 622 * SECOND
    switched = looked(identity, 623, text_of(98), 60).identity
    assert switched.signing is not None
    assert switched.signing.setting_id == "own-98"


def test_a_switch_waits_for_a_wrong_record_of_a_long_ttl_no_longer_than_for_absence() -> None:
    identity = put(signing_with_own_key(), 98, 10, "s2").identity
    identity = looked(identity, 11, text_of(97), 10**6).identity
    for seconds in (20, 26):
        identity = looked(identity, seconds, text_of(98), 60).identity
    assert switch_due_at(identity, POLICY) == START + 26 * SECOND + POLICY.longest_negative
