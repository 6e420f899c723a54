"""Forms: what is read is what was meant, and what could be read in two ways is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.errors import Refusal
from mailseal.sesv1.errors import MalformedInput, MalformedQueryString
from mailseal.sesv1.forms import MOST_PAIRS, parse_form, parse_tree, shaped
from mailseal.sesv1.shapes import INPUTS, Action, parameters
from mailseal.sesv2.members import ListOf, Member, Structure, Text, Whole

LIST = Structure((Member("L", ListOf(Text())), Member("N", Whole()), Member("T", Text())))
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="."), min_size=1, max_size=8)


@given(st.dictionaries(NAMES, st.text(st.characters(blacklist_categories=["Cs"])), max_size=8))
def test_what_a_client_encodes_is_what_is_read(pairs: dict[str, str]) -> None:
    assert parse_form(urlencode(pairs).encode()) == pairs


def test_query_and_body_are_one_form() -> None:
    assert parse_form(b"Action=A&Version=1", b"X=a+b%2Bc&&Y=") == {
        "Action": "A",
        "Version": "1",
        "X": "a b+c",
        "Y": "",
    }


@pytest.mark.parametrize(
    "parts",
    [
        (b"A=1&A=1",),
        (b"A=1", b"A=2"),
        (b"A=1&%41=2",),
        (b"A=%zz",),
        (b"A=%",),
        (b"A=%e4",),
        (b"A=%c0%af",),
        (b"A=\xff",),
        (b"A=%ed%a0%80",),
        (b"&" * MOST_PAIRS,),
        (b"A" * 257 + b"=1",),
    ],
)
def test_a_form_that_can_be_read_in_two_ways_is_refused(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedQueryString):
        parse_form(*parts)


@pytest.mark.parametrize(
    "names",
    [["A", "A.B"], ["A.B", "A"], ["A.B.C", "A.B"], ["A..B"], [".A"], ["A."], [".".join("abcdefghij")]],
)
def test_a_name_is_a_value_or_a_branch_and_never_both(names: list[str]) -> None:
    with pytest.raises(MalformedQueryString):
        parse_tree(dict.fromkeys(names, "x"))


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ({"L.member.2": "b", "L.member.10": "c", "L.member.1": "a"}, {"L": ["a", "b", "c"]}),
        ({"L": ""}, {"L": []}),
        ({"N": "-12", "T": "", "Other.member.1": "x"}, {"N": -12, "T": ""}),
    ],
)
def test_lists_are_read_in_the_order_of_their_numbers(pairs: dict[str, str], value: Any) -> None:
    assert shaped(LIST, parse_tree(pairs)) == value


@pytest.mark.parametrize(
    "pairs",
    [
        {"L": "a"},
        {"L.member": "a"},
        {"L.1": "a"},
        {"L.entry.1": "a"},
        {"L.member.0": "a"},
        {"L.member.01": "a"},
        {"L.member.x": "a"},
        {"L.member.١": "a"},
        {"L.member.1234567": "a"},
        {"L.member.1": "a", "L.x": "b"},
        {"L.member.1.X": "a"},
        {"T.X": "a"},
        {"N": "1.0"},
        {"N": "１"},
        {"N": "9" * 5000},
        {"N": ""},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(pairs: dict[str, str]) -> None:
    with pytest.raises(MalformedInput):
        shaped(LIST, parse_tree(pairs))


WORDS = """
Identities Identity Domain member 1 2 Message Body Data RawMessage Destination ToAddresses Subject Source
MaxItems DkimEnabled x
"""
PARTS = st.sampled_from([*WORDS.split(), "", "\x00", "ü"])
VALUES = st.text(max_size=20) | st.sampled_from(
    ["", "true", "1", "-1", "QUJD", "x" * 5000, "\ud7ff", "a@b.c"]
)


@given(
    st.sampled_from(list(Action)),
    st.dictionaries(st.lists(PARTS, min_size=1, max_size=9).map(".".join), VALUES, max_size=6),
)
def test_whatever_a_form_holds_it_is_read_or_refused(action: Action, pairs: dict[str, str]) -> None:
    try:
        found = parameters(action, parse_tree(pairs))
    except Refusal:
        return
    assert set(found) <= {member.name for member in INPUTS[action].members}
