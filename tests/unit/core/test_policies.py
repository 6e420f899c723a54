"""Policies: their names, their text without blanks, and how many an identity may have."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailseal.core.errors import AlreadyExists, BadRequest, LimitExceeded, NotFound
from mailseal.core.policies import (
    LONGEST_BYTES,
    MOST,
    PutPolicy,
    check_known_policy,
    check_new_policy,
    check_policy_name,
    compacted,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4), st.integers(0, 4), st.booleans())
def test_a_compacted_policy_means_the_same_and_has_no_blank_to_spare(
    value: dict[str, object], indent: int, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only, separators=(" ,\r\n", "\t: "))
    short = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    if len(short.encode("utf-8", "surrogatepass")) <= LONGEST_BYTES:
        assert compacted(text) == short


def test_order_numbers_and_escapes_are_left_as_they_were_written() -> None:
    assert compacted('{ "b": 1.0, "a": 1e5, "\\u0061b": "\\/ x" }') == '{"b":1.0,"a":1e5,"\\u0061b":"\\/ x"}'


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[]", '"x"', "1", "null", "{}{}", "{'a':1}", '{"a" 1}', "[" * 2000, '{"a":"']
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        compacted(text)


def test_blanks_do_not_count_and_one_byte_more_does() -> None:
    fits = '{"a":"' + "x" * (LONGEST_BYTES - 8) + '"}'
    assert len(compacted(" \n" * 5000 + fits)) == LONGEST_BYTES
    with pytest.raises(BadRequest, match="longer than 4096 bytes"):
        compacted(fits.replace("x", "xx", 1))
    with pytest.raises(BadRequest, match="longer than 4096 bytes"):
        compacted(fits.replace("x", "é", 1))


def test_a_hostile_text_costs_one_pass() -> None:
    began = time.perf_counter()
    for piece in ('"', "\\", '"\\', " ", '{"a":', "[", '" "'):
        with pytest.raises(BadRequest):
            compacted(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - began < 30


@pytest.mark.parametrize("name", ["", " ", "a b", "ä", "a.b", "a/b", "a\n"])
def test_a_policys_name_has_letters_digits_dashes_and_underscores(name: str) -> None:
    check_policy_name("Az09_-")
    with pytest.raises(BadRequest, match="PolicyName is invalid"):
        check_policy_name(name)


def test_the_twenty_first_policy_is_one_too_many_and_a_known_name_is_told_first() -> None:
    full = {f"p{number}": "{}" for number in range(MOST)}
    with pytest.raises(LimitExceeded, match="exceeds max allowed number of policies per resource"):
        check_new_policy(full, PutPolicy("example.com", "more", "{}"))
    with pytest.raises(AlreadyExists, match="Policy <p3> already exists"):
        check_new_policy(full, PutPolicy("example.com", "p3", "{}"))
    check_new_policy({"p": "{}"}, PutPolicy("example.com", "more", "{}"))


def test_an_unknown_policy_is_not_found() -> None:
    check_known_policy({"p": "{}"}, "p")
    with pytest.raises(NotFound, match="Policy <P> does not exist"):
        check_known_policy({"p": "{}"}, "P")
