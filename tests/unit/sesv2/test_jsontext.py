"""Hostile JSON: refused by name, never crashed on, never read in another way than a strict reader would."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailseal.sesv2.errors import SerializationFailed
from mailseal.sesv2.jsontext import DEEPEST, parse_json

HOSTILE = {
    "a key twice": b'{"a":1,"a":2}',
    "a key twice, once escaped": b'{"a":1,"\\u0061":2}',
    "a key twice, deep": b'{"b":[{"c":{"a":1,"a":1}}]}',
    "not a number": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus infinity": b"[-Infinity]",
    "half a pair, high": b'{"a":"\\ud800"}',
    "half a pair, low": b'{"a":"\\udc00"}',
    "half a pair, high and a letter": b'{"a":"\\ud800x12345"}',
    "two high halves": b'{"a":"\\ud800\\ud800"}',
    "half a pair as UTF-8": b'{"a":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "Latin-1": b'{"a":"\xe9"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "100,000 lists": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "33 deep": b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    "a comma too many": b'{"a":1,}',
    "a comment": b'{"a":1}//',
    "single quotes": b"{'a':1}",
    "a bare word": b"true false",
    "two values": b"{}{}",
    "a control character": b'{"a":"\x00"}',
    "a line end in a string": b'{"a":"\n"}',
    "a bad escape": b'{"a":"\\x41"}',
    "an open string": b'{"a":"',
    "an escape at the end": b'{"a":"\\',
    "blank": b"   ",
    "a form": b"EmailIdentity=example.com&Action=x",
    "XML": b"<a/>",
    "leading zero": b'{"a":01}',
    "a huge exponent": b'{"a":1e999999}',
    "5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_is_a_serialization_failure(kind: str) -> None:
    with pytest.raises(SerializationFailed):
        parse_json(HOSTILE[kind])


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"x:y","b":{"c":[1,{"d":"{[:"}]}}',
        b'{"a":"\\"::\\\\","b\\"":1}',
        b'{"\\\\":1,"\\\\\\"":2}',
        b'{"a":"\\ud83d\\ude00","b":"\xf0\x9f\x98\x80"}',
        b' { "a" : [ ] , "b" : { } , "c" : null } ',
        b"[" * DEEPEST + b"]" * DEEPEST,
        b'["' + b"[" * 100 + b'"]',
        b"0",
        b'""',
    ],
)
def test_plain_json_is_read_as_any_reader_would(text: bytes) -> None:
    assert parse_json(text) == json.loads(text)


def test_an_empty_body_is_an_object_without_members() -> None:
    assert parse_json(b"") == {}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(value=values, ascii_only=st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_a_writer_writes_is_read_back(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        wire = text.encode()
    except UnicodeEncodeError:
        return
    if any("\ud800" <= character <= "\udfff" for character in str(value)):
        return
    assert parse_json(wire) == value


@given(junk=st.binary(max_size=60) | st.text('{}[]":,\\u0ad8 1-.eEntrfals', max_size=40).map(str.encode))
@settings(max_examples=500, deadline=None)
def test_junk_is_refused_or_read_but_never_crashes(junk: bytes) -> None:
    try:
        value = parse_json(junk)
    except SerializationFailed:
        return
    assert value == {} if not junk else json.loads(junk) == value


@pytest.mark.parametrize("inside", [b"A" * 2**24, b"\\/" * 2**23, b'\\"' * 2**22])
def test_a_large_message_is_looked_through_in_bounded_time(inside: bytes) -> None:
    began = time.process_time()
    assert parse_json(b'{"a":"' + inside + b'"}')
    assert time.process_time() - began < 5
