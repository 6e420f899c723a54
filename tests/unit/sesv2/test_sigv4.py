"""Who signed a request: the claim's form, what must be signed, the window of time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailseal.core.errors import (
    IncompleteSignature,
    MissingAuthenticationToken,
    NotAuthenticated,
    RequestExpired,
    SignatureDoesNotMatch,
)
from mailseal.sesv2 import sigv4
from tests.unit.sesv2.rig import HOST, IDENTITIES, KEY_ID, SECRET, Rig, Wire, signed

GET = IDENTITIES + "/example.com"
NOW = datetime(2026, 11, 23, 14, 15, 2, 900000, tzinfo=UTC)


def claim_of(wire: Wire) -> sigv4.Claim:
    return sigv4.parse_claim(list(wire.headers), wire.query)


def authorization(wire: Wire, old: str, new: str) -> Wire:
    value = wire.header(b"authorization").decode()
    assert old in value
    return wire.with_header(b"authorization", value.replace(old, new).encode())


def at(time: str) -> sigv4.Claim:
    return sigv4.Claim("A", time[:8], "us-east-1", "ses", (b"host",), "0" * 64, time, None)


def test_a_claim_says_who_when_where_and_what() -> None:
    wire = signed("GET", GET)
    claim = claim_of(wire)
    assert (claim.access_key_id, claim.region, claim.service) == (KEY_ID, "us-east-1", "ses")
    assert claim.signed_headers == (b"host", b"x-amz-date")
    assert claim.date == claim.time[:8] == f"{wire.time:%Y%m%d}"


def test_a_request_without_any_signature_is_told_so() -> None:
    with pytest.raises(MissingAuthenticationToken):
        claim_of(signed("GET", GET).without_header(b"authorization"))


@pytest.mark.parametrize(
    "name", ["X-Amz-Signature", "x-amz-credential", "X%2DAmz-Algorithm", "AWSAccessKeyId"]
)
@pytest.mark.parametrize("beside_header", [True, False])
def test_credentials_in_the_query_string_are_refused(name: str, beside_header: bool) -> None:
    wire = replace(signed("GET", GET), query=f"{name}=x".encode())
    with pytest.raises(IncompleteSignature, match="query string"):
        claim_of(wire if beside_header else wire.without_header(b"authorization"))


@pytest.mark.parametrize(
    "mode",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    ],
)
def test_every_payload_mode_but_a_plain_hash_is_refused(mode: str) -> None:
    rig = Rig()
    wire = signed("GET", GET, headers={"X-Amz-Content-SHA256": mode})
    answer = rig.ask(wire)
    assert (answer.status, answer.error) == (403, "IncompleteSignatureException")
    assert rig.cases.arrived == []


def test_a_declared_payload_hash_is_held_against_the_body() -> None:
    rig = Rig()
    body = b'{"EmailIdentity":"example.com"}'
    right = hashlib.sha256(body).hexdigest()
    assert rig.ask(signed("POST", IDENTITIES, body, headers={"X-Amz-Content-SHA256": right})).status == 200
    wrong = signed("POST", IDENTITIES, body, headers={"X-Amz-Content-SHA256": "0" * 64})
    assert rig.ask(wrong).status == 403


@pytest.mark.parametrize("name", [b"x-amz-target", b"x-amz-security-token", b"x-amz-meta-anything"])
def test_an_unsigned_amz_header_is_refused(name: bytes) -> None:
    with pytest.raises(IncompleteSignature, match="must be a 'SignedHeader'"):
        claim_of(signed("GET", GET).with_header(name, b"value"))


@pytest.mark.parametrize("name", ["host", "x-amz-date"])
def test_host_and_date_must_be_among_the_signed_headers(name: str) -> None:
    wire = signed("GET", GET)
    both = "SignedHeaders=host;x-amz-date"
    other = "x-amz-date" if name == "host" else "host"
    with pytest.raises(IncompleteSignature, match=name):
        claim_of(authorization(wire, both, f"SignedHeaders={other}"))


@pytest.mark.parametrize("name", [b"authorization", b"host", b"x-amz-date", b"x-amz-content-sha256"])
def test_a_header_that_decides_is_refused_when_it_comes_twice(name: bytes) -> None:
    wire = signed("GET", GET, headers={"X-Amz-Content-SHA256": sigv4.EMPTY_HASH})
    twice = replace(wire, headers=(*wire.headers, (name, wire.header(name))))
    with pytest.raises(IncompleteSignature, match="more than once"):
        claim_of(twice)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256 ", ""),
        ("Credential=", "credential="),
        ("Credential=", "Credential=x, Credential="),
        ("Signature=", "Signature=A"),
        ("Signature=", "Nothing="),
        ("aws4_request", "aws5_request"),
        ("/aws4_request", "/aws4_request/x"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date;host"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=host;host;x-amz-date"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=Host;X-Amz-Date"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders="),
        (KEY_ID, "../" + KEY_ID),
        (KEY_ID, ""),
    ],
)
def test_an_authorization_of_another_form_is_refused(old: str, new: str) -> None:
    with pytest.raises(IncompleteSignature):
        claim_of(authorization(signed("GET", GET), old, new))


def test_bytes_beyond_ascii_in_the_authorization_are_refused_not_crashed_on() -> None:
    wire = signed("GET", GET)
    for value in (b"\xff", b"AWS4-HMAC-SHA256 \xc3\xa9", b""):
        with pytest.raises(NotAuthenticated):
            claim_of(wire.with_header(b"authorization", value))


def test_a_signed_header_that_is_not_there_is_a_wrong_signature() -> None:
    wire = signed("POST", IDENTITIES, b"{}").without_header(b"content-type")
    with pytest.raises(SignatureDoesNotMatch):
        claim_of(wire)


def test_the_scopes_date_must_be_the_requests_day() -> None:
    wire = signed("GET", GET)
    other = f"{wire.time - timedelta(days=1):%Y%m%d}"
    with pytest.raises(SignatureDoesNotMatch, match=other):
        claim_of(authorization(wire, f"/{wire.time:%Y%m%d}/", f"/{other}/"))


@pytest.mark.parametrize("service", ["email", "sesv2", "s3", "SES"])
def test_a_credential_for_another_service_is_refused(service: str) -> None:
    rig = Rig()
    answer = rig.ask(signed("GET", GET, service=service))
    assert answer.status == 403
    assert rig.cases.arrived == []


def test_a_credential_for_a_region_that_is_not_served_is_told_which_are() -> None:
    answer = Rig().ask(signed("GET", GET, region="mars-north-1"))
    assert answer.status == 403
    assert answer.json["message"] == "Credential should be scoped to a valid region. "
    assert answer.json["hint"] == "This installation serves us-east-1, eu-west-1."


@pytest.mark.parametrize("seconds", [0, 1, 299, 300, -1, -299, -300])
def test_a_request_is_good_for_five_minutes_either_way(seconds: int) -> None:
    sigv4.check_time(at("20261123T141502Z"), NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [301, 302, 3600, 86400, -301, -3600, -86400])
def test_a_request_is_refused_outside_of_five_minutes(seconds: int) -> None:
    with pytest.raises(RequestExpired):
        sigv4.check_time(at("20261123T141502Z"), NOW + timedelta(seconds=seconds))


def test_an_old_signature_is_told_in_awss_words() -> None:
    with pytest.raises(RequestExpired) as told:
        sigv4.check_time(at("20261123T140311Z"), NOW)
    assert told.value.message == (
        "Signature expired: 20261123T140311Z is now earlier than 20261123T141002Z (20261123T141502Z - 5 min.)"
    )


def test_a_signature_of_the_future_is_told_in_awss_words() -> None:
    with pytest.raises(RequestExpired) as told:
        sigv4.check_time(at("20261123T142511Z"), NOW)
    assert told.value.message == (
        "Signature not yet current: 20261123T142511Z is still later than 20261123T142002Z "
        "(20261123T141502Z + 5 min.)"
    )


@pytest.mark.parametrize("time", ["20261399T140311Z", "20261123T996060Z", "00000101T000000Z"])
def test_a_time_that_does_not_exist_is_refused_not_crashed_on(time: str) -> None:
    with pytest.raises(NotAuthenticated):
        sigv4.check_time(at(time), NOW)


@pytest.mark.parametrize("where", ["/example.com", "/user%2Bx%40example.com", "/a~b_c.example", "/%C3%A9"])
def test_the_path_is_encoded_once_more_as_botocore_does(where: str) -> None:
    rig = Rig()
    answer = rig.ask(signed("GET", IDENTITIES + where))
    assert answer.status == 404, answer.content


def test_what_botocore_signs_it_signs_with_the_key_that_we_derive() -> None:
    wire = signed("PUT", GET + "/dkim", {"SigningEnabled": True}, headers={"X-Amz-B": "b  b", "X-Amz-A": "a"})
    claim = claim_of(wire)
    target = sigv4.Target(wire.method, wire.path, wire.query)
    payload = hashlib.sha256(wire.body).hexdigest()
    right = sigv4.derive_key(SECRET, claim.date, claim.region)
    assert sigv4.proves(claim, target, list(wire.headers), payload, right)
    assert not sigv4.proves(claim, target, list(wire.headers), payload, right[::-1])
    assert wire.header(b"host") == HOST.encode()


def test_derived_keys_are_kept_within_bounds_and_never_mixed_up() -> None:
    keys = sigv4.DerivedKeys(capacity=4)
    for turn in range(3):
        for number in range(6):
            secret = f"secret-{number}"
            assert keys.derived(secret, "20261123", "us-east-1") == sigv4.derive_key(
                secret, "20261123", "us-east-1"
            ), turn
    assert len(keys._keys) == 4


def test_unknown_disabled_and_wrong_keys_look_alike() -> None:
    rig = Rig()
    answers = [
        rig.ask(signed("GET", GET, credentials=credentials))
        for credentials in [("AKIANOBODY", SECRET), ("AKIADISABLEDDISABLED", SECRET), (KEY_ID, "wrong")]
    ]
    assert {(answer.status, answer.error, answer.content) for answer in answers} == {
        (403, "InvalidSignatureException", answers[0].content)
    }
    assert rig.cases.arrived == []
