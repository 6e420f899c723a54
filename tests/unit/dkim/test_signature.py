"""The DKIM-Signature field: built, folded and read back."""

import pytest

from mailseal.dkim.canonicalization import Canonicalization, canonical_field
from mailseal.dkim.signature import (
    SignatureError,
    canonical_unsigned,
    format_head,
    format_names,
    format_unsigned,
    format_value,
    parse_signature,
    without_signature_value,
)

NAMES = (
    b"From",
    b"To",
    b"Subject",
    b"MIME-Version",
    b"Content-Type",
    b"Message-ID",
    b"Date",
    b"List-Unsubscribe",
)


def built(selector: str = "sel", sdid: str = "example.com", expires_at: int | None = 2) -> bytes:
    head = format_head(selector, sdid, "relaxed/simple", 1, expires_at)
    return format_unsigned(head, format_names(NAMES), bytes(32)) + format_value(bytes(range(256)))


def test_what_is_built_is_read_back() -> None:
    signature = parse_signature(built().partition(b":")[2].removesuffix(b"\r\n"))
    assert (signature.sdid, signature.auid, signature.selector) == ("example.com", "@example.com", "sel")
    assert signature.header_names == NAMES
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("relaxed", "simple")
    assert (signature.body_hash, signature.signature) == (bytes(32), bytes(range(256)))
    assert (signature.signed_at, signature.expires_at, signature.body_length) == (1, 2, None)


@pytest.mark.parametrize("how", list(Canonicalization))
@pytest.mark.parametrize("selector", ["s", "s" * 32, "s" * 63])
@pytest.mark.parametrize("sdid", ["a.example", "very.long.sub.domain.of.a.company.example.com"])
def test_the_cheap_canonical_form_is_the_form_of_the_field(
    how: Canonicalization, selector: str, sdid: str
) -> None:
    field = built(selector, sdid)
    unsigned = without_signature_value(field)
    assert canonical_unsigned(unsigned[:-2], how) == canonical_field(b"DKIM-Signature", unsigned, how)


@pytest.mark.parametrize("count", range(1, 40))
def test_names_fold_within_the_line_and_join_to_the_list(count: int) -> None:
    names = [b"X-%d-" % number + b"n" * (number * 7 % 50) for number in range(count)]
    folded = format_names(names)
    assert folded.replace(b"\r\n\t", b"").split(b":") == names
    lines = (b"h=" + folded + b";").split(b"\r\n\t")
    assert all(len(line) < 78 for line in lines)


def test_a_name_longer_than_a_line_is_left_whole() -> None:
    assert format_names([b"x" * 100, b"y"]) == b"x" * 100 + b":y"


def test_without_x_the_field_has_none() -> None:
    assert b"x=" not in built(expires_at=None).partition(b"h=")[0]


@pytest.mark.parametrize(
    ("raw", "without"),
    [
        (b"DKIM-Signature: v=1; b=abc; d=x\r\n", b"DKIM-Signature: v=1; b=; d=x\r\n"),
        (b"DKIM-Signature: b=abc; d=x\r\n", b"DKIM-Signature: b=; d=x\r\n"),
        (
            b"DKIM-Signature: bh=abc;\r\n b\r\n =\r\n a\r\n b ;d=x\r\n",
            b"DKIM-Signature: bh=abc;\r\n b\r\n =;d=x\r\n",
        ),
        (b"DKIM-Signature: v=1; bh=b=; b= a b \r\n", b"DKIM-Signature: v=1; bh=b=; b=\r\n"),
        (b"DKIM-Signature: v=1; h=b:b; b=YQ==\r\n", b"DKIM-Signature: v=1; h=b:b; b=\r\n"),
    ],
)
def test_only_the_value_of_b_is_taken_out(raw: bytes, without: bytes) -> None:
    assert without_signature_value(raw) == without


@pytest.mark.parametrize("value", [b"", b"v=1", b"hello", b"v=1; a=rsa-sha256; b=; bh=; d=x; h=from; s=y"])
def test_a_field_without_its_tags_is_refused(value: bytes) -> None:
    with pytest.raises(SignatureError):
        parse_signature(value)
