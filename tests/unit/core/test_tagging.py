"""Tags and ARNs: what they may be, in SES's order of checks."""

from __future__ import annotations

import pytest

from mailseal.core.commands import Tag
from mailseal.core.errors import BadRequest, NotFound
from mailseal.core.names import identity_arn
from mailseal.core.tagging import Resource, Taggable, check_tags, parse_arn, with_tags, without_tags

ACCOUNT = "000000000001"


def tags(*pairs: tuple[str, str]) -> tuple[Tag, ...]:
    return tuple(Tag(key, value) for key, value in pairs)


def refused(*pairs: tuple[str, str]) -> str:
    with pytest.raises(BadRequest) as told:
        check_tags(tags(*pairs))
    return told.value.message


def test_letters_of_every_script_digits_blanks_and_seven_marks_are_taken() -> None:
    check_tags(tags(("Schlüssel 1", "wert_.:/=+-@"), ("キー", ""), ("a\u00a0b", "Ⅷ²")))
    check_tags(tags(("k" * 128, "v" * 256), ("𝒳" * 128, "𝒳" * 256)))
    check_tags(tags(*((f"k{number}", "") for number in range(50))))


@pytest.mark.parametrize("text", ["<", "a,b", "a\nb", "a\tb", "!", "😀", "a*", "\x00", "a\u200bb"])
def test_other_characters_are_refused_in_keys_and_values(text: str) -> None:
    assert refused(("k", text)).startswith("Tags can only contain letters, numbers, spaces")
    assert refused((text, "v")).startswith("Tags can only contain letters, numbers, spaces")


def test_checks_come_in_the_order_that_was_seen() -> None:
    too_many = [(f"k{number}", "<") for number in range(51)]
    assert refused(*too_many).startswith("Maximum of 50 user tags")
    assert refused(("aws:x", "<")).startswith("Tags can only contain")
    assert refused(("AWS:x", "v" * 257)).startswith("Caller is an end user")
    assert refused(("", "v" * 257)).startswith("1 validation error detected: Value at 'tags.1.member.value'")
    assert refused(("", "1"), ("a", "1"), ("a", "2")) == "A tag's key must not be empty."
    assert refused(("a", "1"), ("a", "2")) == "Cannot provide multiple tags with the same key"


def test_every_length_is_told_with_its_place() -> None:
    assert refused(("a", "1"), ("k" * 129, "v" * 257)) == (
        "2 validation errors detected: "
        "Value at 'tags.2.member.value' failed to satisfy constraint: "
        "Member must have length less than or equal to 256; "
        "Value at 'tags.2.member.key' failed to satisfy constraint: "
        "Member must have length less than or equal to 128"
    )


def test_keys_differ_by_case_and_values_may_begin_with_aws() -> None:
    check_tags(tags(("a", "aws:x"), ("A", "1")))


def test_added_tags_replace_by_key_and_fifty_is_the_end() -> None:
    present = tags(("a", "1"), ("b", "2"))
    assert with_tags(present, tags(("c", "3"), ("a", "4"))) == tags(("a", "4"), ("b", "2"), ("c", "3"))
    full = tags(*((f"k{number}", "") for number in range(50)))
    assert len(with_tags(full, tags(("k7", "new")))) == 50
    with pytest.raises(BadRequest, match="or delete existing tags and retry"):
        with_tags(full, tags(("one more", "")))


def test_removing_a_tag_that_is_not_there_changes_nothing() -> None:
    assert without_tags(tags(("a", "1"), ("b", "2")), ["b", "c"]) == tags(("a", "1"))


@pytest.mark.parametrize("name", ["example.com", "me+x@example.com", "a/b@example.com", "a:b@example.com"])
def test_an_identitys_own_arn_names_it(name: str) -> None:
    arn = identity_arn("eu-west-1", ACCOUNT, name)
    assert parse_arn(arn, ACCOUNT) == Resource("eu-west-1", ACCOUNT, Taggable.IDENTITY, name)


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_any_partition_will_do(partition: str) -> None:
    assert parse_arn(f"arn:{partition}:ses:r:{ACCOUNT}:configuration-set/news", ACCOUNT).name == "news"


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "x",
        "example.com",
        "arn:aws:ses",
        "arn:aws:ses:::",
        f"arn:aws:ses:r:{ACCOUNT}:identity",
        f"arn:aws:ses:r:{ACCOUNT}:identity/",
        f"arn:aws:ses:r:{ACCOUNT}:/example.com",
        f"arn:aws:s3:r:{ACCOUNT}:identity/example.com",
        f"arn:aws:ses::{ACCOUNT}:identity/example.com",
        "arn:aws:ses:r::identity/example.com",
        f"urn:aws:ses:r:{ACCOUNT}:identity/example.com",
        f"arn::ses:r:{ACCOUNT}:identity/example.com",
        "arn:aws:ses:r:000000000002:identity/example.com",
    ],
)
def test_what_is_no_arn_of_this_accounts_ses_is_refused(arn: str) -> None:
    with pytest.raises(BadRequest):
        parse_arn(arn, ACCOUNT)


@pytest.mark.parametrize("kind", ["template", "email-identity", "IDENTITY", "contact-list"])
def test_kinds_that_we_do_not_have_are_not_found(kind: str) -> None:
    with pytest.raises(NotFound):
        parse_arn(f"arn:aws:ses:r:{ACCOUNT}:{kind}/x", ACCOUNT)
