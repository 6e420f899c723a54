"""A message that comes in pieces is signed as the whole one is, and refused where the whole one is."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.keys import generate_private_key
from mailseal.dkim.message import MAX_HEADER_BYTES, MessageRefused, parse_message
from mailseal.dkim.reader import MessageReader
from mailseal.dkim.sign import Signer, SignOptions, prepare, prepare_read, sign
from tests.properties.messages import messages

KEY = generate_private_key(1024)
SIGNER = Signer("example.com", "selector", KEY.sign_digest, 128)
AT = 1_700_000_000
QUICK = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
HEAD = b"From: a@example.com\r\nSubject: x\r\n\r\n"
SPOILERS = st.sampled_from((b"\r", b"\n", b"\0", b"\r\n\r\n", b"\r\r\n", b"\n\r", b"x" * 999, b" \r\n"))


def pieces_of(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    return [raw[start:stop] for start, stop in pairwise(places)]


def outcome_of_whole(raw: bytes, form: Canonicalization) -> bytes | str:
    try:
        return sign(parse_message(raw), [SIGNER], AT, options=SignOptions(body=form))
    except MessageRefused:
        return "refused"


def outcome_of_pieces(pieces: list[bytes], form: Canonicalization) -> bytes | str:
    reader = MessageReader(form)
    try:
        for piece in pieces:
            reader.update(piece)
        made = prepare_read(reader.finish(), [SIGNER], AT)
    except MessageRefused:
        return "refused"
    return b"".join(one.signed(KEY.sign_digest(one.data_hash)) for one in made)


@QUICK
@given(messages(), st.lists(st.integers(0, 1 << 20), max_size=30), st.sampled_from(Canonicalization))
def test_a_signature_does_not_depend_on_how_the_message_was_cut(
    raw: bytes, cuts: list[int], form: Canonicalization
) -> None:
    whole = outcome_of_whole(raw, form)
    assert whole != "refused"
    assert outcome_of_pieces(pieces_of(raw, cuts), form) == whole


@QUICK
@given(messages(), SPOILERS, st.integers(0, 1 << 20), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_what_is_refused_whole_is_refused_in_pieces_and_nothing_else(
    raw: bytes, spoiler: bytes, at: int, cuts: list[int]
) -> None:
    place = at % (len(raw) + 1)
    spoiled = raw[:place] + spoiler + raw[place:]
    assert outcome_of_pieces(pieces_of(spoiled, cuts), Canonicalization.SIMPLE) == outcome_of_whole(
        spoiled, Canonicalization.SIMPLE
    )


@pytest.mark.parametrize("form", Canonicalization)
def test_every_single_cut_gives_the_same_signature(form: Canonicalization) -> None:
    raw = HEAD + b"a \t b\r\n \r\n\r\nend  \r\n\r\n\t\r\n\r\n\r\n"
    whole = outcome_of_whole(raw, form)
    for cut in range(len(raw) + 1):
        assert outcome_of_pieces([raw[:cut], raw[cut:]], form) == whole
    assert outcome_of_pieces([raw[at : at + 1] for at in range(len(raw))], form) == whole


@pytest.mark.parametrize("form", Canonicalization)
def test_a_large_message_in_pieces_of_any_size_gives_the_same_signature(form: Canonicalization) -> None:
    chance = random.Random(6376)
    words = [b" ", b"  ", b"\t", b"word", b"x" * 60]
    ends = [b"\r\n", b" \r\n", b"\r\n\r\n"]
    lines = [b"".join(chance.choices(words, k=12)) + chance.choice(ends) for _ in range(4_000)]
    raw = HEAD + b"".join(lines)
    whole = outcome_of_whole(raw, form)
    assert whole != "refused"
    for largest in (40, 1000, 65536, 1 << 20):
        cuts = [chance.randrange(len(raw)) for _ in range(len(raw) // largest)]
        assert outcome_of_pieces(pieces_of(raw, cuts), form) == whole


@pytest.mark.parametrize(
    "raw",
    [
        b"X" * (MAX_HEADER_BYTES + 10),
        b"X: y\r\n" * (MAX_HEADER_BYTES // 6 + 10) + b"\r\nbody\r\n",
        b"From: a@example.com\r\n",
        HEAD + b"no end",
        HEAD + b"line\r",
        HEAD + b"z" * 5000,
        b"\r\nbody\r\n",
        b"",
    ],
)
def test_what_never_ends_is_refused_without_being_kept(raw: bytes) -> None:
    assert outcome_of_pieces([raw], Canonicalization.SIMPLE) == "refused"
    small = [raw[at : at + 4096] for at in range(0, len(raw), 4096)]
    assert outcome_of_pieces(small, Canonicalization.SIMPLE) == "refused"
    assert outcome_of_whole(raw, Canonicalization.SIMPLE) == "refused"


def test_the_readers_form_of_the_body_is_the_signatures() -> None:
    reader = MessageReader(Canonicalization.RELAXED)
    reader.update(HEAD + b"a  b\r\n")
    read = reader.finish()
    assert read.size == len(HEAD) + 6
    made = prepare_read(read, [SIGNER], AT)
    assert b"c=relaxed/relaxed;" in made[0].unsigned
    whole = prepare(parse_message(HEAD + b"a  b\r\n"), [SIGNER], AT, options=SignOptions(body=read.body_form))
    assert made == whole


def test_a_signature_of_the_wrong_length_is_not_put_into_a_field() -> None:
    made = prepare(parse_message(HEAD), [SIGNER], AT)
    with pytest.raises(ValueError, match="not as long"):
        made[0].signed(b"short")
