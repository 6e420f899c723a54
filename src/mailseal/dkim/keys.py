"""Private keys: load and judge, the public half, sign a digest.

Rule: what a key is gets learned from its DER in microseconds before anything expensive is done with it, and
no text or repr made here ever holds a part of it.
References: RFC 8017 §8.2, RFC 8463 §3, RFC 5958 §2, RFC 5280 §4.1.2.7, RFC 7468 §2, RFC 8301 §3.2,
RFC 6376 §3.3.3, AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from mailseal.dkim.der import Form, Shape, parse_shape
from mailseal.dkim.weakness import weakness

MIN_BITS, MAX_BITS = 1024, 2048
EXPONENT = 65537
ED25519_BITS = 256
"""The length of every Ed25519 key, by which it is told from an RSA key wherever lengths are kept."""

_PADDING = padding.PKCS1v15()
_PREHASHED = utils.Prehashed(hashes.SHA256())
_MAX_BYTES = 16 * 1024

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END \1-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_MAKE_ONE = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out FILE"
_TO_SES = "openssl pkey -in FILE -outform DER | base64 -w0"

_SENTENCES = {
    "empty": f"The private key is empty. Make one: {_MAKE_ONE}",
    "not_base64": f"The private key is not base64 in one line. Print it in that form: {_TO_SES}",
    "url_safe_base64": f"The private key is in the URL-safe alphabet; send standard base64: {_TO_SES}",
    "line_breaks": f"The private key has line breaks or blanks in it; send it in one line: {_TO_SES}",
    "pem_text": "This is PEM text; send the base64 between its BEGIN and END lines, joined into one line: "
    + _TO_SES,
    "double_base64": f"The private key was encoded as base64 twice; once is enough: {_TO_SES}",
    "public_key": "This is a public key; the private one signs. The public one goes into your DNS.",
    "certificate": "This is a certificate or a request for one; DKIM needs the private key itself.",
    "encrypted": "The private key is protected by a passphrase. Take it off: openssl pkey -in FILE -out NEW",
    "openssh": "This is an OpenSSH key. Convert a copy of it: ssh-keygen -p -m PKCS8 -N '' -f COPY",
    "not_rsa": f"The private key is not an RSA key; SES's API takes RSA only. Make one: {_MAKE_ONE}",
    "bad_exponent": f"The key's public exponent is not 65537. Make a new key: {_MAKE_ONE}",
    "trailing_bytes": f"More bytes follow the private key. Write it anew: {_TO_SES}",
    "many_pem_blocks": "The PEM text holds more than one block; send the private key alone.",
    "broken_pem": "The PEM text is damaged: its BEGIN and END lines do not match or its base64 is broken.",
    "not_a_key": f"This is neither a PKCS#1 nor a PKCS#8 private key. Print it in that form: {_TO_SES}",
    "inconsistent": f"The numbers of the private key do not belong together. Make a new one: {_MAKE_ONE}",
    "small_factor": f"The key has a small prime factor: anyone can break it. Make a new one: {_MAKE_ONE}",
    "close_primes": f"The key's primes are too close: anyone can break it. Make a new one: {_MAKE_ONE}",
    "blocked": f"This key cannot be used here: it is not, or no longer, yours alone. Make one: {_MAKE_ONE}",
    "uneven_primes": f"One of the key's primes is much shorter than the other. Make a new one: {_MAKE_ONE}",
    "multi_prime": f"The key has more than two primes; signers know two. Make a new one: {_MAKE_ONE}",
    "roca": f"The key has the ROCA flaw (CVE-2017-15361): it can be broken. Make a new one: {_MAKE_ONE}",
}

_CODE_OF_FORM = {
    Form.NOT_RSA: "not_rsa",
    Form.ENCRYPTED: "encrypted",
    Form.PUBLIC_KEY: "public_key",
    Form.CERTIFICATE: "certificate",
    Form.TRAILING_BYTES: "trailing_bytes",
    Form.UNKNOWN: "not_a_key",
}


class KeyRefused(ValueError):
    """A key that cannot be used; `code` names the reason, the sentence says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class CrtNumbers:
    """The numbers of an RSA key by which it signs, RFC 8017 §3.2, as little-endian octets: p and q of half
    the modulus's length each, p the larger."""

    modulus: bytes
    p: bytes
    q: bytes
    exponent_p: bytes
    exponent_q: bytes
    coefficient: bytes


