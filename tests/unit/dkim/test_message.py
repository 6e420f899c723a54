"""What is a message, and what is refused because verifiers read it in different ways."""

import time
from contextlib import suppress

import pytest

from mailseal.dkim.message import (
    MAX_FIELD_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADER_FIELDS,
    MessageRefused,
    parse_message,
    with_final_crlf,
)

GOOD = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"


def test_fields_keep_their_case_their_folding_and_their_order() -> None:
    message = parse_message(b"suBJect:\tone\r\n two\r\nTo:\r\n x@y\r\nEmpty:\r\n\r\nbody\r\n")
    assert [header.name for header in message.fields] == [b"suBJect", b"To", b"Empty"]
    assert message.fields[0].raw == b"suBJect:\tone\r\n two\r\n"
    assert [header.value for header in message.fields] == [b"\tone\r\n two", b"\r\n x@y", b""]
    assert bytes(message.body) == b"body\r\n"


def test_fields_and_body_put_together_are_the_message() -> None:
    message = parse_message(GOOD)
    assert b"".join(header.raw for header in message.fields) + b"\r\n" + bytes(message.body) == GOOD


def test_values_are_found_whatever_the_case_of_the_name() -> None:
    message = parse_message(b"To: 1\r\nto: 2\r\nTon: 3\r\n\r\n")
    assert message.values(b"TO") == (b" 1", b" 2")


def test_an_empty_body_is_a_body() -> None:
    assert bytes(parse_message(b"From: a@example.com\r\n\r\n").body) == b""


def test_a_body_that_begins_with_an_empty_line_keeps_it() -> None:
    assert bytes(parse_message(b"From: a\r\n\r\n\r\nx\r\n").body) == b"\r\nx\r\n"


def test_octets_above_127_are_let_through_unchanged() -> None:
    raw = b"From: a@example.com\r\nSubject: \xc3\xa9 \xff\r\n\r\n\xe9\r\n"
    assert parse_message(raw).raw == raw


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("bare_lf", b"From: a\n\r\nbody\r\n"),
        ("bare_lf", b"From: a\r\n\r\nbo\ndy\r\n"),
        ("bare_lf", b"\nFrom: a\r\n\r\nbody\r\n"),
        ("bare_cr", b"From: a\rb\r\n\r\nbody\r\n"),
        ("bare_cr", b"From: a\r\n\r\nbody\r"),
        ("bare_cr", b"From: a\r\n\r\nbody\r\r\n"),
        ("bare_lf", b"From: a\r\n\r\nbody\n\r"),
        ("nul", b"From: a\0b\r\n\r\nbody\r\n"),
        ("nul", b"From: a\r\n\r\nbo\0dy\r\n"),
        ("no_separator", b"From: a\r\n"),
        ("no_separator", b""),
        ("no_separator", b"From: a\r\nSubject: b\r\n"),
        ("no_header", b"\r\nbody\r\n\r\n"),
        ("no_header", b"\r\n\r\nbody\r\n"),
        ("mbox_from", b"From alice Mon Jan  1 00:00:00 2024\r\nFrom: a\r\n\r\nbody\r\n"),
        ("blank_before_colon", b"From: a\r\nSubject : x\r\n\r\nbody\r\n"),
        ("blank_before_colon", b"Subject\t: x\r\n\r\nbody\r\n"),
        ("leading_fold", b" x\r\nFrom: a\r\n\r\nbody\r\n"),
        ("not_a_field", b"From: a\r\njust words\r\n\r\nbody\r\n"),
        ("not_a_field", b"From: a\r\n: no name\r\n\r\nbody\r\n"),
        ("not_a_field", b"From: a\r\nS\xc3\xbc: x\r\n\r\nbody\r\n"),
        ("blank_header_line", b"From: a\r\n \r\nTo: b\r\n\r\nbody\r\n"),
        ("control_in_header", b"From: a\x0bb\r\n\r\nbody\r\n"),
        ("control_in_header", b"From: a\x0cb\r\n\r\nbody\r\n"),
        ("line_too_long", b"From: a\r\nX: " + b"x" * 996 + b"\r\n\r\nbody\r\n"),
        ("line_too_long", b"From: a\r\n\r\n" + b"x" * 999 + b"\r\n"),
        ("line_too_long", b"From: a\r\n\r\n" + b"x" * 999),
        ("field_too_large", b"X: a\r\n" + b" aaaaaaaa\r\n" * (MAX_FIELD_BYTES // 10) + b"\r\nbody\r\n"),
        ("header_too_large", b"X: aaaaaaaaaaaaaaaa\r\n" * (MAX_HEADER_BYTES // 20) + b"\r\nbody\r\n"),
        ("too_many_fields", b"X: a\r\n" * (MAX_HEADER_FIELDS + 1) + b"\r\nbody\r\n"),
    ],
)  # fmt: skip
def test_what_verifiers_disagree_about_is_refused(code: str, raw: bytes) -> None:
    with pytest.raises(MessageRefused) as refusal:
        parse_message(raw)
    assert refusal.value.code == code


def test_the_limits_themselves_are_allowed() -> None:
    longest = b"x" * 998
    raw = b"From: a\r\n" * MAX_HEADER_FIELDS + b"\r\n" + longest + b"\r\n" + longest
    assert len(parse_message(raw).fields) == MAX_HEADER_FIELDS


@pytest.mark.parametrize("stray", [b"\r", b"\n", b"\0"])
def test_one_stray_octet_is_found_anywhere_in_a_large_message(stray: bytes) -> None:
    line = b"x" * 76 + b"\r\n"
    raw = b"From: a\r\n\r\n" + line * 4000
    for at in range(11, len(raw), 40_009):
        with pytest.raises(MessageRefused):
            parse_message(raw[:at] + stray + raw[at:])


def test_a_line_end_at_every_place_around_a_piece_boundary_is_seen_whole() -> None:
    for shift in range(80):
        raw = b"From: a\r\n\r\n" + b"y" * shift + b"\r\n" + (b"x" * 76 + b"\r\n") * 1700
        assert parse_message(raw).raw is raw


def test_with_final_crlf_ends_the_last_line_and_changes_nothing_else() -> None:
    assert with_final_crlf(b"a\r\n\r\nb") == b"a\r\n\r\nb\r\n"
    assert with_final_crlf(GOOD) is GOOD


@pytest.mark.parametrize(
    "block",
    [
        b"a" * 997 + b"\r\n",
        b"a:" + b" " * 995 + b"\r\n",
        b"a: b\r\n" + b" " * 997 + b"\r\n",
        b"aaaa \t" * 166 + b"\r\n",
        b"\t\r\n",
    ],
)
def test_a_hostile_header_costs_one_pass(block: bytes) -> None:
    raw = block * (250_000 // len(block)) + b"\r\nbody\r\n"
    started = time.perf_counter()
    with suppress(MessageRefused):
        parse_message(raw)
    assert time.perf_counter() - started < 10
