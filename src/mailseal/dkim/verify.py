"""verify(message, look_up): what each DKIM-Signature field of a message is worth.

Rule: "could not ask for the key" is never "there is no key"; a signature passes or says why not.
References: RFC 6376 §6.1, RFC 6376 §6.1.2, RFC 6376 §6.1.3, RFC 6376 §5.4.2, RFC 8301 §3.1, RFC 8301 §3.2,
RFC 8463 §3, RFC 8601 §2.7.1.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailseal.dkim.canonicalization import body_hash, canonical_body, canonical_field
from mailseal.dkim.der import parse_rsa_public_bits
from mailseal.dkim.keyrecord import KeyRecord, KeyRecordError, parse_key_record
from mailseal.dkim.message import HeaderField, Message
from mailseal.dkim.signature import (
    FIELD_NAME,
    Signature,
    SignatureError,
    parse_signature,
    without_signature_value,
)

MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096
MAX_SIGNATURES = 20  # each costs a look-up and a public-key operation, and the sender chooses how many

_PADDING = padding.PKCS1v15()
_PREHASHED = utils.Prehashed(hashes.SHA256())


class Result(StrEnum):
    """The results of RFC 8601 §2.7.1 that a signature can have."""

    PASS = auto()
    FAIL = auto()
    NEUTRAL = auto()
    POLICY = auto()
    TEMPERROR = auto()
    PERMERROR = auto()


@dataclass(frozen=True, slots=True)
class KeyFound:
    """The TXT values at the key's name, each with its character-strings joined."""

    texts: tuple[bytes, ...]


class NoKey(StrEnum):
    """Why no TXT value was got: the DNS said there is none, or could not be asked."""

    NOT_FOUND = "not found"
    UNAVAILABLE = "unavailable"


KeyAnswer = KeyFound | NoKey


@dataclass(frozen=True, slots=True)
class Verification:
    """What one signature is worth; domain and selector are empty where the field could not be read."""

    result: Result
    reason: str
    sdid: str = ""
    selector: str = ""


