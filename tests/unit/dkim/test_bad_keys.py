"""Four hundred keys that must not be taken: each is refused for what is wrong with it, soon, in silence."""

from __future__ import annotations

import base64
import time
from collections import Counter

import pytest

from mailseal.dkim.keys import KeyRefused, PrivateKey, decode_ses_private_key, load_private_key
from tests.unit.dkim.bad_keys import BadKey, bad_keys

BAD = bad_keys()

# What a sentence has to say, whatever else it does.
SENTENCES = {
    "bad_exponent": "public exponent is not 65537",
    "broken_pem": "The PEM text is damaged",
    "certificate": "This is a certificate",
    "close_primes": "primes are too close",
    "double_base64": "encoded as base64 twice",
    "empty": "is empty",
    "encrypted": "protected by a passphrase",
    "inconsistent": "do not belong together",
    "line_breaks": "has line breaks or blanks",
    "many_pem_blocks": "more than one block",
    "multi_prime": "more than two primes",
    "not_a_key": "neither a PKCS#1 nor a PKCS#8",
    "not_base64": "is not base64 in one line",
    "not_rsa": "is not an RSA key",
    "openssh": "This is an OpenSSH key",
    "pem_text": "This is PEM text",
    "public_key": "This is a public key",
    "roca": "ROCA",
    "small_factor": "small prime factor",
    "too_long": "SES and Mailseal take 1024 to 2048",
    "too_short": "SES and Mailseal take 1024 to 2048",
    "trailing_bytes": "More bytes follow",
    "uneven_primes": "much shorter than the other",
    "url_safe_base64": "URL-safe alphabet",
}


def load(material: bytes | str) -> PrivateKey:
    """The key in a file, or in SES's member."""
    return load_private_key(decode_ses_private_key(material) if isinstance(material, str) else material)


def refusal_of(bad: BadKey) -> KeyRefused:
    """Why it was refused; fails where it was not."""
    with pytest.raises(KeyRefused) as refused:
        load(bad.material)
    return refused.value


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.label)
def test_a_bad_key_is_refused_for_what_is_wrong_with_it(bad: BadKey) -> None:
    refused = refusal_of(bad)
    assert refused.code == bad.code
    assert SENTENCES[bad.code] in str(refused)


def test_there_are_four_hundred_and_every_reason_is_among_them() -> None:
    counted = Counter(bad.code for bad in BAD)
    assert len(BAD) >= 400
    assert set(counted) == set(SENTENCES)


def test_no_refusal_holds_anything_of_its_key() -> None:
    for bad in BAD:
        told = str(refusal_of(bad))
        octets = bad.material.encode() if isinstance(bad.material, str) else bad.material
        for shown in (octets, base64.b64encode(octets), octets.hex().encode()):
            runs = {shown[at : at + 12] for at in range(64, len(shown) - 12)}
            assert not any(told.encode()[at : at + 12] in runs for at in range(len(told) - 12)), bad.label


def test_no_bad_key_keeps_the_machine_busy() -> None:
    slow = []
    for bad in BAD:
        began = time.process_time()
        refusal_of(bad)
        if time.process_time() - began > 0.5:
            slow.append(bad.label)
    assert slow == []
