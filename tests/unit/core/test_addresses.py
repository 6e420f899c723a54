"""Addresses: read by the grammar, and refused where two readers could disagree."""

import time

import pytest

from mailseal.core.addresses import AddressRefused, Mailbox, from_mailbox, parse_mailbox_list, quoted_string
from mailseal.dkim.message import parse_message


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("a@example.com", [Mailbox("a", "example.com")]),
        (" a.b+c@EXAMPLE.Com ", [Mailbox("a.b+c", "example.com")]),
        ("<a@example.com>", [Mailbox("a", "example.com")]),
        ("Alice <a@example.com>", [Mailbox("a", "example.com", "Alice")]),
        ("Alice B. Toklas <a@example.com>", [Mailbox("a", "example.com", "Alice B. Toklas")]),
        ('"Alice, \\"B\\"" <a@example.com>', [Mailbox("a", "example.com", 'Alice, "B"')]),
        ('"x@evil.example" <a@example.com>', [Mailbox("a", "example.com", "x@evil.example")]),
        ('"a b"@example.com', [Mailbox("a b", "example.com")]),
        ('"a@evil.example"@example.com', [Mailbox("a@evil.example", "example.com")]),
        ("=?UTF-8?Q?=C3=89?= <a@example.com>", [Mailbox("a", "example.com", "=?UTF-8?Q?=C3=89?=")]),
        ("Élise Ô. <a@example.com>", [Mailbox("a", "example.com", "Élise Ô.")]),
        ("a@example.com (a (nested) comment)", [Mailbox("a", "example.com")]),
        ("(c)a(c)@(c)example.com(c)", [Mailbox("a", "example.com")]),
        ("A <a@b>,\r\n\tb@example.org", [Mailbox("a", "b", "A"), Mailbox("b", "example.org")]),
        ("Pete(A \\) chap) <pete(his account)@silly.test(his)>", [Mailbox("pete", "silly.test", "Pete")]),
        ("a@b", [Mailbox("a", "b")]),
    ],
)  # fmt: skip
def test_what_the_grammar_allows_is_read(text: str, boxes: list[Mailbox]) -> None:
    assert list(parse_mailbox_list(text)) == boxes
    assert list(parse_mailbox_list(text.encode())) == boxes


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "a@",
        "@example.com",
        "a@@example.com",
        "a@b@example.com",
        "a@example.com@evil.example",
        "a@example.com b@example.org",
        "a@example.com <b@example.org>",
        "<a@example.com> b",
        "<a@example.com> <b@example.org>",
        "A <a@example.com",
        "A a@example.com>",
        "a@example.com,",
        ",a@example.com",
        "a@example.com,,b@example.org",
        "a@example.com;b@example.org",
        "friends: a@example.com, b@example.org;",
        "undisclosed-recipients:;",
        "a..b@example.com",
        ".a@example.com",
        "a.@example.com",
        '"a".b@example.com',
        'a."b"@example.com',
        "a b@example.com",
        "a@exam ple.com",
        "a@example..com",
        "a@.example.com",
        "a@example.com.",
        "a@-example.com",
        "a@example_1.com",
        "a@[192.0.2.1]",
        "a@exämple.com",
        "ä@example.com",
        '"a@example.com',
        "(a@example.com",
        "a@example.com)",
        '""@example.com',
        "<@relay.example:a@example.com>",
        "A <a@example.com\r\n>x",
        "a\r\n@example.com",
        "a@example.com\r\nBcc: b@example.org",
        "a@example.com\nb@example.org",
        '"a\r\nb" <a@example.com>',
        '"a\0b" <a@example.com>',
        "a\0@example.com",
        "a@example.com\x0b",
        "a\x85 <a@example.com>",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "a@" + "b." * 130 + "com",
        "(" * 30 + ")" * 30 + "a@example.com",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused):
        parse_mailbox_list(text)


def test_octets_that_are_no_text_are_refused() -> None:
    with pytest.raises(AddressRefused):
        parse_mailbox_list(b"\xff <a@example.com>")


@pytest.mark.parametrize("local", ["a", "a.b", "a b", 'a"b', "a\\b", ".a", "a@b"])
def test_an_address_written_out_is_read_back_as_the_same(local: str) -> None:
    box = Mailbox(local, "example.com")
    assert parse_mailbox_list(str(box)) == (box,)


def test_quoted_string_escapes_what_would_end_it() -> None:
    assert quoted_string('a"\\') == '"a\\"\\\\"'


def message_with(header: str) -> bytes:
    return header.encode() + b"\r\n\r\nbody\r\n"


def test_the_author_is_the_one_mailbox_of_the_one_from_field() -> None:
    raw = message_with("Sender: x@example.org\r\nfRoM:\r\n A <a@Example.com>\r\nReply-To: y@example.net")
    assert from_mailbox(parse_message(raw)) == Mailbox("a", "example.com", "A")


@pytest.mark.parametrize(
    "header",
    [
        "To: a@example.com",
        "From: a@example.com\r\nFrom: a@example.com",
        "From: a@example.com, b@example.com",
        "From:",
        "From: a",
    ],
)
def test_a_message_has_no_author_otherwise(header: str) -> None:
    with pytest.raises(AddressRefused):
        from_mailbox(parse_message(message_with(header)))


@pytest.mark.parametrize("piece", ["(", "()", "a ", '"" ', "a.", "a@b,", "\\", '"', "<", "a(b)"])
def test_hostile_lists_cost_one_pass(piece: str) -> None:
    started = time.perf_counter()
    with pytest.raises(AddressRefused):
        parse_mailbox_list(piece * (60_000 // len(piece)))
    assert time.perf_counter() - started < 10
