"""The errors of SES as the whole application gives them: which first, in which words, and nothing changed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.journeys.wire_application import Application, running

EASY, OWN = "AWS_SES", "EXTERNAL"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    key = rsa.generate_private_key(65537, 1024)
    own = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": pkcs8(key)}
    with running(tmp_path_factory.mktemp("wire")) as made:
        made.client().create_email_identity(EmailIdentity="example.com")
        made.client().create_email_identity(EmailIdentity="own.example", DkimSigningAttributes=own)
        yield made


def pkcs8(key: Any) -> str:
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def pkcs1(key: Any) -> str:
    plain = NoEncryption()
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, plain)).decode()


def pem_text(key: Any) -> str:
    return base64.b64encode(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())).decode()


def encrypted(key: Any) -> str:
    lock = BestAvailableEncryption(b"x")
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, lock)).decode()


def certificate(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def state(application: Application) -> Any:
    """All that can be seen of the identities, but for the traces of checks."""
    client = application.client()
    seen = []
    for row in client.list_email_identities()["EmailIdentities"]:
        found = client.get_email_identity(EmailIdentity=row["IdentityName"])
        for member in ("ResponseMetadata", "VerificationInfo"):
            found.pop(member, None)
        seen.append((row, found))
    return seen


def refused(application: Application, operation: str, arguments: dict[str, Any]) -> tuple[str, str, int]:
    """Code, message and status of the error; nothing may have changed by it."""
    before = state(application)
    with pytest.raises(ClientError) as told:
        getattr(application.client(), operation)(**arguments)
    assert state(application) == before
    answer = told.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def put(name: str, origin: str, **attributes: Any) -> dict[str, Any]:
    return {"EmailIdentity": name, "SigningAttributesOrigin": origin, "SigningAttributes": attributes}


KEY_TEXT = "QUJD"
BOTH = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": KEY_TEXT}
NOT_A_DOMAIN = "The EmailIdentity value must be a valid domain."
CREATE, GET, DELETE = "create_email_identity", "get_email_identity", "delete_email_identity"
SWITCH, PUT = "put_email_identity_dkim_attributes", "put_email_identity_dkim_signing_attributes"
LIST = "list_email_identities"
NOBODY = "Email identity nobody.example does not exist."
NOT_VERIFIED = "Domain nobody.example is not verified for DKIM signing."


def named(name: str, **others: Any) -> dict[str, Any]:
    return {"EmailIdentity": name, **others}


TABLE: list[tuple[str, dict[str, Any], str, str]] = [
    (CREATE, named("example.com"), "AlreadyExists", "Email identity example.com already exist."),
    (CREATE, named("EXAMPLE.com"), "AlreadyExists", "Email identity EXAMPLE.com already exist."),
    (CREATE, named("example.net."), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("münchen.example"), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("a_b.example"), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("com"), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("192.0.2.1"), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("' OR 1=1 --"), "BadRequest", NOT_A_DOMAIN),
    (CREATE, named("a@example.com", DkimSigningAttributes=BOTH), "BadRequest", NOT_A_DOMAIN),
    (GET, named("nobody.example"), "NotFound", NOBODY),
    (GET, named("%' OR '1'='1"), "NotFound", "Email identity %' OR '1'='1 does not exist."),
    (DELETE, named("nobody.example"), "NotFound", NOBODY),
    (SWITCH, named("nobody.example"), "BadRequest", NOT_VERIFIED),
    (SWITCH, named("a@nobody.example"), "BadRequest", NOT_VERIFIED),
    (PUT, put("nobody.example", EASY), "NotFound", NOBODY),
    (PUT, put("a@example.com", EASY), "BadRequest", NOT_A_DOMAIN),
    (PUT, put(" ", EASY), "BadRequest", NOT_A_DOMAIN),
    (LIST, {"NextToken": "forged"}, "BadRequest", "NextToken is not valid."),
    (LIST, {"PageSize": 1001}, "BadRequest", "1 validation error detected: Value at 'pageSize'"),
    (LIST, {"Filter": {"VERIFICATION_STATUS": "x"}}, "BadRequest", "The filter VERIFICATION_STATUS"),
]


@pytest.mark.parametrize(("operation", "arguments", "code", "message"), TABLE)
def test_an_error_is_told_as_ses_tells_it_and_nothing_changes(
    application: Application, operation: str, arguments: dict[str, Any], code: str, message: str
) -> None:
    found_code, found, status = refused(application, operation, arguments)
    assert found_code == f"{code}Exception"
    assert found.startswith(message)
    if code != "BadRequest":
        assert found == message, "programs match these to the byte"
    assert status == (404 if code == "NotFound" else 400)


LENGTH = {"NextSigningKeyLength": "RSA_1024_BIT"}
COMBINATIONS = [
    put("example.com", OWN),
    put("example.com", OWN, DomainSigningSelector="s1"),
    put("example.com", OWN, DomainSigningPrivateKey=KEY_TEXT),
    put("example.com", OWN, **BOTH, **LENGTH),
    put("example.com", EASY, **BOTH),
    put("example.com", EASY, NextSigningKeyLength="RSA_2048_BIT"),
    put("example.com", EASY, DomainSigningAttributesOrigin=EASY),
    put("own.example", EASY, DomainSigningSelector="s1"),
]


@pytest.mark.parametrize("arguments", COMBINATIONS, ids=str)
def test_a_combination_that_asks_for_two_things_is_refused(
    application: Application, arguments: dict[str, Any]
) -> None:
    code, message, _ = refused(application, PUT, arguments)
    assert code == "BadRequestException"
    assert message.endswith(".")
    assert KEY_TEXT not in message


ORDER = [
    # (arguments, what must be told first)
    (put("a@b", OWN, DomainSigningSelector="a.b"), "1 validation error detected"),
    (put("nobody.example", OWN, DomainSigningSelector="a.b"), "1 validation error detected"),
    (put("a@nobody.example", OWN), NOT_A_DOMAIN),
    (put("nobody.example", OWN), "Email identity nobody.example does not exist."),
    (put("nobody.example", EASY, **BOTH), "Email identity nobody.example does not exist."),
]


@pytest.mark.parametrize(("arguments", "first"), ORDER)
def test_constraints_come_before_form_before_existence_before_combination(
    application: Application, arguments: dict[str, Any], first: str
) -> None:
    _, message, _ = refused(application, PUT, arguments)
    assert message.startswith(first)


@pytest.fixture(scope="module")
def bad_keys() -> dict[str, str]:
    good = rsa.generate_private_key(65537, 1024)
    return {
        "not a key": KEY_TEXT,
        "an EC key": pkcs8(ec.generate_private_key(ec.SECP256R1())),
        "too long": pkcs8(rsa.generate_private_key(65537, 3072)),
        "encrypted": encrypted(good),
        "a certificate": certificate(good),
        "cut short": pkcs8(good)[:400],
        "raw PEM": base64.b64decode(pem_text(good)).decode(),
    }


BAD_KEYS = ["not a key", "an EC key", "too long", "encrypted", "a certificate", "cut short", "raw PEM"]


@pytest.mark.parametrize("kind", BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused_and_shown_nowhere(
    application: Application, bad_keys: dict[str, str], kind: str
) -> None:
    arguments = put("example.com", OWN, DomainSigningSelector="s1", DomainSigningPrivateKey=bad_keys[kind])
    code, message, status = refused(application, PUT, arguments)
    assert (code, status) == ("BadRequestException", 400)
    said = message + repr(application.lines)
    pieces = [bad_keys[kind][at : at + 24] for at in range(0, len(bad_keys[kind]) - 24, 24)]
    assert not any(piece in said for piece in pieces)


@pytest.mark.parametrize("form", [pkcs1, pkcs8, pem_text])
@pytest.mark.parametrize("bits", [1024, 1536, 2048])
def test_a_key_is_taken_in_every_form_that_ses_takes(application: Application, form: Any, bits: int) -> None:
    client = application.client("eu-west-1")
    key = form(rsa.generate_private_key(65537, bits))
    own = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": key}
    made = client.create_email_identity(EmailIdentity="forms.example", DkimSigningAttributes=own)
    assert made["DkimAttributes"] == {
        "SigningEnabled": True,
        "Status": "NOT_STARTED",
        "Tokens": ["s1"],
        "SigningAttributesOrigin": "EXTERNAL",
    }
    client.delete_email_identity(EmailIdentity="forms.example")


def test_the_key_length_changes_once_a_day_but_for_the_first_downgrade(application: Application) -> None:
    client = application.client("eu-west-1")
    client.create_email_identity(EmailIdentity="length.example")
    call = client.put_email_identity_dkim_signing_attributes
    call(**put("length.example", EASY, NextSigningKeyLength="RSA_1024_BIT"))
    found = client.get_email_identity(EmailIdentity="length.example")["DkimAttributes"]
    assert found["NextSigningKeyLength"] == "RSA_1024_BIT"
    with pytest.raises(client.exceptions.BadRequestException, match="once in 24 hours"):
        call(**put("length.example", EASY, NextSigningKeyLength="RSA_2048_BIT"))
    client.delete_email_identity(EmailIdentity="length.example")


def test_regions_are_apart(application: Application) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        application.client("eu-west-1").get_email_identity(EmailIdentity="example.com")
