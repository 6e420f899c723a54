"""SMTP passwords as SES derives them; the vector is from the tests of Terraform's AWS provider (MPL-2.0)."""

from __future__ import annotations

import pytest

from mailseal.core.smtpaccess import region_of_password, smtp_password

REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")


@pytest.mark.parametrize(
    ("secret", "region", "password"),
    [
        ("some+secret+key", "eu-central-1", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
    ],
)
def test_a_password_is_the_one_that_ses_derives(secret: str, region: str, password: str) -> None:
    assert smtp_password(secret, region) == password
    assert region_of_password(secret, password, REGIONS) == region


def test_a_password_of_a_region_that_is_not_served_is_none() -> None:
    assert region_of_password("secret", smtp_password("secret", "eu-west-1"), REGIONS) is None


@pytest.mark.parametrize("wrong", ["", "secret", "ü", "\0", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"])
def test_what_is_no_password_has_no_region(wrong: str) -> None:
    assert region_of_password("secret", wrong, REGIONS) is None
