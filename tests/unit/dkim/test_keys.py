"""Private keys: which are taken, and that a refusal names the mistake and nothing of the key."""

import base64
import copy
import hashlib
import pickle
import time
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailseal.dkim.keys import (
    KeyRefused,
    PrivateKey,
    decode_ses_private_key,
    generate_private_key,
    load_private_key,
    load_trusted_key,
)

DER, PEM = Encoding.DER, Encoding.PEM
PKCS1, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


@pytest.fixture(scope="session")
def loose(short_key: PrivateKey) -> rsa.RSAPrivateKey:
    loaded = serialization.load_der_private_key(short_key.to_pkcs8(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def code_of(material: bytes) -> str:
    with pytest.raises(KeyRefused) as refusal:
        load_private_key(material)
    return refusal.value.code


def ses_code_of(member: str) -> str:
    with pytest.raises(KeyRefused) as refusal:
        decode_ses_private_key(member)
    assert member[8:40] not in str(refusal.value)
    return refusal.value.code


def der_integer(value: int) -> bytes:
    octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return der(0x02, octets)


def der(tag: int, content: bytes) -> bytes:
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def pkcs1_of(p: int, q: int, e: int = 65537) -> bytes:
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return der(0x30, b"".join(der_integer(number) for number in numbers))


def prime_after(start: int) -> int:
    candidate = start + 1 - start % 2
    while candidate == start or pow(2, candidate - 1, candidate) != 1 or candidate % 65537 == 1:
        candidate += 2
    return candidate


@pytest.mark.parametrize("form", [PKCS1, PKCS8])
@pytest.mark.parametrize("encoding", [DER, PEM])
def test_both_forms_in_both_encodings_are_the_same_key(
    loose: rsa.RSAPrivateKey, short_key: PrivateKey, form: PrivateFormat, encoding: Encoding
) -> None:
    octets = loose.private_bytes(encoding, form, NoEncryption())
    assert load_private_key(octets).spki == short_key.spki
    assert load_private_key(decode_ses_private_key(text(octets))).spki == short_key.spki


def test_a_signature_of_a_digest_is_the_signature_of_the_text(loose: rsa.RSAPrivateKey) -> None:
    key = load_private_key(loose.private_bytes(DER, PKCS8, NoEncryption()))
    signature = key.sign_digest(hashlib.sha256(b"text").digest())
    loose.public_key().verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())
    assert len(signature) * 8 == key.bits == 1024


def test_the_public_half_and_its_hash_are_those_of_the_key(loose: rsa.RSAPrivateKey) -> None:
    key = load_trusted_key(loose.private_bytes(DER, PKCS8, NoEncryption()))
    assert key.spki == loose.public_key().public_bytes(DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.spki_sha256 == hashlib.sha256(key.spki).digest()


def test_a_key_goes_through_pkcs8_and_back(short_key: PrivateKey) -> None:
    assert load_trusted_key(short_key.to_pkcs8()).to_pkcs8() == short_key.to_pkcs8()


@pytest.mark.parametrize("bits", [1024, 1032, 1536, 2048])
def test_every_length_from_1024_to_2048_is_taken(bits: int) -> None:
    assert load_private_key(generate_private_key(bits).to_pkcs8()).bits == bits


def test_nothing_of_a_key_is_in_its_text(short_key: PrivateKey) -> None:
    assert repr(short_key) == str(short_key) == f"{short_key}" == "<PrivateKey of 1024 bits>"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(short_key)


@pytest.mark.parametrize(("bits", "code"), [(1016, "too_short"), (3072, "too_long"), (4096, "too_long")])
def test_other_lengths_are_refused_by_their_number(bits: int, code: str) -> None:
    modulus = (1 << (bits - 1)) + 1
    fake = der(0x30, der_integer(0) + der_integer(modulus) + der_integer(65537) + b"\x02\x01\x05" * 6)
    with pytest.raises(KeyRefused, match=f"has {bits} bits") as refusal:
        load_private_key(fake)
    assert refusal.value.code == code


def test_a_key_of_8192_bits_is_refused_before_it_costs_anything() -> None:
    fake = der(
        0x30, der_integer(0) + der_integer((1 << 8191) + 1) + der_integer(65537) + der_integer(1 << 8190) * 6
    )
    member = text(fake)
    started = time.perf_counter()
    for _ in range(20):
        assert ses_code_of(member) == "too_long"
    assert (time.perf_counter() - started) / 20 < 0.1  # loading such a key takes five seconds


def test_other_algorithms_are_not_rsa() -> None:
    others = (
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    for other in others:
        assert code_of(other.private_bytes(DER, PKCS8, NoEncryption())) == "not_rsa"
        assert code_of(other.private_bytes(PEM, PKCS8, NoEncryption())) == "not_rsa"
    curve = others[0]
    assert code_of(curve.private_bytes(DER, PKCS1, NoEncryption())) == "not_rsa"
    assert code_of(curve.private_bytes(PEM, PKCS1, NoEncryption())) == "not_rsa"
    assert code_of(dsa.generate_private_key(1024).private_bytes(DER, PKCS8, NoEncryption())) == "not_rsa"


def test_an_openssh_key_is_called_one() -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    assert code_of(other.private_bytes(PEM, PrivateFormat.OpenSSH, NoEncryption())) == "openssh"


@pytest.mark.parametrize("encoding", [DER, PEM])
def test_an_encrypted_key_is_called_encrypted(loose: rsa.RSAPrivateKey, encoding: Encoding) -> None:
    octets = loose.private_bytes(encoding, PKCS8, BestAvailableEncryption(b"secret"))
    assert code_of(octets) == "encrypted"
    assert ses_code_of(text(octets)) == "encrypted"


def test_an_encrypted_key_in_the_old_pem_form_is_called_encrypted(loose: rsa.RSAPrivateKey) -> None:
    assert code_of(loose.private_bytes(PEM, PKCS1, BestAvailableEncryption(b"secret"))) == "encrypted"


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
@pytest.mark.parametrize("encoding", [DER, PEM])
def test_a_public_key_is_called_public(
    loose: rsa.RSAPrivateKey, form: PublicFormat, encoding: Encoding
) -> None:
    assert code_of(loose.public_key().public_bytes(encoding, form)) == "public_key"


def test_a_certificate_is_called_a_certificate() -> None:
    body = der(0x30, der(0x30, der_integer(1)) + der(0x30, b"\x06\x01\x01") + der(0x03, b"\0\0"))
    assert code_of(body) == "certificate"
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(body) + b"-----END CERTIFICATE-----\n"
    assert code_of(pem) == "certificate"


def test_bytes_after_the_key_are_refused(loose: rsa.RSAPrivateKey) -> None:
    for form in (PKCS1, PKCS8):
        octets = loose.private_bytes(DER, form, NoEncryption())
        assert code_of(octets + b"\0") == "trailing_bytes"
        assert code_of(octets[:-1]) == "not_a_key"
    inner = loose.private_bytes(DER, PKCS1, NoEncryption())
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    wrapped = der(0x30, der_integer(0) + algorithm + der(0x04, inner))
    assert load_private_key(wrapped).bits == 1024
    assert code_of(der(0x30, der_integer(0) + algorithm + der(0x04, inner + b"\0"))) == "trailing_bytes"


@pytest.mark.parametrize(
    "material", [b"", b" \n", b"0", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"nonsense" * 99]
)
def test_what_is_no_key_at_all_is_refused_without_a_crash(material: bytes) -> None:
    assert code_of(material) in {"empty", "not_a_key"}


def test_every_prefix_and_every_changed_octet_gives_a_key_or_a_refusal(loose: rsa.RSAPrivateKey) -> None:
    octets = loose.private_bytes(DER, PKCS8, NoEncryption())
    for at in range(60):
        for changed in (octets[:at], octets[:at] + bytes([octets[at] ^ 0x41]) + octets[at + 1 :]):
            with suppress(KeyRefused):
                assert load_private_key(changed).bits == 1024


def test_numbers_that_do_not_belong_together_are_refused(loose: rsa.RSAPrivateKey) -> None:
    octets = bytearray(loose.private_bytes(DER, PKCS1, NoEncryption()))
    octets[-3] ^= 1
    assert code_of(bytes(octets)) == "inconsistent"


def test_another_public_exponent_is_refused() -> None:
    other = rsa.generate_private_key(public_exponent=3, key_size=1024)
    assert code_of(other.private_bytes(DER, PKCS8, NoEncryption())) == "bad_exponent"


def test_weak_keys_are_refused_before_they_are_loaded() -> None:
    p = prime_after(3 << 510)
    assert code_of(pkcs1_of(p, prime_after(p))) == "close_primes"
    assert code_of(pkcs1_of(prime_after(3 << 1014), 751)) == "small_factor"


def test_pem_with_more_than_the_key_is_refused(loose: rsa.RSAPrivateKey) -> None:
    pem = loose.private_bytes(PEM, PKCS8, NoEncryption())
    assert code_of(pem + pem) == "many_pem_blocks"
    assert code_of(pem.replace(b"-----END PRIVATE KEY-----", b"")) == "broken_pem"
    assert code_of(pem.replace(b"M", b"!", 1)) == "broken_pem"


def test_each_way_to_get_the_ses_member_wrong_has_its_name(loose: rsa.RSAPrivateKey) -> None:
    octets = loose.private_bytes(DER, PKCS8, NoEncryption())
    pem = loose.private_bytes(PEM, PKCS8, NoEncryption()).decode()
    member = text(octets)
    assert decode_ses_private_key(member) == octets
    assert ses_code_of(pem) == "pem_text"
    assert ses_code_of(pem.replace("-----BEGIN PRIVATE KEY-----\n", "")) == "pem_text"
    assert ses_code_of(text(member.encode())) == "double_base64"
    assert ses_code_of(text(text(pem.encode()).encode())) == "double_base64"
    assert ses_code_of(member[:64] + "\n" + member[64:]) == "line_breaks"
    assert ses_code_of(base64.urlsafe_b64encode(b"\xff\xef" * 300).decode()) == "url_safe_base64"
    assert ses_code_of(member[: len(member) // 4 * 4 - 7]) == "not_base64"
    assert ses_code_of("{" + member + "}") == "not_base64"
    assert ses_code_of(member[: len(member) // 4 * 4 - 4] + "=") == "not_base64"
    with pytest.raises(KeyRefused, match="empty"):
        decode_ses_private_key("")


def test_a_sentence_says_what_to_do_and_shows_nothing_of_the_key(loose: rsa.RSAPrivateKey) -> None:
    pem = loose.private_bytes(PEM, PKCS8, NoEncryption()).decode()
    with pytest.raises(KeyRefused) as refusal:
        decode_ses_private_key(pem)
    assert "openssl pkey -in FILE -outform DER | base64 -w0" in str(refusal.value)
    assert "MII" not in str(refusal.value)
