"""The key record: format, parse, TXT character-strings, and which spellings of it every verifier accepts.

Rule: two records are the same when their decoded public keys are; texts are never compared.
References: RFC 6376 §3.6.1, RFC 6376 §3.6.2.2, RFC 8301 §3.2, RFC 8463 §4, RFC 7208 §4.5, RFC 1035 §3.3.14.
"""

import base64
import binascii
from dataclasses import dataclass

from mailseal.dkim.der import Form, parse_rsa_public_bits, parse_shape
from mailseal.dkim.taglist import TagListError, parse_tag_list, without_blanks

MAX_STRING_OCTETS = 255
MIN_RSA_BITS = 1024

_ED25519_HEAD = bytes.fromhex("302a300506032b6570032100")
"""What the SubjectPublicKeyInfo of an Ed25519 key begins with; the 32 octets of the key follow."""


class KeyRecordError(ValueError):
    """A TXT value that is no usable key record; `code` names the reason."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a key record says; an empty `public_key` means that the key is revoked.

    `hashes` and `services` are empty where the record does not restrict them.
    """

    key_type: str
    public_key: bytes
    hashes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that all reference verifiers accept; `spki` is its key, `warnings` what to tidy up."""

    spki: bytes
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that at least one reference verifier rejects; the sentence tells its owner what is wrong."""

    code: str
    sentence: str


def format_key_record(spki: bytes) -> bytes:
    """The record in SES's form: p= and the key alone; every other tag has the right default.

    An Ed25519 key stands without its SubjectPublicKeyInfo, and beside its type (RFC 8463 §4).
    """
    if spki.startswith(_ED25519_HEAD):
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(spki[len(_ED25519_HEAD) :])
    return b"p=" + base64.b64encode(spki)


def character_strings(txt: bytes) -> tuple[bytes, ...]:
    """The value as TXT character-strings of at most 255 octets; the empty value is one empty string."""
    cuts = range(0, max(1, len(txt)), MAX_STRING_OCTETS)
    return tuple(txt[at : at + MAX_STRING_OCTETS] for at in cuts)


def parse_key_record(txt: bytes) -> KeyRecord:
    """What the record says, or KeyRecordError; read as a verifier reads it, so v= need not come first."""
    return _record_of(_tags(txt))


def judge_byodkim(txt: bytes) -> Accepted | RefusedRecord:
    """Whether mail signed with this record's key passes everywhere: the set that dkimpy, OpenDKIM,
    Mail::DKIM and mailauth all accept, which is narrower than what each of them accepts."""
    try:
        _check_spelling(txt)
        tags = _tags(txt)
        _check_tags(tags)
        spki, warnings = _spki_of(tags["p"])
    except KeyRecordError as error:
        return RefusedRecord(error.code, str(error))
    return Accepted(spki, (*_warnings(tags), *warnings))


def _tags(txt: bytes) -> dict[str, bytes]:
    try:
        return parse_tag_list(txt)
    except TagListError as error:
        raise KeyRecordError(error.code, str(error)) from None


def _record_of(tags: dict[str, bytes]) -> KeyRecord:
    if tags.get("v", b"DKIM1") != b"DKIM1":
        raise KeyRecordError("bad_version", "The version is not v=DKIM1.")
    if "p" not in tags:
        raise KeyRecordError("no_key", "The record holds no public key (p=).")
    try:
        public_key = base64.b64decode(_padded(without_blanks(tags["p"])), validate=True)
    except ValueError:
        raise KeyRecordError("bad_base64", "The public key (p=) is not base64.") from None
    return KeyRecord(
        key_type=tags.get("k", b"rsa").decode(),
        public_key=public_key,
        hashes=_names(tags.get("h", b"")),
        services=_names(tags.get("s", b"")),
        flags=_names(tags.get("t", b"")),
    )


def _names(value: bytes) -> tuple[str, ...]:
    return tuple(name.decode() for name in without_blanks(value).split(b":") if name)


def _padded(text: bytes) -> bytes:
    return text + b"=" * (-len(text) % 4) if not text.endswith(b"=") else text


