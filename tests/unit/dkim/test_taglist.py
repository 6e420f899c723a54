"""Tag=value lists: what is one and what is not."""

import time

import pytest

from mailseal.dkim.taglist import TagListError, parse_tag_list, without_blanks


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (b"v=1", {"v": b"1"}),
        (b" v = 1 ; a=b ;", {"v": b"1", "a": b"b"}),
        (b"a=;b=x", {"a": b"", "b": b"x"}),
        (b"a=x=y", {"a": b"x=y"}),
        (b"a=x\r\n\ty; A=z", {"a": b"x\r\n\ty", "A": b"z"}),
        (b"a_1=x", {"a_1": b"x"}),
        (b"a=x; ", {"a": b"x"}),
    ],
)
def test_a_list_is_read_with_its_blanks_taken_off(text: bytes, tags: dict[str, bytes]) -> None:
    assert parse_tag_list(text) == tags
    assert list(parse_tag_list(text)) == list(tags)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "empty"),
        (b" ; ", "empty_tag"),
        (b";a=b", "empty_tag"),
        (b"a=b;;", "empty_tag"),
        (b"a=b;;c=d", "empty_tag"),
        (b"a=b;a=c", "duplicate_tag"),
        (b"a", "not_a_tag"),
        (b"1=a", "not_a_tag"),
        (b"a b=c", "not_a_tag"),
        (b"=c", "not_a_tag"),
        (b"a=\x01", "bad_octet"),
        (b"a=b\rc", "bad_octet"),
        (b"a=b\r\nc", "bad_octet"),
        (b"a=\xc3\xa9", "not_ascii"),
    ],
)
def test_what_is_no_list_is_refused_by_name(text: bytes, code: str) -> None:
    with pytest.raises(TagListError) as refusal:
        parse_tag_list(text)
    assert refusal.value.code == code


def test_a_long_run_of_blanks_costs_one_pass() -> None:
    started = time.perf_counter()
    parse_tag_list(b"a=" + b"x" + b" " * 200_000 + b"y" + b" " * 200_000)
    assert time.perf_counter() - started < 10


def test_without_blanks_joins_folded_base64() -> None:
    assert without_blanks(b"ab\r\n\tcd e") == b"abcde"
