"""A minimal walk over DER, to learn what a key file is before anything expensive touches it.

Rule: looks only at tags and lengths, never follows more than a handful of them, and needs microseconds for
any input.
References: RFC 8017 §A.1.1, RFC 8017 §A.1.2, RFC 5208 §5, RFC 5958 §2, RFC 5280 §4.1, RFC 5915 §3.
"""

from dataclasses import dataclass, field
from enum import StrEnum

SEQUENCE, INTEGER, OCTET_STRING, BIT_STRING, OID, EXPLICIT_0 = 0x30, 0x02, 0x04, 0x03, 0x06, 0xA0

_MOST_NUMBERS = 10
"""A key of two primes has nine parts."""

RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")


class Form(StrEnum):
    """What a DER document turns out to be."""

    PKCS1 = "pkcs1"
    PKCS8 = "pkcs8"
    NOT_RSA = "not_rsa"
    ENCRYPTED = "encrypted"
    PUBLIC_KEY = "public_key"
    CERTIFICATE = "certificate"
    TRAILING_BYTES = "trailing_bytes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a document; modulus and public exponent where it holds an RSA private key, else 0.

    `private` are the numbers behind those two: d, p, q, d mod p-1, d mod q-1, the inverse of q, and what
    follows where it is more than a key of two primes has.
    """

    form: Form
    modulus: int = 0
    exponent: int = 0
    private: tuple[int, ...] = field(default=(), repr=False)


class _Malformed(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class _Node:
    tag: int
    start: int
    stop: int


def parse_shape(der: bytes) -> Shape:
    """What `der` is, judged by its first tags; never raises."""
    try:
        outer = _node(der, 0, len(der))
        if outer.tag != SEQUENCE:
            return Shape(Form.UNKNOWN)
        if outer.stop != len(der):
            return Shape(Form.TRAILING_BYTES)
        return _shape_of(der, _children(der, outer, _MOST_NUMBERS))
    except _Malformed:
        return Shape(Form.UNKNOWN)


def parse_rsa_public_bits(spki: bytes) -> int:
    """The modulus length in bits of a SubjectPublicKeyInfo that holds an RSA key, or 0."""
    try:
        outer = _node(spki, 0, len(spki))
        parts = _children(spki, outer, 3)
        if outer.tag != SEQUENCE or outer.stop != len(spki) or _tags(parts) != (SEQUENCE, BIT_STRING):
            return 0
        if _algorithm(spki, parts[0]) != RSA_ENCRYPTION or spki[parts[1].start : parts[1].start + 1] != b"\0":
            return 0
        inner = _node(spki, parts[1].start + 1, parts[1].stop)
        numbers = _children(spki, inner, 3)
        if inner.tag != SEQUENCE or inner.stop != parts[1].stop or _tags(numbers) != (INTEGER, INTEGER):
            return 0
        return _integer(spki, numbers[0]).bit_length()
    except _Malformed:
        return 0


def _shape_of(der: bytes, parts: list[_Node]) -> Shape:
    tags = _tags(parts)
    if tags[:3] == (INTEGER, INTEGER, INTEGER):
        return _rsa_shape(Form.PKCS1, der, parts)
    if tags[:3] == (INTEGER, SEQUENCE, OCTET_STRING):
        return _pkcs8_shape(der, parts[1], parts[2])
    if tags[:2] == (INTEGER, OCTET_STRING):
        return Shape(Form.NOT_RSA)  # an EC private key, RFC 5915 §3
    if tags == (SEQUENCE, OCTET_STRING):
        return Shape(Form.ENCRYPTED)  # EncryptedPrivateKeyInfo, RFC 5958 §3
    if tags in {(SEQUENCE, BIT_STRING), (INTEGER, INTEGER)}:
        return Shape(Form.PUBLIC_KEY)
    if tags[:3] == (SEQUENCE, SEQUENCE, BIT_STRING):
        return Shape(Form.CERTIFICATE)  # or a request for one
    return Shape(Form.UNKNOWN)


def _pkcs8_shape(der: bytes, algorithm: _Node, octets: _Node) -> Shape:
    if _algorithm(der, algorithm) != RSA_ENCRYPTION:
        return Shape(Form.NOT_RSA)
    inner = _node(der, octets.start, octets.stop)
    numbers = _children(der, inner, _MOST_NUMBERS)
    if inner.stop != octets.stop:
        return Shape(Form.TRAILING_BYTES)
    if inner.tag != SEQUENCE or _tags(numbers)[:3] != (INTEGER, INTEGER, INTEGER):
        return Shape(Form.UNKNOWN)
    return _rsa_shape(Form.PKCS8, der, numbers)


def _rsa_shape(form: Form, der: bytes, parts: list[_Node]) -> Shape:
    """The shape of an RSAPrivateKey, RFC 8017 §A.1.2; parts that are no numbers count as 0."""
    rest = tuple(_integer(der, part) if part.tag == INTEGER else 0 for part in parts[3:])
    return Shape(form, _integer(der, parts[1]), _exponent(der, parts[2]), rest)


def _algorithm(der: bytes, node: _Node) -> bytes:
    first = _node(der, node.start, node.stop)
    return der[first.start : first.stop] if first.tag == OID else b""


def _tags(nodes: list[_Node]) -> tuple[int, ...]:
    return tuple(node.tag for node in nodes)


def _children(der: bytes, parent: _Node, at_most: int) -> list[_Node]:
    found: list[_Node] = []
    at = parent.start
    while at < parent.stop and len(found) < at_most:
        found.append(_node(der, at, parent.stop))
        at = found[-1].stop
    return found


def _node(der: bytes, at: int, end: int) -> _Node:
    if at + 2 > end:
        raise _Malformed
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 3 or start + count > end:  # indefinite, or over 16 MB
            raise _Malformed
        length = int.from_bytes(der[start : start + count], "big")
        start += count
        if length < 0x80 or length < 1 << (8 * (count - 1)):  # DER asks for the shortest form
            raise _Malformed
    if start + length > end:
        raise _Malformed
    return _Node(tag, start, start + length)


def _integer(der: bytes, node: _Node) -> int:
    return int.from_bytes(der[node.start : node.stop], "big", signed=True)


def _exponent(der: bytes, node: _Node) -> int:
    return _integer(der, node) if node.stop - node.start <= 8 else 0
