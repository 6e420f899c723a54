"""Verification: the RFCs' examples, and each reason for which a signature is not worth anything."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailseal.dkim.canonicalization import Canonicalization, body_hash, canonical_body, canonical_field
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import PrivateKey
from mailseal.dkim.message import Message, parse_message
from mailseal.dkim.sign import Signer, sign
from mailseal.dkim.verify import MAX_SIGNATURES, KeyAnswer, KeyFound, NoKey, Result, Verification, verify

VECTORS = Path(__file__).parents[2] / "vectors" / "dkim"
RFC_KEYS = json.loads((VECTORS / "rfc-keys.json").read_text())
AT = 1_700_000_000
RAW = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: x\r\n\r\nbody\r\n"


def found(*texts: bytes) -> Callable[[str], KeyAnswer]:
    return lambda name: KeyFound(texts)


def rfc_key(name: str) -> KeyAnswer:
    return KeyFound((RFC_KEYS[name].encode(),)) if name in RFC_KEYS else NoKey.NOT_FOUND


@pytest.fixture
def signed(key: PrivateKey) -> bytes:
    return sign(parse_message(RAW), [Signer("example.com", "sel", key.sign_digest, 256)], AT) + RAW


@pytest.fixture
def record(key: PrivateKey) -> bytes:
    return format_key_record(key.spki)


def one(raw: bytes, look_up: Callable[[str], KeyAnswer], now: int | None = AT) -> Verification:
    (verification,) = verify(parse_message(raw), look_up, now=now)
    return verification


def vector(name: str) -> Message:
    return parse_message((VECTORS / name).read_bytes())


def test_the_example_of_rfc_6376_passes() -> None:
    assert verify(vector("rfc6376-a2.eml"), rfc_key) == (
        Verification(Result.PASS, "good signature", "example.com", "brisbane"),
    )


def test_both_signatures_of_rfc_8463_pass() -> None:
    results = verify(vector("rfc8463-a3.eml"), rfc_key)
    assert [(each.result, each.selector) for each in results] == [
        (Result.PASS, "brisbane"),
        (Result.PASS, "test"),
    ]


@pytest.mark.parametrize("name", ["rfc6376-a2.eml", "rfc8463-a3.eml"])
@pytest.mark.parametrize(("old", "new"), [(b"Joe.", b"Jim."), (b"dinner", b"supper"), (b"d=", b"d=x.")])
def test_a_changed_example_does_not_pass(name: str, old: bytes, new: bytes) -> None:
    raw = (VECTORS / name).read_bytes().replace(old, new, 1)
    results = [each.result for each in verify(parse_message(raw), rfc_key)]
    assert results[0] in {Result.FAIL, Result.PERMERROR}


def test_a_message_without_a_signature_has_no_verification() -> None:
    assert verify(parse_message(RAW), found()) == ()


def test_a_dead_resolver_is_not_an_absent_record(signed: bytes) -> None:
    assert one(signed, lambda _: NoKey.UNAVAILABLE).result is Result.TEMPERROR
    assert one(signed, lambda _: NoKey.NOT_FOUND).result is Result.PERMERROR
    assert one(signed, found()).result is Result.PERMERROR


def test_the_key_is_asked_for_under_the_selector(signed: bytes, record: bytes) -> None:
    asked = []

    def look_up(name: str) -> KeyAnswer:
        asked.append(name)
        return KeyFound((record,))

    assert one(signed, look_up).result is Result.PASS
    assert asked == ["sel._domainkey.example.com"]


def test_a_signature_expires_at_x_and_not_before(signed: bytes, record: bytes) -> None:
    eight_days = 8 * 24 * 3600
    assert one(signed, found(record), AT + eight_days).result is Result.PASS
    assert one(signed, found(record), AT + eight_days + 1).result is Result.PERMERROR
    assert one(signed, found(record), None).result is Result.PASS


@pytest.mark.parametrize(
    ("before", "result"),
    [
        (b"", Result.PASS),
        (b"v=DKIM1; k=rsa; t=y; ", Result.PASS),
        (b"v=DKIM1; h=sha256:sha1; s=*; ", Result.PASS),
        (b"t=s; ", Result.PASS),
        (b"v=DKIM2; ", Result.PERMERROR),
        (b"k=ed25519; ", Result.PERMERROR),
        (b"h=sha1; ", Result.PERMERROR),
        (b"s=tlsrpt; ", Result.PERMERROR),
        (b"n=x; n=y; ", Result.PERMERROR),
    ],
)
def test_what_the_record_restricts_is_honoured(
    signed: bytes, record: bytes, before: bytes, result: Result
) -> None:
    assert one(signed, found(before + record)).result is result


def test_records_that_hold_no_one_key_are_permanent_errors(signed: bytes, record: bytes) -> None:
    assert one(signed, found(b"p=")).reason == "the key is revoked"
    assert one(signed, found(record, record)).result is Result.PERMERROR
    assert one(signed, found(b"p=QUJD")).result is Result.PERMERROR
    assert one(signed, found(b"v=spf1 -all")).result is Result.PERMERROR


def test_another_key_fails(signed: bytes, short_key: PrivateKey) -> None:
    assert one(signed, found(format_key_record(short_key.spki))).result is Result.FAIL


def signed_by(key: rsa.RSAPrivateKey) -> tuple[bytes, bytes]:
    trusted = PrivateKey(key)
    signer = Signer("example.com", "sel", trusted.sign_digest, trusted.bits // 8)
    return sign(parse_message(RAW), [signer], AT) + RAW, format_key_record(trusted.spki)


def test_a_key_longer_than_we_sign_with_verifies() -> None:
    raw, record = signed_by(rsa.generate_private_key(public_exponent=65537, key_size=3072))
    assert one(raw, found(record)).result is Result.PASS


@pytest.mark.parametrize(("bits", "allowed"), [(1016, False), (1024, True), (4096, True), (4104, False)])
def test_the_lengths_of_rfc_8301_decide(signed: bytes, bits: int, allowed: bool) -> None:
    public = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert one(signed, found(format_key_record(spki))).result is (Result.FAIL if allowed else Result.POLICY)


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (b"a=rsa-sha256", b"a=rsa-sha1", Result.POLICY),
        (b"a=rsa-sha256", b"a=rsa-sha512", Result.NEUTRAL),
        (b"a=rsa-sha256", b"a=ed25519-sha256", Result.PERMERROR),
        (b"v=1;", b"v=2;", Result.PERMERROR),
        (b"v=1; ", b"", Result.PERMERROR),
        (b"v=1; ", b"v=1;; ", Result.PERMERROR),
        (b"q=dns/txt", b"q=http", Result.PERMERROR),
        (b"c=relaxed/simple", b"c=loose/simple", Result.PERMERROR),
        (b"c=relaxed/simple", b"c=simple/simple", Result.FAIL),
        (b"c=relaxed/simple", b"c=relaxed", Result.FAIL),
        (b"d=example.com;", b"d=example.com; i=x@example.org;", Result.PERMERROR),
        (b"d=example.com;", b"d=example.com; i=x@notexample.com;", Result.PERMERROR),
        (b"d=example.com;", b"d=exa mple.com;", Result.PERMERROR),
        (b"d=example.com;", b"", Result.PERMERROR),
        (b"s=sel;", b"s=;", Result.PERMERROR),
        (b"t=1700000000", b"t=1800000000", Result.PERMERROR),
        (b"t=1700000000", b"t=1700691200", Result.PERMERROR),
        (b"t=1700000000", b"t=soon", Result.PERMERROR),
        (b"h=From:", b"h=", Result.FAIL),
        (b"h=From:To:Subject:\r\n\tFrom:To", b"h=To:Subject:\r\n\tTo", Result.PERMERROR),
        (b"bh=", b"bh=!", Result.PERMERROR),
        (b"bh=", b"bh=AA", Result.PERMERROR),
        (b"bh=", b"l=99; bh=", Result.PERMERROR),
        (b"bh=", b"l=2; bh=", Result.FAIL),
        (b"\tb=", b"\tb=A", Result.PERMERROR),
        (b"\tb=", b"\tb=AAAA", Result.FAIL),
    ],
)
def test_one_change_to_the_signature_field_at_a_time(
    signed: bytes, record: bytes, old: bytes, new: bytes, result: Result
) -> None:
    assert old in signed
    verification = one(signed.replace(old, new, 1), found(record))
    assert verification.result is result
    assert verification.reason


def test_a_second_from_is_not_hidden_by_the_signed_one(signed: bytes, record: bytes) -> None:
    assert (
        one(signed.replace(b"To: b", b"From: evil@example.net\r\nTo: b"), found(record)).result is Result.FAIL
    )


def test_signatures_beyond_the_limit_are_not_looked_at(signed: bytes, record: bytes) -> None:
    field = signed[: -len(RAW)]
    asked = []

    def look_up(name: str) -> KeyAnswer:
        asked.append(name)
        return KeyFound((record,))

    results = [each.result for each in verify(parse_message(field * 25 + RAW), look_up, now=AT)]
    assert results == [Result.PASS] * MAX_SIGNATURES + [Result.POLICY] * 5
    assert len(asked) == MAX_SIGNATURES


def handmade(tags: bytes, sign_it: Callable[[bytes], bytes], how: Canonicalization) -> bytes:
    """A signature over From alone, for what `sign` never makes."""
    unsigned = b"DKIM-Signature: v=1; d=example.com; s=sel; h=from; " + tags + b" b=\r\n"
    header = canonical_field(b"From", b"From: a@example.com\r\n", how) + b"\r\n"
    digest = hashlib.sha256(header + canonical_field(b"DKIM-Signature", unsigned, how)).digest()
    return unsigned[:-2] + base64.b64encode(sign_it(digest)) + b"\r\n" + RAW


@pytest.mark.parametrize("how", list(Canonicalization))
def test_a_signature_of_part_of_the_body_covers_that_part(
    key: PrivateKey, record: bytes, how: Canonicalization
) -> None:
    body = canonical_body(b"body\r\n", how)[:4]
    bh = base64.b64encode(hashlib.sha256(body).digest())
    raw = handmade(
        b"a=rsa-sha256; c=%b/%b; l=4; bh=%b;" % (how.encode(), how.encode(), bh), key.sign_digest, how
    )
    assert one(raw, found(record)).result is Result.PASS
    assert one(raw + b"added\r\n", found(record)).result is Result.PASS
    assert one(raw.replace(b"body", b"Body"), found(record)).result is Result.FAIL


def test_ed25519_signs_the_digest() -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    bh = base64.b64encode(body_hash(b"body\r\n", Canonicalization.SIMPLE))
    raw = handmade(b"a=ed25519-sha256; bh=%b;" % bh, private.sign, Canonicalization.SIMPLE)
    record = b"k=ed25519; p=" + base64.b64encode(public)
    assert one(raw, found(record)).result is Result.PASS
    assert one(raw, found(record[:-4])).result is Result.PERMERROR
    assert one(raw.replace(b"a@example.com", b"b@example.com", 1), found(record)).result is Result.FAIL


def test_the_place_of_b_in_the_field_does_not_matter(key: PrivateKey, record: bytes) -> None:
    how = Canonicalization.SIMPLE
    bh = base64.b64encode(body_hash(b"body\r\n", how))
    raw = handmade(b"a=rsa-sha256; bh=%b;" % bh, key.sign_digest, how)
    assert one(raw, found(record)).result is Result.PASS
    folded = raw.replace(b" b=", b" b=\r\n ", 1)
    assert one(folded, found(record)).result is Result.PASS


def test_t_s_forbids_an_identity_below_the_domain(key: PrivateKey, record: bytes) -> None:
    how = Canonicalization.SIMPLE
    bh = base64.b64encode(body_hash(b"body\r\n", how))
    raw = handmade(b"a=rsa-sha256; i=x@sub.example.com; bh=%b;" % bh, key.sign_digest, how)
    assert one(raw, found(record)).result is Result.PASS
    assert one(raw, found(b"t=s; " + record)).result is Result.PERMERROR


def test_a_public_key_that_is_no_rsa_key_is_a_permanent_error(signed: bytes) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    spki = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert one(signed, found(format_key_record(spki))).result is Result.PERMERROR
