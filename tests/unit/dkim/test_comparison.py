"""Where a message differs from what was sent, in the eyes of its signature."""

from __future__ import annotations

import pytest

from mailseal.dkim.comparison import Difference, compare
from mailseal.dkim.keys import PrivateKey
from mailseal.dkim.message import parse_message
from mailseal.dkim.sign import Signer, sign
from mailseal.dkim.signature import parse_signature

SENT = b"From: a@example.com\r\nSubject: one\r\nX-Mailer: x\r\n\r\nfirst\r\nsecond\r\nthird\r\n"


def differences(old: bytes, new: bytes, key: PrivateKey) -> tuple[Difference, ...]:
    field = sign(parse_message(SENT), [Signer("example.com", "s", key.sign_digest, 256)], 1_700_000_000)
    message = parse_message(field + SENT.replace(old, new))
    return compare(message, parse_message(SENT), parse_signature(message.fields[0].value))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"second", b"secund", Difference(b"second", b"secund", "", 2, 4)),
        (b"second\r\n", b"", Difference(b"second", None, "", 2, 1)),
        (b"third\r\n", b"third\r\nfourth\r\n", Difference(None, b"fourth", "", 4, 1)),
        (b"one", b"two", Difference(b"subject:one", b"subject:two", "Subject", 0, 9)),
        (b"Subject: one\r\n", b"", Difference(b"subject:one", None, "Subject", 0, 1)),
    ],
)
def test_the_one_place_that_differs_is_shown(
    old: bytes, new: bytes, wanted: Difference, key: PrivateKey
) -> None:
    assert differences(old, new, key) == (wanted,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Mailer: x", b"X-Mailer: y"),
        (b"Subject: one", b"SUBJECT:  one"),
        (b"third\r\n", b"third\r\n\r\n\r\n"),
    ],
)
def test_what_no_signature_sees_is_no_difference(old: bytes, new: bytes, key: PrivateKey) -> None:
    assert differences(old, new, key) == ()


def test_a_second_field_of_an_oversigned_name_is_a_difference(key: PrivateKey) -> None:
    found = differences(b"Subject: one", b"Subject: one\r\nSubject: two", key)
    assert {each.field for each in found} == {"Subject"}