class Unacceptable(Exception):
    """Ends the checks of one signature, with the result and why."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


def verify(
    message: Message, look_up: Callable[[str], KeyAnswer], *, now: int | None = None
) -> tuple[Verification, ...]:
    """One verification a DKIM-Signature field, from the top down; none for a message without a signature.

    `look_up` gets the key record's owner name. `now` in seconds enables the check of x=.
    """
    wanted = FIELD_NAME.lower()
    found = [header for header in message.fields if header.name.lower() == wanted]
    checked = [_verify_one(message, header, look_up, now) for header in found[:MAX_SIGNATURES]]
    checked += [Verification(Result.POLICY, "too many signatures")] * (len(found) - len(checked))
    return tuple(checked)


def _verify_one(
    message: Message, header: HeaderField, look_up: Callable[[str], KeyAnswer], now: int | None
) -> Verification:
    try:
        signature = parse_signature(header.value)
    except SignatureError as error:
        return Verification(Result.PERMERROR, str(error))
    try:
        _check_terms(signature, now)
        record = _key_record(signature, look_up)
        _check_body(message, signature)
        data = b"".join(signed_data(message.fields, signature, header))
        _check_signature(signature, record, hashlib.sha256(data).digest())
    except Unacceptable as verdict:
        return Verification(verdict.result, verdict.reason, signature.sdid, signature.selector)
    return Verification(Result.PASS, "good signature", signature.sdid, signature.selector)


def _check_terms(signature: Signature, now: int | None) -> None:
    if signature.algorithm == "rsa-sha1":
        raise Unacceptable(Result.POLICY, "rsa-sha1 is no longer accepted")
    if signature.algorithm not in {"rsa-sha256", "ed25519-sha256"}:
        raise Unacceptable(Result.NEUTRAL, "unknown signature algorithm")
    if now is not None and signature.expires_at is not None and now > signature.expires_at:
        raise Unacceptable(Result.PERMERROR, "the signature has expired")


def _key_record(signature: Signature, look_up: Callable[[str], KeyAnswer]) -> KeyRecord:
    answer = look_up(f"{signature.selector}._domainkey.{signature.sdid}")
    if answer is NoKey.UNAVAILABLE:
        raise Unacceptable(Result.TEMPERROR, "the key could not be asked for")
    if isinstance(answer, NoKey) or not answer.texts:
        raise Unacceptable(Result.PERMERROR, "there is no key record")
    if len(answer.texts) > 1:
        raise Unacceptable(Result.PERMERROR, "there is more than one key record")
    try:
        record = parse_key_record(answer.texts[0])
    except KeyRecordError as error:
        raise Unacceptable(Result.PERMERROR, f"the key record is unusable: {error}") from None
    _check_restrictions(signature, record)
    return record


def _check_restrictions(signature: Signature, record: KeyRecord) -> None:
    if not record.public_key:
        raise Unacceptable(Result.PERMERROR, "the key is revoked")
    if record.key_type != signature.algorithm.partition("-")[0]:
        raise Unacceptable(Result.PERMERROR, "the key's type is not the signature's")
    if record.hashes and "sha256" not in record.hashes:
        raise Unacceptable(Result.PERMERROR, "the key does not allow sha256")
    if record.services and not {"*", "email"} & set(record.services):
        raise Unacceptable(Result.PERMERROR, "the key is not for e-mail")
    if "s" in record.flags and signature.auid.rpartition("@")[2].lower() != signature.sdid:
        raise Unacceptable(Result.PERMERROR, "the key does not allow i= below d=")


def _check_body(message: Message, signature: Signature) -> None:
    computed = signed_body_hash(message.body, signature)
    if computed is None:
        raise Unacceptable(Result.PERMERROR, "the body is shorter than l= says")
    if not hmac.compare_digest(computed, signature.body_hash):
        raise Unacceptable(Result.FAIL, "the body was changed: its hash is not bh=")


def signed_body_hash(body: bytes | memoryview, signature: Signature) -> bytes | None:
    """What bh= must be for this body; None where it is shorter than l= says."""
    how = signature.body_canonicalization
    if signature.body_length is None:
        return body_hash(body, how)
    canonical = canonical_body(body, how)
    if signature.body_length > len(canonical):
        return None
    return hashlib.sha256(canonical[: signature.body_length]).digest()


def signed_fields(
    fields: Sequence[HeaderField], header_names: Sequence[bytes]
) -> tuple[HeaderField | None, ...]:
    """The field that each name of h= stands for, from the bottom up; None where none is left."""
    stacks: dict[bytes, list[HeaderField]] = {}
    for candidate in fields:
        stacks.setdefault(candidate.name.lower(), []).append(candidate)
    found = []
    for name in header_names:
        stack = stacks.get(name.lower())
        found.append(stack.pop() if stack else None)
    return tuple(found)


def signed_data(fields: Sequence[HeaderField], signature: Signature, header: HeaderField) -> list[bytes]:
    """What the signature covers in pieces: the canonical fields in h=, and the signature field itself."""
    how = signature.header_canonicalization
    covered = [field for field in signed_fields(fields, signature.header_names) if field]
    data = [canonical_field(field.name, field.raw, how) + b"\r\n" for field in covered]
    data.append(canonical_field(header.name, without_signature_value(header.raw), how))
    return data


def _check_signature(signature: Signature, record: KeyRecord, data_hash: bytes) -> None:
    try:
        if signature.algorithm == "ed25519-sha256":
            Ed25519PublicKey.from_public_bytes(record.public_key).verify(signature.signature, data_hash)
        else:
            key = rsa_public_key(record.public_key)
            key.verify(signature.signature, data_hash, _PADDING, _PREHASHED)
    except InvalidSignature:
        raise Unacceptable(Result.FAIL, "the signed header or the key is another one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable(Result.PERMERROR, "the public key is damaged") from None


def rsa_public_key(spki: bytes) -> rsa.RSAPublicKey:
    """The key of a record; raises ValueError where it is none, Unacceptable where its length is."""
    bits = parse_rsa_public_bits(spki)
    if bits == 0:
        raise ValueError("no RSA SubjectPublicKeyInfo")
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise Unacceptable(Result.POLICY, f"an RSA key of {bits} bits is not accepted")
    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("no RSA key")
    return key
