"""explain(message, header, texts): what was done to a message whose signature does not pass, as far as known.

Rule: pure; what is said follows from a hash or a signature that is right, or it is said that it is not known.
References: RFC 6376 §3.7, RFC 6376 §6.1.3, RFC 8017 §8.2.2, RFC 8463 §3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum, auto

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mailseal.dkim.body_changes import find_body_change
from mailseal.dkim.changes import Change
from mailseal.dkim.header_changes import SignedHeader, find_header_change
from mailseal.dkim.keyrecord import KeyRecord, KeyRecordError, parse_key_record
from mailseal.dkim.message import HeaderField, Message
from mailseal.dkim.signature import Signature, SignatureError, parse_signature
from mailseal.dkim.verify import Unacceptable, rsa_public_key, signed_body_hash, signed_data

_PADDING = padding.PKCS1v15()
_NONE: tuple[Change, ...] = ()


class Part(StrEnum):
    """What is known of a signed part."""

    INTACT = auto()
    CHANGED = auto()
    NOT_KNOWN = auto()
    """The key is another one, or the part is changed: this signature does not tell which."""
    OTHER_KEY = auto()
    """The signature was made with another key, or is damaged itself."""
    NOT_CHECKED = auto()
    """There is no key to check with."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of the two parts that a signature covers, and the changes without which it would pass."""

    header: Part
    body: Part
    header_changes: tuple[Change, ...] = ()
    body_changes: tuple[Change, ...] = ()


def explain(message: Message, header: HeaderField, texts: tuple[bytes, ...]) -> Explanation | None:
    """What is known about one signature field; None where the field cannot be read at all.

    `texts` are the TXT values at its key's name; with other than one the header is not checked.
    """
    try:
        signature = parse_signature(header.value)
    except SignatureError:
        return None
    body, body_changes = Part.INTACT, _NONE
    if signed_body_hash(message.body, signature) != signature.body_hash:
        body = Part.CHANGED
        body_changes = find_body_change(bytes(message.body), message.fields, signature)
    part, header_changes = _of_header(message, header, signature, texts)
    return Explanation(part, body, header_changes, body_changes)


def _of_header(
    message: Message, header: HeaderField, signature: Signature, texts: tuple[bytes, ...]
) -> tuple[Part, tuple[Change, ...]]:
    try:
        (text,) = texts
        record = parse_key_record(text)
    except (ValueError, KeyRecordError):
        return Part.NOT_CHECKED, ()
    try:
        signed = _signed_header(message, header, signature, record)
    except InvalidSignature:
        return Part.OTHER_KEY, ()
    except (ValueError, UnsupportedAlgorithm, Unacceptable):
        return Part.NOT_CHECKED, ()
    if signed.is_right(b"".join(signed_data(message.fields, signature, header))):
        return Part.INTACT, ()
    changes = find_header_change(signed)
    return (Part.CHANGED if changes or signed.digest else Part.NOT_KNOWN), changes


def _signed_header(
    message: Message, header: HeaderField, signature: Signature, record: KeyRecord
) -> SignedHeader:
    """The header with what tells right from wrong; raises InvalidSignature for another key's."""
    if signature.algorithm == "ed25519-sha256":
        ed25519 = Ed25519PublicKey.from_public_bytes(record.public_key)

        def verifies(data: bytes) -> bool:
            try:
                ed25519.verify(signature.signature, hashlib.sha256(data).digest())
            except InvalidSignature:
                return False
            return True

        return SignedHeader(message.fields, header, signature, verifies)
    key = rsa_public_key(record.public_key)
    digest = key.recover_data_from_signature(signature.signature, _PADDING, hashes.SHA256())

    def is_right(data: bytes) -> bool:
        return hashlib.sha256(data).digest() == digest

    return SignedHeader(message.fields, header, signature, is_right, digest)
