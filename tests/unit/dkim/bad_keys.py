"""Some hundred private keys that must not be taken, each with the code of what is wrong; from a fixed seed.

Where a number only has to look like a prime it is not one: what is judged before loading needs no more.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import gcd, prod

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from mailseal.dkim.weakness import weakness
from tests.fakes import pooled_key
from tests.unit.dkim.test_keys import der, der_integer

E = 65537
PEM, DER = Encoding.PEM, Encoding.DER
RSA_OID = bytes.fromhex("300d06092a864886f70d0101010500")
_SMALL = [n for n in range(3, 752) if all(n % d for d in range(2, n))]


@dataclass(frozen=True)
class BadKey:
    """One of them: a file's bytes, or the text of SES's member."""

    label: str
    code: str
    material: bytes | str = field(repr=False)


def bad_keys() -> list[BadKey]:
    """All of them."""
    chance = random.Random(20261123)
    return [
        *of_wrong_length(chance),
        *of_wrong_exponent(chance),
        *weak(chance),
        *inconsistent(chance),
        *other_things(),
        *damaged(chance),
        *wrongly_written(),
    ]


def pkcs1(*numbers: int, version: int = 0) -> bytes:
    """An RSAPrivateKey of these numbers."""
    return der(0x30, b"".join(integer(number) for number in (version, *numbers)))


def integer(value: int) -> bytes:
    if value >= 0:
        return der_integer(value)
    return der(0x02, value.to_bytes((8 + (value + 1).bit_length()) // 8, "big", signed=True))


def pkcs8(inner: bytes) -> bytes:
    """The same as a PrivateKeyInfo."""
    return der(0x30, der_integer(0) + RSA_OID + der(0x04, inner))


def as_pem(octets: bytes, label: str) -> bytes:
    body = base64.encodebytes(octets).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def wrapped(octets: bytes) -> Iterator[tuple[str, bytes | str]]:
    """A PKCS#1 key in the forms in which people send it."""
    yield "pkcs1", octets
    yield "pkcs8", pkcs8(octets)
    yield "pkcs1 pem", as_pem(octets, "RSA PRIVATE KEY")
    yield "pkcs8 base64", base64.b64encode(pkcs8(octets)).decode()


def numbers_of(p: int, q: int, e: int = E) -> tuple[int, ...]:
    """The numbers of a key of two primes, or of what looks like them."""
    d = pow(e, -1, (p - 1) * (q - 1))
    return p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def fitting(value: int, other: int = 1) -> int:
    """The next odd number without small factors that goes with e = 65537."""
    value |= 1
    while any(value % s == 0 for s in _SMALL) or gcd(E, value - 1) != 1 or gcd(value, other) != 1:
        value += 2
    return value


def looks_prime(chance: random.Random, bits: int, other: int = 1) -> int:
    return fitting(chance.getrandbits(bits) | 3 << (bits - 2), other)


