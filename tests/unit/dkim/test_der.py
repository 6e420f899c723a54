"""The walk over DER: enough of it to know what a key file is."""

import os

import pytest

from mailseal.dkim.der import Form, parse_rsa_public_bits, parse_shape
from mailseal.dkim.keys import PrivateKey


def test_the_bits_of_a_public_key_are_read_without_loading_it(key: PrivateKey, short_key: PrivateKey) -> None:
    assert (parse_rsa_public_bits(key.spki), parse_rsa_public_bits(short_key.spki)) == (2048, 1024)


def test_what_is_no_rsa_public_key_has_no_bits(key: PrivateKey) -> None:
    for wrong in (b"", b"\x30", key.spki[:-1], key.spki + b"\0", key.spki[24:], key.to_pkcs8()):
        assert parse_rsa_public_bits(wrong) == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x05abcde",
        b"\x30\x81\x09\x02\x01\x00\x02\x01\x05\x02\x01\x05",
        b"\x30\x82\x00\x09\x02\x01\x00\x02\x01\x05\x02\x01\x05",
        b"\x30\x82\x00\x85" + bytes(0x85),
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x02\x01\x00",
        b"\x30\x03\x02\x05\x00",
    ],
)
def test_lengths_that_der_forbids_make_no_document(octets: bytes) -> None:
    assert parse_shape(octets).form is Form.UNKNOWN


def test_the_same_numbers_in_the_shortest_form_are_a_document() -> None:
    assert parse_shape(b"\x30\x09\x02\x01\x00\x02\x01\x05\x02\x01\x05").form is Form.PKCS1


def test_no_octets_make_it_raise() -> None:
    for _ in range(3000):
        octets = b"\x30\x1e" + bytes(value & 0x3F for value in os.urandom(30))
        parse_shape(octets)
        parse_rsa_public_bits(octets)
