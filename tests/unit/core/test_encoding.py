"""Text made 7-bit: whatever goes in comes out again, in lines that nothing on the way alters."""

import base64
import binascii
import quopri
import re
import time
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.encoding import (
    base64_lines,
    encode_body,
    encode_text,
    encoded_words,
    header_field,
    known_charset,
    quoted_printable,
)
from mailseal.dkim.message import MessageRefused

LINES = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.binary(min_size=60, max_size=90),
        st.sampled_from([b"From x", b".", b" ", b"=", b"x" * 73]),
    )
)
TEXT = LINES.map(lambda lines: b"".join(line.translate(None, b"\r\n") + b"\r\n" for line in lines))


@given(TEXT)
def test_quoted_printable_is_read_back_as_it_was(octets: bytes) -> None:
    encoded = quoted_printable(octets)
    assert quopri.decodestring(encoded) == octets
    assert re.fullmatch(rb"(?:[\t -~]{0,76}\r\n)*", encoded)


@given(TEXT)
def test_no_line_of_quoted_printable_invites_a_change(octets: bytes) -> None:
    for line in quoted_printable(octets).split(b"\r\n"):
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@given(st.binary(max_size=500))
def test_base64_is_read_back_as_it_was(octets: bytes) -> None:
    encoded = base64_lines(octets)
    assert binascii.a2b_base64(encoded) == octets
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))


@given(TEXT)
def test_a_body_in_any_encoding_is_the_same_text(octets: bytes) -> None:
    how, body = encode_body(octets, avoid=b"=_boundary")
    decoders = {"7bit": bytes, "quoted-printable": quopri.decodestring, "base64": base64.decodebytes}
    assert decoders[how](body) == (octets or b"\r\n")
    assert body.endswith(b"\r\n")
    assert b"=_boundary" not in body
    assert body.isascii()


@pytest.mark.parametrize(
    ("octets", "how"),
    [
        (b"hello\r\n", "7bit"),
        (b"x" * 76 + b"\r\n", "7bit"),
        (b"x" * 77 + b"\r\n", "quoted-printable"),
        (b"From x\r\n", "quoted-printable"),
        (b"a\r\n.\r\n", "quoted-printable"),
        (b"a \r\n", "quoted-printable"),
        (b"a\x1b\r\n" * 9, "base64"),
        ("é".encode() + b"e" * 40 + b"\r\n", "quoted-printable"),
        ("日本語".encode() * 40 + b"\r\n", "base64"),
        (b"--=_boundary\r\n", "quoted-printable"),
    ],
)
def test_the_plainest_encoding_that_survives_is_taken(octets: bytes, how: str) -> None:
    assert encode_body(octets, avoid=b"=_boundary")[0] == how


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.integers(0, 60))
def test_encoded_words_say_the_text_and_are_short(text: str, taken: int) -> None:
    words = encoded_words(text, taken=taken).split(" ")
    assert all(len(word) <= 75 for word in words)
    assert len(words[0]) + taken <= 76 or taken > 40
    for word in words:
        word_text = base64.b64decode(word.split("?")[3]).decode()  # no character is cut in two
        assert word_text
    assert str(make_header(decode_header(" ".join(words)))) == text


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300))
def test_a_header_field_is_one_field_whatever_its_text(text: str) -> None:
    try:
        field = header_field("Subject", text)
    except MessageRefused:
        return
    assert field.isascii()
    assert re.fullmatch(rb"Subject:[ -~]*\r\n(?: [ -~]*[!-~][ -~]*\r\n)*", field)


def test_a_charset_has_to_contain_ascii() -> None:
    for name in ("UTF-8", "us-ascii", "ISO-8859-1", "Shift_JIS", "GB18030", "EUC-KR", "Big5", "KOI8-R"):
        assert known_charset(name) == name
    for name in (
        "UTF-16",
        "UTF-32",
        "UTF-7",
        "cp037",
        "punycode",
        "idna",
        "unicode_escape",
        "raw_unicode_escape",
    ):
        with pytest.raises(MessageRefused):
            known_charset(name)


def test_line_ends_of_every_kind_become_those_of_mail() -> None:
    assert encode_text("a\nb\r\nc\rd\n\r", "UTF-8", "The body") == b"a\r\nb\r\nc\r\nd\r\n\r\n"


def test_a_megabyte_is_encoded_in_time() -> None:
    started = time.perf_counter()
    encode_body(("é" + "e" * 20 + " ").encode() * 50_000, avoid=b"=_b")
    encode_body(b"x" * 1_000_000, avoid=b"=_b")
    assert time.perf_counter() - started < 30  # quadratic work would take minutes
