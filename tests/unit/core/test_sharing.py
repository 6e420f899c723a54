"""Share links: what opens one, and everything that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.errors import BadRequest, LimitExceeded
from mailseal.core.sharing import (
    MOST_LINKS,
    ShareLink,
    check_count,
    fits,
    format_token,
    parse_days,
    parse_token,
)
from tests.unit.core.scenes import START

SECRET = b"an installation's secret........"
LINK = ShareLink(
    "0123456789abcdef0123456789abcdef",
    "000000000001",
    "us-east-1",
    "example.com",
    START,
    START + timedelta(days=14),
)
TOKEN = format_token(SECRET, LINK)
NAME = LINK.name


def test_a_link_opens_under_its_name_until_its_end() -> None:
    assert parse_token(TOKEN) == LINK.link_id
    assert fits(SECRET, LINK, NAME, TOKEN, START)
    assert fits(SECRET, LINK, NAME, TOKEN, LINK.expires_at - timedelta(seconds=1))
    assert not fits(SECRET, LINK, NAME, TOKEN, LINK.expires_at)
    assert not fits(SECRET, LINK, "example.org", TOKEN, START)
    assert not fits(b"another installation's secret...", LINK, NAME, TOKEN, START)


@pytest.mark.parametrize(
    "changed",
    [
        replace(LINK, link_id="f123456789abcdef0123456789abcdef"),
        replace(LINK, account_id="000000000002"),
        replace(LINK, region="eu-west-1"),
        replace(LINK, name="example.org"),
        replace(LINK, expires_at=LINK.expires_at + timedelta(seconds=1)),
        replace(LINK, account_id="00000000000", region="1us-east-1"),
    ],
)
def test_whatever_is_altered_in_the_database_has_no_link(changed: ShareLink) -> None:
    assert not fits(SECRET, changed, changed.name, TOKEN, START)


def test_no_other_character_anywhere_opens_it() -> None:
    for at, char in enumerate(TOKEN):
        for other in {"A", "b", "_", "-", "9", "="} - {char}:
            altered = TOKEN[:at] + other + TOKEN[at + 1 :]
            assert parse_token(altered) is None or not fits(SECRET, LINK, NAME, altered, START)


@pytest.mark.parametrize(
    "token", ["", "A", TOKEN[:-1], TOKEN + "A", TOKEN + "=", TOKEN + "\n", "ä" * 43, "%00"]
)
def test_what_is_not_a_token_is_none(token: str) -> None:
    assert parse_token(token) is None


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_token_but_one_spelling(text: str) -> None:
    found = parse_token(text)
    assert found is None or (len(found) == 32 and not fits(SECRET, LINK, NAME, text, START))


@pytest.mark.parametrize("days", [0, -1, 91, 10**9])
def test_a_link_lasts_no_longer_than_it_may(days: int) -> None:
    with pytest.raises(BadRequest):
        parse_days(days)


def test_an_identity_has_only_so_many_links_at_a_time() -> None:
    check_count(MOST_LINKS - 1)
    with pytest.raises(LimitExceeded):
        check_count(MOST_LINKS)
