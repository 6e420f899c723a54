"""The two canonical forms, against the RFC's examples and at the edges where implementations differ."""

import hashlib
import time

import pytest

from mailseal.dkim.canonicalization import (
    BodyHasher,
    Canonicalization,
    body_hash,
    canonical_body,
    canonical_field,
    relaxed_field,
    relaxed_fields,
    simple_body,
)

SIMPLE, RELAXED = Canonicalization.SIMPLE, Canonicalization.RELAXED

# RFC 6376 §3.4.5: name, raw, relaxed
EXAMPLE_FIELDS = [
    (b"A", b"A: X\r\n", b"a:X"),
    (b"B ", b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z"),
]


@pytest.mark.parametrize(("name", "raw", "relaxed"), EXAMPLE_FIELDS)
def test_the_rfcs_fields_canonicalize_as_printed(name: bytes, raw: bytes, relaxed: bytes) -> None:
    assert canonical_field(name, raw, RELAXED) == relaxed
    assert canonical_field(name, raw, SIMPLE) + b"\r\n" == raw


def test_the_rfcs_body_canonicalizes_as_printed() -> None:
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert canonical_body(body, RELAXED) == b" C\r\nD E\r\n"
    assert canonical_body(body, SIMPLE) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("value", "relaxed"),
    [
        (b"", b"x:"),
        (b" ", b"x:"),
        (b"\r\n\ta", b"x:a"),
        (b" a\x0bb ", b"x:a\x0bb"),
        (b"\x0c a", b"x:\x0c a"),
        (b" a \x0b\x0c  b", b"x:a \x0b\x0c b"),
        (b"a\xc2\xa0 b", b"x:a\xc2\xa0 b"),
    ],
)
def test_only_space_and_tab_are_blanks_in_a_relaxed_field(value: bytes, relaxed: bytes) -> None:
    assert relaxed_field(b"X", value) == relaxed


def test_the_fast_form_of_many_fields_is_the_form_of_each() -> None:
    fields = [(b"A: X \r\n", b"a", b"A"), (b"Bc:\r\n\t Y\tZ\r\n", b"bc", b"Bc"), (b"D:\r\n", b"d", b"D")]
    assert relaxed_fields(fields) == [relaxed_field(name, raw[len(name) + 1 : -2]) for raw, _, name in fields]


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n" * 5000, b"\r\n", b""),
        (b" \r\n", b" \r\n", b""),
        (b" ", b" \r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r\n\r\n", b"a\r\n", b"a\r\n"),
        (b"a" + b"\r\n" * 5000, b"a\r\n", b"a\r\n"),
        (b"a\r\n \r\n\t\r\n", b"a\r\n \r\n\t\r\n", b"a\r\n"),
        (b"\r\n\r\na\t \tb  \r\n", b"\r\n\r\na\t \tb  \r\n", b"\r\n\r\na b\r\n"),
        (b"a\x0b \x0c\r\n", b"a\x0b \x0c\r\n", b"a\x0b \x0c\r\n"),
        (b"a \r\nb", b"a \r\nb\r\n", b"a\r\nb\r\n"),
    ],
)
def test_bodies_at_the_edges(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert bytes(simple_body(memoryview(body))) == simple
    assert canonical_body(memoryview(body), RELAXED) == relaxed
    assert body_hash(memoryview(body), SIMPLE) == hashlib.sha256(simple).digest()
    assert body_hash(memoryview(body), RELAXED) == hashlib.sha256(relaxed).digest()


@pytest.mark.parametrize("tail", range(4085, 4110))
def test_trailing_lines_are_found_across_the_steps_by_which_the_tail_is_read(tail: int) -> None:
    body = b"x" + b"\r\n" * tail
    assert bytes(simple_body(body)) == b"x\r\n"


@pytest.mark.parametrize("how", list(Canonicalization))
def test_a_body_cut_at_any_octet_has_the_same_hash(how: Canonicalization) -> None:
    body = b" a  b\t\r\n\r\n \r\nc\r\n\t \r\n\r\nlast  line \r\n\r\n \r\n\r\n"
    whole = body_hash(body, how)
    for at in range(len(body) + 1):
        hasher = BodyHasher(how)
        hasher.update(body[:at])
        hasher.update(body[at:])
        assert hasher.digest() == whole
    hasher = BodyHasher(how)
    for octet in body:
        hasher.update(bytes([octet]))
    assert hasher.digest() == whole


@pytest.mark.parametrize(
    "body", [b" " * 2_000_000, b" \t" * 1_000_000 + b"x\r\n", b" \r\n" * 600_000, b"\r\n" * 900_000 + b"x"]
)
def test_long_runs_of_blanks_cost_no_more_than_their_length(body: bytes) -> None:
    started = time.perf_counter()
    for how in Canonicalization:
        body_hash(body, how)
    assert time.perf_counter() - started < 15