def of_wrong_length(chance: random.Random) -> Iterator[BadKey]:
    """Lengths that SES and we do not take."""
    for bits in (8, 256, 512, 768, 1000, 1016, 1023, 2049, 2056, 2560, 3072, 4096, 8192, 16384):
        n = chance.getrandbits(bits) | 1 << (bits - 1) | 1
        code = "too_short" if bits < 1024 else "too_long"
        for form, material in wrapped(pkcs1(n, E, n // 3, n // 5, 5, 7, 7, 3)):
            yield BadKey(f"{bits} bits, {form}", code, material)


def of_wrong_exponent(chance: random.Random) -> Iterator[BadKey]:
    """Exponents that no signer uses."""
    n = looks_prime(chance, 512) * looks_prime(chance, 512)
    for e in (-65537, 0, 1, 2, 3, 5, 17, 257, 65535, 65536, 65539, 1 << 32 | 1, (1 << 512) | 1):
        for form, material in wrapped(pkcs1(n, e, n // 3, 3, 3, 3, 3, 3)):
            yield BadKey(f"e = {e}, {form}", "bad_exponent", material)


def weak(chance: random.Random) -> Iterator[BadKey]:
    """Keys that fall to public attacks."""
    for factor in (2, *_SMALL[::4]):
        n = (chance.getrandbits(1040) | 1 << 1039 | 1) * factor
        yield BadKey(f"divisible by {factor}", "small_factor", pkcs1(n, E, 3, 3, 3, 3, 3, 3))
    for exponent in (0, 1, 2, 8, 16, 32, 64, 128, 200, 240, 256, 300, 400, 411):
        for bits in (512, 1024):
            p = looks_prime(chance, bits)
            q = p if exponent == 0 else fitting(p + (1 << exponent), p)
            numbers = numbers_of(p, q) if p != q else (p * p, E, 3, p, p, 3, 3, 3)
            yield BadKey(f"p and q 2^{exponent} apart, {bits} bits", "close_primes", pkcs1(*numbers))
    for length in (40, 100, 200, 300, 400):
        p, q = looks_prime(chance, 1024 - length), looks_prime(chance, length)
        yield BadKey(f"a prime of {length} bits", "uneven_primes", pkcs1(*numbers_of(p, q)))
    for number in range(12):
        yield BadKey(f"Infineon's pattern {number}", "roca", pkcs1(infineon(chance), E, 3, 3, 3, 3, 3, 3))
    for version in (0, 1):
        numbers = numbers_of(looks_prime(chance, 512), looks_prime(chance, 512))
        third = der(0x30, der(0x30, integer(3) + integer(5) + integer(7)))
        octets = der(0x30, b"".join(integer(n) for n in (version, *numbers)) + third)
        yield BadKey(f"three primes, version {version}", "multi_prime", octets)


def infineon(chance: random.Random) -> int:
    """A modulus of primes k * M + 65537^a mod M, as that library made them."""
    m = prod([2, *[n for n in _SMALL if n < 168]])
    while True:
        p, q = (
            m * (chance.getrandbits(299) | 1 << 298) + pow(E, chance.randrange(1, 1 << 20), m)
            for _ in range(2)
        )
        if weakness(p * q) == "roca":
            return p * q


def inconsistent(chance: random.Random) -> Iterator[BadKey]:
    """Numbers that do not belong together, some of them chosen to keep a loader busy for hours."""
    key = load_der_private_key(pooled_key(0, 1024).to_pkcs8(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    held = key.private_numbers()
    right = [held.public_numbers.n, E, held.d, held.p, held.q, held.dmp1, held.dmq1, held.iqmp]
    names = ("n", "e", "d", "p", "q", "d mod p-1", "d mod q-1", "inverse of q")
    wrongs = {
        "one more": lambda v: v + 1,
        "two less": lambda v: v - 2,
        "nothing": lambda v: 0,
        "one": lambda v: 1,
        "negative": lambda v: -v,
        "of 20,000 bits": lambda v: (1 << 19999) + v,
        "a prime of 9,941 bits": lambda v: (1 << 9941) - 1,
    }
    for position in range(2, 8):
        for what, wrong in wrongs.items():
            numbers = [*right]
            numbers[position] = wrong(numbers[position])
            for form, octets in (("pkcs1", pkcs1(*numbers)), ("pkcs8", pkcs8(pkcs1(*numbers)))):
                yield BadKey(f"{names[position]} is {what}, {form}", "inconsistent", octets)
    yield BadKey("n is negative", "inconsistent", pkcs1(-right[0], *right[1:]))
    for missing in range(3, 8):
        yield BadKey(f"ends before {names[missing]}", "inconsistent", pkcs1(*right[:missing]))
    for number in range(6):
        p = looks_prime(chance, 520)
        composite = looks_prime(chance, 256) * looks_prime(chance, 256)
        composite = composite if gcd(E, composite - 1) == 1 else fitting(composite)
        yield BadKey(f"a prime that is none, {number}", "inconsistent", pkcs1(*numbers_of(p, composite)))


def other_things() -> Iterator[BadKey]:
    """Whole documents of another kind."""
    key = load_der_private_key(pooled_key(1, 1024).to_pkcs8(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    curves = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()]
    others = {
        **{f"EC {curve.name}": ec.generate_private_key(curve) for curve in curves},
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
        "Ed448": ed448.Ed448PrivateKey.generate(),
        "X25519": x25519.X25519PrivateKey.generate(),
        "DSA": dsa.generate_private_key(1024),
    }
    name_of = {
        DER: "DER",
        PEM: "PEM",
        PublicFormat.PKCS1: "PKCS#1",
        PublicFormat.SubjectPublicKeyInfo: "SPKI",
    }
    nothing, locked = NoEncryption(), BestAvailableEncryption(b"secret")
    for name, other in others.items():
        for encoding in (DER, PEM):
            octets = other.private_bytes(encoding, PrivateFormat.PKCS8, nothing)
            yield BadKey(f"{name} {name_of[encoding]}", "not_rsa", octets)
        public = other.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)
        yield BadKey(f"public {name}", "public_key", public)
        sealed = other.private_bytes(DER, PrivateFormat.PKCS8, locked)
        yield BadKey(f"encrypted {name}", "encrypted", sealed)
    for curve in curves:
        other = ec.generate_private_key(curve)
        for encoding in (DER, PEM):
            octets = other.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, nothing)
            yield BadKey(f"EC {curve.name} in the old form, {name_of[encoding]}", "not_rsa", octets)
    for encoding in (DER, PEM):
        octets = key.private_bytes(encoding, PrivateFormat.PKCS8, locked)
        yield BadKey(f"encrypted RSA {name_of[encoding]}", "encrypted", octets)
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
            public = key.public_key().public_bytes(encoding, form)
            yield BadKey(f"public RSA {name_of[form]} {name_of[encoding]}", "public_key", public)
    old = key.private_bytes(PEM, PrivateFormat.TraditionalOpenSSL, locked)
    yield BadKey("encrypted RSA in the old form", "encrypted", old)
    yield BadKey("OpenSSH RSA", "openssh", key.private_bytes(PEM, PrivateFormat.OpenSSH, nothing))
    body = der(0x30, der(0x30, der_integer(1) + RSA_OID) + RSA_OID + der(0x03, b"\0" + bytes(128)))
    for label in ("CERTIFICATE", "CERTIFICATE REQUEST", "X509 CRL"):
        yield BadKey(label, "certificate", as_pem(body, label))
    yield BadKey("certificate in DER", "certificate", body)


def damaged(chance: random.Random) -> Iterator[BadKey]:
    """A good key with something cut off, put behind it or lost on the way."""
    good = pooled_key(2, 1024).to_pkcs8()
    key = load_der_private_key(good, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    old = key.private_bytes(DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    pem = key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    for length in (1, 2, 3, 16, 100, 1000):
        for form, octets in (("pkcs8", good), ("pkcs1", old)):
            yield BadKey(f"{length} octets behind it, {form}", "trailing_bytes", octets + bytes(length))
    for length in range(1, len(good), 29):
        yield BadKey(f"cut at {length}", "not_a_key", good[:length])
    for number in range(20):
        yield BadKey(f"noise {number}", "not_a_key", b"\x31" + chance.randbytes(20 * number + 1))
    yield BadKey("nothing", "empty", b"")
    yield BadKey("blanks", "empty", b" \r\n")
    yield BadKey("two keys", "many_pem_blocks", pem + pem)
    yield BadKey("key and certificate", "many_pem_blocks", pem + as_pem(b"0\0", "CERTIFICATE"))
    yield BadKey("no END", "broken_pem", pem[: pem.index(b"-----END")])
    yield BadKey("END of another", "broken_pem", pem.replace(b"END PRIVATE", b"END RSA PRIVATE"))
    yield BadKey("a stray character", "broken_pem", pem.replace(b"\n", b"\n*", 3))
    yield BadKey("cut in a line", "broken_pem", pem[:101] + pem[102:])


def wrongly_written() -> Iterator[BadKey]:
    """A good key, written otherwise than SES's member wants it."""
    good = pooled_key(3, 1024).to_pkcs8()
    text = base64.b64encode(good).decode()
    pem = as_pem(good, "PRIVATE KEY").decode()
    urlsafe = text.replace("+", "-").replace("/", "_")
    twice = base64.b64encode(text.encode()).decode()
    yield BadKey("PEM text", "pem_text", pem)
    yield BadKey("PEM text in one line", "pem_text", pem.replace("\n", ""))
    yield BadKey("PEM text with \\n", "pem_text", pem.replace("\n", "\\n"))
    yield BadKey("PEM without its first line", "pem_text", pem.partition("\n")[2])
    yield BadKey("base64 twice", "double_base64", twice)
    yield BadKey(
        "base64 thrice of PEM", "double_base64", base64.b64encode(base64.b64encode(pem.encode())).decode()
    )
    for width in (64, 72, 76, 100):
        lines = [text[at : at + width] for at in range(0, len(text), width)]
        for name, end in (("LF", "\n"), ("CRLF", "\r\n"), ("blank", " "), ("tab", "\t")):
            yield BadKey(f"lines of {width}, {name}", "line_breaks", end.join(lines))
    yield BadKey("URL-safe", "url_safe_base64", urlsafe if urlsafe != text else text[:-4] + "-_-_")
    yield BadKey("final LF", "line_breaks", text + "\n")
    for name, wrong in (
        ("one character short", text.rstrip("=")[:-1]),
        ("quoted", f'"{text}"'),
        ("a data URL", f"data:;base64,{text}"),
        ("a comma", text[:100] + "," + text[100:]),
        ("NUL", text + "\0"),
        ("not ASCII", text[:100] + "é" + text[101:]),
        ("padding in the middle", text[:100] + "=" + text[101:]),
    ):
        yield BadKey(name, "not_base64", wrong)
    yield BadKey("hexadecimal", "not_a_key", good.hex() + "0" * (-len(good.hex()) % 4))
    yield BadKey("no member", "empty", "")