class PrivateKey:
    """An RSA or Ed25519 private key that signs digests; it prints as its length and cannot be pickled or
    copied."""

    __slots__ = ("_crt", "_key", "bits", "spki", "spki_sha256")

    def __init__(self, key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> None:
        self._key = key
        self._crt: CrtNumbers | None = None
        self.bits = key.key_size if isinstance(key, rsa.RSAPrivateKey) else ED25519_BITS
        self.spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.spki_sha256 = hashlib.sha256(self.spki).digest()

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.bits} bits>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is neither pickled nor copied")

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest of 32 octets: RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.1), or PureEdDSA
        with the digest for a message (RFC 8463 §3)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(digest)
        return self._key.sign(digest, _PADDING, _PREHASHED)

    def crt_numbers(self) -> CrtNumbers | None:
        """The numbers it signs by, for the batch engine only; None for a key that doesn't fit its lanes."""
        if self._crt is None and isinstance(self._key, rsa.RSAPrivateKey):
            self._crt = _crt_numbers(self._key.private_numbers(), self.bits)
        return self._crt

    def to_pkcs8(self) -> bytes:
        """The private key as PKCS#8 DER, not encrypted: for sealing only."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def generate_private_key(bits: int) -> PrivateKey:
    """A fresh key; RSA-2048 takes 40 to 130 ms of CPU, so never on an event loop."""
    return PrivateKey(rsa.generate_private_key(public_exponent=EXPONENT, key_size=bits))


def generate_ed25519_key() -> PrivateKey:
    """A fresh Ed25519 key, within some 50 µs."""
    return PrivateKey(Ed25519PrivateKey.generate())


def load_trusted_key(pkcs8: bytes | bytearray) -> PrivateKey:
    """A key that our own authenticated encryption has vouched for: loaded unchecked, in microseconds."""
    key = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise refused("not_rsa")
    return PrivateKey(key)


def load_private_key(der_or_pem: bytes) -> PrivateKey:
    """A customer's key, checked in full (30 ms for 2048 bits), or KeyRefused; cheapest check first."""
    der = parse_private_key_der(der_or_pem)
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise refused("inconsistent") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise refused("not_rsa")
    loaded = PrivateKey(key)
    _check_that_it_signs(loaded, key.public_key())
    return loaded


def parse_private_key_der(der_or_pem: bytes) -> bytes:
    """The DER of an RSA private key that we take, judged by its form, modulus and exponent (1 ms)."""
    if not der_or_pem.strip():
        raise refused("empty")
    der = _der_of_pem(der_or_pem) if b"-----BEGIN" in der_or_pem[:_MAX_BYTES] else der_or_pem
    shape = parse_shape(der)
    if shape.form in _CODE_OF_FORM:
        raise refused(_CODE_OF_FORM[shape.form])
    bits = shape.modulus.bit_length()
    if bits > MAX_BITS:
        raise _wrong_length("too_long", bits)
    if bits < MIN_BITS:
        raise _wrong_length("too_short", bits)
    if shape.exponent != EXPONENT:
        raise refused("bad_exponent")
    if shape.modulus <= 0:
        raise refused("inconsistent")
    weak = weakness(shape.modulus)
    if weak:
        raise refused(weak)
    _check_numbers(shape, bits)
    return der


