"""What holds for every message: it is cut without loss, signed and verified, in pieces or whole."""

import base64
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailseal.dkim.canonicalization import (
    BodyHasher,
    Canonicalization,
    body_hash,
    canonical_body,
    relaxed_field,
    relaxed_fields,
    simple_body,
)
from mailseal.dkim.der import parse_rsa_public_bits, parse_shape
from mailseal.dkim.keyrecord import (
    KeyRecordError,
    character_strings,
    format_key_record,
    judge_byodkim,
    parse_key_record,
)
from mailseal.dkim.keys import (
    KeyRefused,
    PrivateKey,
    decode_ses_private_key,
    generate_private_key,
    load_private_key,
)
from mailseal.dkim.message import MessageRefused, parse_message, with_final_crlf
from mailseal.dkim.sign import Signer, SignOptions, sign
from mailseal.dkim.signature import SignatureError, parse_signature
from mailseal.dkim.taglist import TagListError, parse_tag_list
from mailseal.dkim.verify import KeyFound, Result, verify
from tests.properties.messages import bodies, messages

KEY: PrivateKey = generate_private_key(1024)
SIGNER = Signer("example.com", "selector", KEY.sign_digest, 128)
KEY_TEXTS = KeyFound((format_key_record(KEY.spki),))
QUICK = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
AT = 1_700_000_000


@QUICK
@given(messages())
def test_a_message_put_together_again_is_the_message(raw: bytes) -> None:
    message = parse_message(raw)
    assert b"".join(field.raw for field in message.fields) + b"\r\n" + bytes(message.body) == raw
    assert all(field.name + b":" + field.value + b"\r\n" == field.raw for field in message.fields)


@QUICK
@given(messages(), st.sampled_from(Canonicalization), st.sampled_from(Canonicalization), st.booleans())
def test_what_we_sign_verifies(
    raw: bytes, header: Canonicalization, body: Canonicalization, left_open: bool
) -> None:
    later = frozenset((b"date", b"message-id") if left_open else ())
    options = SignOptions(header=header, body=body, added_later=later)
    field = sign(parse_message(raw), [SIGNER, SIGNER], AT, options=options)
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    found = verify(parse_message(field + raw), lambda name: KEY_TEXTS, now=AT)
    assert [each.result for each in found] == [Result.PASS, Result.PASS]


@QUICK
@given(messages(), st.data())
def test_another_octet_anywhere_in_the_body_is_noticed(raw: bytes, data: st.DataObject) -> None:
    message = parse_message(raw)
    if len(message.body) < 3:
        return
    field = sign(message, [SIGNER], AT)
    at = data.draw(st.integers(len(raw) - len(message.body), len(raw) - 3))
    if raw[at : at + 1] in b"\r\n":
        return
    changed = raw[:at] + (b"~" if raw[at : at + 1] != b"~" else b"#") + raw[at + 1 :]
    found = verify(parse_message(field + changed), lambda name: KEY_TEXTS)
    assert [each.result for each in found] == [Result.FAIL]


@QUICK
@given(bodies(), st.lists(st.integers(0, 2000)), st.sampled_from(Canonicalization), st.booleans())
def test_a_body_hash_does_not_depend_on_the_pieces(
    body: bytes, cuts: list[int], how: Canonicalization, ended: bool
) -> None:
    body = body if ended else body[:-2]
    hasher = BodyHasher(how)
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    for start, stop in pairwise(places):
        hasher.update(body[start:stop])
    assert hasher.digest() == body_hash(memoryview(body), how)


@QUICK
@given(bodies(), st.sampled_from(Canonicalization))
def test_a_canonical_body_is_canonical(body: bytes, how: Canonicalization) -> None:
    once = canonical_body(body, how)
    assert canonical_body(once, how) == once
    assert body_hash(once, how) == body_hash(body, how)
    assert bytes(simple_body(body)).endswith(b"\r\n")


@QUICK
@given(
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\r\n\t", b"\xa0", b"\x85", b"\x1c"])).map(
        b"".join
    )
)
def test_the_fast_relaxed_form_is_the_plain_one(value: bytes) -> None:
    expected = b"x:" + _relaxed_by_the_letter(value)
    assert relaxed_fields([(b"X:" + value + b"\r\n", b"x", b"X")]) == [expected]
    assert relaxed_field(b"X", value) == expected


def _relaxed_by_the_letter(value: bytes) -> bytes:
    """RFC 6376 §3.4.2 step by step, octet by octet."""
    result = bytearray()
    for octet in value.replace(b"\r\n", b""):
        if octet in b" \t" and result.endswith(b" "):
            continue
        result.append(32 if octet in b" \t" else octet)
    return bytes(result).strip(b" ")


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"From: a", b"\r\n", b"\r", b"\n", b" ", b":", b"x", b"\0", b"To", b"\xff"])
    ).map(b"".join)
)
@example(b"")
def test_any_octets_are_a_message_or_refused(raw: bytes) -> None:
    try:
        message = parse_message(raw)
    except MessageRefused:
        return
    assert b"".join(field.raw for field in message.fields) + b"\r\n" + bytes(message.body) == raw
    assert parse_message(with_final_crlf(raw)).fields == message.fields


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=80), st.text("abdhips=;: \r\n\t/+", max_size=60).map(str.encode)))
def test_any_octets_are_a_list_a_record_a_signature_or_refused_by_their_own_exception(octets: bytes) -> None:
    for parse, refusal in (
        (parse_tag_list, TagListError),
        (parse_key_record, KeyRecordError),
        (parse_signature, SignatureError),
        (load_private_key, KeyRefused),
    ):
        with suppress(refusal):
            parse(octets)
    judge_byodkim(octets)
    parse_shape(octets)
    parse_rsa_public_bits(octets)


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=60), st.binary(max_size=60).map(lambda octets: base64.b64encode(octets).decode())
    )
)
def test_any_text_is_no_key_member_and_says_so(text: str) -> None:
    with pytest.raises(KeyRefused) as refusal:
        decode_ses_private_key(text)
    assert refusal.value.code


@given(st.binary(max_size=1200))
def test_character_strings_join_to_the_value(value: bytes) -> None:
    strings = character_strings(value)
    assert b"".join(strings) == value
    assert all(len(text) <= 255 for text in strings)