def _check_spelling(txt: bytes) -> None:
    """Refuse what hands and consoles add around a record, each with its own name."""
    if not txt.isascii():
        raise KeyRecordError(
            "not_ascii", "The value holds a typographic quote or an invisible blank; paste it as plain text."
        )
    if b"\\" in txt:
        raise KeyRecordError("escaped", "The value holds backslashes; enter it without them.")
    specs = [spec for spec in txt.split(b";") if not spec.lstrip().startswith(b"n=")]
    if any(b'"' in spec for spec in specs):
        raise KeyRecordError("quoted", "Quotation marks are part of the value; enter it without them.")
    if b"-----BEGIN" in txt:
        raise KeyRecordError("pem_lines", "The BEGIN and END lines of the key file are part of the value.")
    if txt.lstrip().startswith(b"v=spf1"):
        raise KeyRecordError("not_dkim", "This is an SPF record, not a key record.")
    head = txt.partition(b"=")[0].upper().split()
    if b"TXT" in head or b"IN" in head:
        raise KeyRecordError("zone_line", "A whole zone-file line is the value; enter only what follows TXT.")
    if b"," in specs[0]:
        raise KeyRecordError("commas", "Commas stand where semicolons belong.")


def _check_tags(tags: dict[str, bytes]) -> None:
    # One of the four verifiers takes V= for v=, so that what it says has to be right too.
    if any(tags.get(name, b"DKIM1") != b"DKIM1" for name in ("v", "V")):
        raise KeyRecordError("bad_version", "The version must be written v=DKIM1, in this case.")
    if tags.get("k", b"rsa") != b"rsa":
        raise KeyRecordError("bad_key_type", "The key type must be written k=rsa, in lower case.")
    if tags.get("g", b"*") != b"*":
        raise KeyRecordError("granularity", "The tag g= restricts the key; some verifiers then refuse it.")
    if b"sha256" not in tags.get("h", b"sha256").split(b":"):  # Mail::DKIM finds no name beside a blank
        raise KeyRecordError("hash_excluded", "The tag h= does not allow sha256; leave it out.")
    if tags.get("s", b"*") not in {b"*", b"email"}:  # dkimpy reads no list here
        raise KeyRecordError("service_excluded", "The tag s= is neither email nor *; leave it out.")
    if "p" not in tags:
        raise KeyRecordError("no_key", "The record holds no public key (p=).")


def _spki_of(value: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The decoded SubjectPublicKeyInfo of p= and what is worth a warning."""
    text = without_blanks(value)
    if not text:
        raise KeyRecordError("revoked", "The public key (p=) is empty: that means revoked.")
    if b"-" in text or b"_" in text:
        raise KeyRecordError("url_safe_base64", "The key is in the URL-safe alphabet; use standard base64.")
    try:
        spki = binascii.a2b_base64(_padded(text), strict_mode=True)
        if text.endswith(b"=") and len(text) % 4:
            raise binascii.Error
    except binascii.Error:
        raise KeyRecordError(
            "damaged_key", "The public key is not whole base64: characters are missing."
        ) from None
    bits = parse_rsa_public_bits(spki)
    if bits == 0:
        if parse_shape(spki).form is Form.PUBLIC_KEY:
            raise KeyRecordError(
                "pkcs1", "The key lacks its SubjectPublicKeyInfo wrapping: openssl pkey -in FILE -pubout"
            )
        raise KeyRecordError("damaged_key", "The public key is damaged or cut off.")
    if bits < MIN_RSA_BITS:
        raise KeyRecordError(
            "weak_key", f"The key has {bits} bits; verifiers refuse fewer than {MIN_RSA_BITS}."
        )
    return spki, ("missing_padding",) if len(text) % 4 else ()


def _warnings(tags: dict[str, bytes]) -> tuple[str, ...]:
    found = []
    if "v" in tags and next(iter(tags)) != "v":
        found.append("version_not_first")
    if "V" in tags:
        found.append("version_tag_in_capitals")
    if "y" in _names(tags.get("t", b"")):
        found.append("test_mode")
    return tuple(found)
