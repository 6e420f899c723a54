"""Access keys: what may be signed with, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from mailseal.core.access import (
    EVERYTHING,
    REPLICATE,
    AccessKey,
    Permissions,
    Principal,
    check_permission,
    check_region,
    matches,
    no_match,
    parse_access_key_id,
    parse_account_id,
    parse_label,
    parse_permissions,
    parse_secret,
    permits,
    secret_name,
    usable,
)
from mailseal.core.errors import AccessDenied, BadRequest, NotAuthenticated, SignatureDoesNotMatch


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


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("example.com", "example.com", True),
        ("example.com", "example.com.evil", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*b*c*", "abcd", True),
        ("*c*b*", "abcd", False),
        ("*a*a*", "a", False),
        ("**", "x", True),
        ("news@*", "news@example.com", True),
        ("?", "x", False),
        ("[a-z]", "a", False),
    ],
)
def test_a_star_stands_for_anything_and_nothing_else_is_special(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_a_hostile_pattern_is_no_slower_than_its_length() -> None:
    assert matches("*a" * 150 + "*", "a" * 10_000) is True
    assert matches("*a" * 150 + "b", "a" * 10_000) is False


ONLY_SENDING = Permissions(("ses:Send*", "SES:getemailidentity"), ("Example.com", "*@EXAMPLE.com"))


@pytest.mark.parametrize(
    ("action", "name", "may"),
    [
        ("ses:SendEmail", "example.com", True),
        ("ses:sendemail", "EXAMPLE.COM", True),
        ("ses:GetEmailIdentity", "example.com", True),
        ("ses:DeleteEmailIdentity", "example.com", False),
        ("ses:SendEmail", "other.com", False),
        ("ses:SendEmail", "sub.example.com", False),
        ("ses:SendEmail", "User@Example.com", True),
        ("ses:SendEmail", "example.com@evil.test", False),
        ("ses:SendEmail", None, False),
        (REPLICATE, "example.com", False),
    ],
)
def test_what_the_lists_do_not_name_is_denied(action: str, name: str | None, may: bool) -> None:
    assert permits(ONLY_SENDING, action, name) is may


def test_a_key_of_old_may_do_all_in_its_account() -> None:
    key = AccessKey("AKIA", "1")
    assert permits(key.permissions, "ses:DeleteEmailIdentity", None)
    assert permits(Permissions(("ses:*",), ("*",)), "ses:ListEmailIdentities", None)


def test_the_local_part_of_an_address_keeps_its_case() -> None:
    allowed = Permissions(("*",), ("News@example.com",))
    assert permits(allowed, "ses:SendEmail", "News@EXAMPLE.com")
    assert not permits(allowed, "ses:SendEmail", "news@example.com")


def test_a_denial_without_an_identity_names_no_resource() -> None:
    who = Principal("000000000001", "us-east-1", "AKIA", Permissions(("ses:Get*",)))
    with pytest.raises(AccessDenied) as told:
        check_permission(who, "ses:ListEmailIdentities", None)
    assert told.value.message.endswith("to perform: ses:ListEmailIdentities on resource: *")


@pytest.mark.parametrize(
    ("actions", "identities"),
    [
        (("SendEmail",), ()),
        (("ses:",), ()),
        (("ses:Send Email",), ()),
        (("iam:*",), ()),
        ((), ("",)),
        ((), ("two names",)),
        ((), ("exämple.com",)),
        (("ses:Get*",) * 51, ()),
    ],
)
def test_a_pattern_that_could_never_match_is_refused(
    actions: tuple[str, ...], identities: tuple[str, ...]
) -> None:
    with pytest.raises(BadRequest):
        parse_permissions(actions, identities)


def test_patterns_that_name_everything_are_everything() -> None:
    assert parse_permissions((), ()) is EVERYTHING
    assert parse_permissions(("ses:Get*", "*"), ("*",)) is EVERYTHING
    assert parse_permissions(("ses:Get*",), ()) == Permissions(("ses:Get*",), ("*",))


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (parse_account_id, ["000000000001"], ["1", "00000000000a", "0000000000011", "٠٠٠٠٠٠٠٠٠٠٠١"]),
        (parse_access_key_id, ["AKIAIOSFODNN7EXAMPLE", "test"], ["", "a b", "a/b", "ä", "A" * 129]),
        (parse_secret, ["wJalrXUtnFEMI/K7MDENG+bPx", "x"], ["", "a b", "a\n", "ä", "x" * 129]),
        (parse_label, ["", "CI of the shop"], ["\x1b[31m", "x" * 65, "a\nb"]),
    ],
)
def test_ids_secrets_and_labels_have_one_form(parse: Any, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert parse(text) == text
    for text in bad:
        with pytest.raises(BadRequest) as told:
            parse(text)
        assert not text.strip() or text not in told.value.message + told.value.hint or len(text) == 1
