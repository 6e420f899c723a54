"""Access keys: what may be signed with, and what is never shown."""

from __future__ import annotations

import pytest

from mailseal.core.access import AccessKey, check_region, no_match, secret_name, usable
from mailseal.core.errors import NotAuthenticated, SignatureDoesNotMatch


def test_a_secret_is_in_no_repr() -> None:
    key = AccessKey("AKIA", "1", "the-secret")
    assert "the-secret" not in repr(key)
    assert "AKIA" in repr(key)


def test_only_an_enabled_key_is_usable() -> None:
    key = AccessKey("AKIA", "1", "s")
    assert usable(key) is key
    assert usable(AccessKey("AKIA", "1", "s", enabled=False)) is None
    assert usable(None) is None


def test_the_one_refusal_names_no_reason_that_tells_keys_apart() -> None:
    refusal = no_match()
    assert isinstance(refusal, NotAuthenticated)
    assert refusal.message.startswith("The request signature we calculated does not match the signature")


def test_a_region_that_is_not_served_is_refused() -> None:
    check_region("eu-west-1", ("us-east-1", "eu-west-1"))
    with pytest.raises(SignatureDoesNotMatch) as told:
        check_region("eu-west-2", ("us-east-1", "eu-west-1"))
    assert "us-east-1, eu-west-1" in told.value.hint


def test_each_key_has_its_own_sealed_name() -> None:
    assert secret_name("A") != secret_name("B")
