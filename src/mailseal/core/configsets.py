"""Configuration sets, as far as identities need them: a name, tags, and options that are kept.

Rule: options are given back as they came; only that sending is switched off is acted on.
References: AWS SESv2 CreateConfigurationSetRequest, AWS SESv2 GetConfigurationSetResponse;
docs/divergences.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailseal.core.commands import Tag
from mailseal.core.errors import AlreadyExists, BadRequest, NotFound, SendingPaused
from mailseal.core.tagging import check_tags

LONGEST_NAME = 64
DEFAULT_PAGE = 50
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class ConfigurationSet:
    """One configuration set; options by AWS's names of them."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()

    @property
    def sending_enabled(self) -> bool:
        """Whether mail may be sent with it; true unless it was switched off."""
        return bool(self.options.get("SendingOptions", {}).get("SendingEnabled", True))


@dataclass(frozen=True, slots=True)
class ListConfigurationSets:
    """AWS SESv2 ListConfigurationSetsRequest; None is a member that was absent."""

    page_size: int | None = None
    next_token: str | None = None
    name_contains: str | None = None


def check_new(wanted: ConfigurationSet) -> None:
    """Raises BadRequest unless such a configuration set may be made."""
    if not _NAME.match(wanted.name):
        raise BadRequest(
            "ConfigurationSetName must have 1 to 64 characters, "
            "all of them letters, digits, underscores and hyphens."
        )
    check_tags(wanted.tags)
    pool = wanted.options.get("DeliveryOptions", {}).get("SendingPoolName")
    if pool is not None:
        raise BadRequest(f"SendingPool <{pool}> doesn't exist", hint="Mailseal has no pools of addresses.")


def checked_page_size(command: ListConfigurationSets) -> int:
    """How many names a page may have; raises BadRequest."""
    size = DEFAULT_PAGE if command.page_size is None else command.page_size
    if not 1 <= size <= 1000:
        raise BadRequest("The page size must be between 1 and 1000")
    part = command.name_contains
    if part is not None and not 3 <= len(part) <= LONGEST_NAME:
        raise BadRequest("CONFIGURATION_SET_NAME_CONTAINS must be between 3 and 64 characters")
    return size


def check_sending(wanted: ConfigurationSet) -> None:
    """Raises SendingPaused where sending is switched off for the set."""
    if not wanted.sending_enabled:
        raise SendingPaused(f"Sending is paused for configuration set {wanted.name}")


def no_such_set(name: str) -> NotFound:
    """The refusal for a set that does not exist."""
    return NotFound(f"Configuration set <{name}> does not exist.")


def exists_already(name: str) -> AlreadyExists:
    """The refusal for a set that is there."""
    return AlreadyExists(f"Configuration set {name} already exists.")
