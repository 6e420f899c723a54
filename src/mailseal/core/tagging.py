"""Tags: what they may be, how they are merged, and which resource an ARN names.

Rule: the order of checks is the one that was seen: count, characters, reserved keys, lengths, empty keys,
keys that stand twice.
References: AWS SESv2 Tag, AWS SESv2 TagResourceRequest, AWS SESv2 UntagResourceRequest.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailseal.core.commands import Tag
from mailseal.core.errors import BadRequest, NotFound

MOST = 50
LONGEST_KEY = 128
LONGEST_VALUE = 256

_MARKS = frozenset("_.:/=+-@")
_TOO_MANY = (
    f"Maximum of {MOST} user tags are allowed per resource, "
    "consider reducing the number of tags in the request"
)


class Taggable(StrEnum):
    """The resources of ours that have tags, by their word in an ARN."""

    IDENTITY = "identity"
    CONFIGURATION_SET = "configuration-set"


@dataclass(frozen=True, slots=True)
class Resource:
    """What an ARN names."""

    region: str
    account_id: str
    kind: Taggable
    name: str


@dataclass(frozen=True, slots=True)
class TagResource:
    """AWS SESv2 TagResourceRequest."""

    arn: str
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class UntagResource:
    """AWS SESv2 UntagResourceRequest."""

    arn: str
    keys: tuple[str, ...]


def parse_arn(arn: str, account_id: str) -> Resource:
    """The resource of this account that an ARN names; raises BadRequest, NotFound for kinds we do not have.

    >>> parse_arn("arn:aws:ses:eu-west-1:000000000001:identity/example.com", "000000000001").name
    'example.com'
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1]:
        raise BadRequest("ResourceArn is not an ARN.", hint="It begins with arn:aws:ses:")
    _, _, service, region, owner, path = parts
    kind, _, name = path.partition("/")
    if service != "ses" or not (region and owner and kind and name):
        raise BadRequest(
            "ResourceArn is not the ARN of an SES resource.",
            hint="An identity's is arn:aws:ses:REGION:ACCOUNT:identity/NAME.",
        )
    if owner != account_id:
        raise BadRequest("Operations on a resource created in a different account is not allowed")
    if kind not in set(Taggable):
        raise NotFound(f"Resource {arn} was not found.")
    return Resource(region, owner, Taggable(kind), name)


def not_there(resource: Resource) -> NotFound:
    """The refusal for a resource that does not exist."""
    word = "EmailIdentity" if resource.kind is Taggable.IDENTITY else "ConfigurationSet"
    return NotFound(f"No {word} present with name: {resource.name}")


def check_tags(tags: Sequence[Tag]) -> None:
    """Raises BadRequest unless these may be the tags of one resource."""
    if len(tags) > MOST:
        raise BadRequest(_TOO_MANY)
    if not all(_is_text(tag.value) and _is_text(tag.key) for tag in tags):
        raise BadRequest(
            "Tags can only contain letters, numbers, spaces, and the following special characters: "
            "_ . : / = + - @"
        )
    if any(tag.key.lower().startswith("aws:") for tag in tags):
        raise BadRequest("Caller is an end user and not allowed to mutate system tags")
    long = [text for place, tag in enumerate(tags, 1) for text in _too_long(place, tag)]
    if long:
        errors = "1 validation error" if len(long) == 1 else f"{len(long)} validation errors"
        raise BadRequest(f"{errors} detected: {'; '.join(long)}")
    if not all(tag.key for tag in tags):
        raise BadRequest("A tag's key must not be empty.")
    if len({tag.key for tag in tags}) < len(tags):
        raise BadRequest("Cannot provide multiple tags with the same key")


def _is_text(text: str) -> bool:
    return all(c in _MARKS or unicodedata.category(c)[0] in "LNZ" for c in text)


def _too_long(place: int, tag: Tag) -> list[str]:
    members = (("value", tag.value, LONGEST_VALUE), ("key", tag.key, LONGEST_KEY))
    return [
        f"Value at 'tags.{place}.member.{member}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {longest}"
        for member, text, longest in members
        if len(text) > longest
    ]


def with_tags(present: Sequence[Tag], added: Sequence[Tag]) -> tuple[Tag, ...]:
    """The tags of a resource with others added, a known key keeping its place; raises BadRequest."""
    check_tags(added)
    merged = {tag.key: tag for tag in (*present, *added)}
    if len(merged) > MOST:
        raise BadRequest(f"{_TOO_MANY} or delete existing tags and retry")
    return tuple(merged.values())


def without_tags(present: Sequence[Tag], keys: Collection[str]) -> tuple[Tag, ...]:
    """The tags of a resource without those of some keys."""
    return tuple(tag for tag in present if tag.key not in keys)
