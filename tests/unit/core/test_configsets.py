"""Configuration sets: their names, and the one option that is acted on."""

from __future__ import annotations

import pytest

from mailseal.core.commands import Tag
from mailseal.core.configsets import (
    ConfigurationSet,
    ListConfigurationSets,
    check_new,
    check_sending,
    checked_page_size,
)
from mailseal.core.errors import BadRequest, SendingPaused


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "a" * 65, "a\n", "a/b"])
def test_a_name_has_at_most_64_letters_digits_dashes_and_underscores(name: str) -> None:
    check_new(ConfigurationSet("A-z_0" + "x" * 59))
    with pytest.raises(BadRequest, match="ConfigurationSetName must have"):
        check_new(ConfigurationSet(name))


def test_tags_are_judged_as_everywhere() -> None:
    with pytest.raises(BadRequest, match="multiple tags with the same key"):
        check_new(ConfigurationSet("news", tags=(Tag("a", "1"), Tag("a", "1"))))


def test_a_pool_of_addresses_does_not_exist_here() -> None:
    with pytest.raises(BadRequest, match="SendingPool <mine> doesn't exist"):
        check_new(ConfigurationSet("news", {"DeliveryOptions": {"SendingPoolName": "mine"}}))


def test_sending_is_on_unless_it_was_switched_off() -> None:
    check_sending(ConfigurationSet("news"))
    check_sending(ConfigurationSet("news", {"SendingOptions": {"SendingEnabled": True}}))
    check_sending(ConfigurationSet("news", {"SendingOptions": {}}))
    with pytest.raises(SendingPaused, match="Sending is paused for configuration set news"):
        check_sending(ConfigurationSet("news", {"SendingOptions": {"SendingEnabled": False}}))


def test_pages_have_1_to_1000_names_and_50_by_default() -> None:
    assert checked_page_size(ListConfigurationSets()) == 50
    assert checked_page_size(ListConfigurationSets(1)) == 1
    assert checked_page_size(ListConfigurationSets(1000, name_contains="abc")) == 1000
    for size in (0, -1, 1001):
        with pytest.raises(BadRequest, match="The page size must be between 1 and 1000"):
            checked_page_size(ListConfigurationSets(size))
    for part in ("ab", "a" * 65):
        with pytest.raises(BadRequest, match="between 3 and 64 characters"):
            checked_page_size(ListConfigurationSets(name_contains=part))