def _crt_numbers(numbers: rsa.RSAPrivateNumbers, bits: int) -> CrtNumbers | None:
    p, q, d_p, d_q, inverse = numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp
    if p < q:
        p, q, d_p, d_q, inverse = q, p, d_q, d_p, pow(p, -1, q)
    fits = numbers.public_numbers.e == EXPONENT and bits % 1024 == 0 and p.bit_length() == q.bit_length()
    if not fits or p.bit_length() != bits // 2:
        return None
    half = bits // 16
    halves = [number.to_bytes(half, "little") for number in (p, q, d_p, d_q, inverse)]
    return CrtNumbers(numbers.public_numbers.n.to_bytes(bits // 8, "little"), *halves)


def _check_numbers(shape: Shape, bits: int) -> None:
    """Raises KeyRefused unless the private numbers belong to the modulus, RFC 8017 §3.2.

    Before anything is loaded: the loader looks first whether a prime is one, of whatever length it may be,
    and a prime of 40,000 bits beside a modulus of 2048 keeps it busy for hours.
    """
    if len(shape.private) > 6:
        raise refused("multi_prime")
    if len(shape.private) < 6 or not all(0 < number < shape.modulus for number in shape.private):
        raise refused("inconsistent")
    d, p, q, d_p, d_q, inverse = shape.private
    if p * q != shape.modulus or min(p, q) == 1:
        raise refused("inconsistent")
    if min(p, q).bit_length() * 5 < bits * 2:
        raise refused("uneven_primes")
    if abs(p - q).bit_length() <= bits // 2 - 100:
        raise refused("close_primes")
    fits = (d_p, d_q) == (d % (p - 1), d % (q - 1)) and inverse * q % p == 1
    if not fits or EXPONENT * d % (p - 1) != 1 or EXPONENT * d % (q - 1) != 1:
        raise refused("inconsistent")


def decode_ses_private_key(text: str) -> bytes:
    """The DER in AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey, form and length checked.

    Taken: base64 of PKCS#1 or PKCS#8 DER. Departs from SES: base64 of a whole PEM text is taken too, where
    SES accepts it and never verifies; every other form is refused at once instead of pending for 72 hours.
    """
    if not text:
        raise refused("empty")
    if "-----BEGIN" in text or "-----END" in text:
        raise refused("pem_text")
    if _BASE64.match(text) is None or len(text) % 4:
        raise refused(_code_of_bad_base64(text))
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise refused("not_base64") from None
    if _BASE64.match(decoded.decode("latin-1").strip()) and decoded[:2] in {b"MI", b"LS"}:
        raise refused("double_base64")
    return parse_private_key_der(decoded)


def refused(code: str) -> KeyRefused:
    """The refusal with this code and its sentence."""
    return KeyRefused(code, _SENTENCES[code])


def _code_of_bad_base64(text: str) -> str:
    if _BASE64.match(text) is None:
        if _BASE64.match("".join(text.split())):
            return "line_breaks"
        if _BASE64.match(text.replace("-", "+").replace("_", "/")):
            return "url_safe_base64"
    return "not_base64"


def _wrong_length(code: str, bits: int) -> KeyRefused:
    return KeyRefused(
        code,
        f"The RSA key has {bits} bits; SES and Mailseal take {MIN_BITS} to {MAX_BITS}. Make one: {_MAKE_ONE}",
    )


def _der_of_pem(pem: bytes) -> bytes:
    blocks = _PEM_BLOCK.findall(pem[:_MAX_BYTES])
    labels = [label for label, _ in blocks]
    if not blocks:
        raise refused("encrypted" if b"ENCRYPTED" in pem else "broken_pem")
    if b"OPENSSH PRIVATE KEY" in labels:
        raise refused("openssh")
    if b"EC PRIVATE KEY" in labels or b"DSA PRIVATE KEY" in labels:
        raise refused("not_rsa")
    if len(blocks) > 1 or pem.count(b"-----BEGIN") != 1:
        raise refused("many_pem_blocks")
    label, text = blocks[0]
    if label == b"ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in text:
        raise refused("encrypted")
    try:
        return binascii.a2b_base64(b"".join(text.split()), strict_mode=True)
    except binascii.Error:
        raise refused("broken_pem") from None


def _check_that_it_signs(key: PrivateKey, public: rsa.RSAPublicKey) -> None:
    digest = hashlib.sha256(b"self-test").digest()
    try:
        public.verify(key.sign_digest(digest), digest, _PADDING, _PREHASHED)
    except InvalidSignature:
        raise refused("inconsistent") from None
