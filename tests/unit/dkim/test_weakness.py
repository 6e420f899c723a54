"""Keys that are well formed and broken all the same."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mailseal.dkim.keys import PrivateKey, generate_private_key
from mailseal.dkim.weakness import weakness


def modulus(key: PrivateKey) -> int:
    public = serialization.load_der_public_key(key.spki)
    assert isinstance(public, rsa.RSAPublicKey)
    return public.public_numbers().n


def test_an_ordinary_key_has_no_known_weakness(key: PrivateKey, short_key: PrivateKey) -> None:
    assert weakness(modulus(key)) == weakness(modulus(short_key)) == ""
    for _ in range(5):
        assert weakness(modulus(generate_private_key(1024))) == ""


@pytest.mark.parametrize("prime", [2, 3, 743, 751])
def test_a_small_factor_is_found(key: PrivateKey, prime: int) -> None:
    assert weakness(modulus(key) * prime) == "small_factor"


@pytest.mark.parametrize("distance", [0, 2, 1 << 250])
def test_close_factors_are_found(distance: int) -> None:
    p = (1 << 511) + 0x1D5 * 65536 + 1  # needs not be prime for Fermat's method, only odd and coprime
    while any(p % small == 0 or (p + distance) % small == 0 for small in range(3, 752, 2)):
        p += 2
    assert weakness(p * (p + distance)) == "close_primes"


def test_the_pattern_of_the_infineon_library_is_found() -> None:
    primes = [n for n in range(2, 168) if all(n % d for d in range(2, n))]
    product = 1
    for prime in primes:
        product *= prime
    # p = k * M + 65537^a mod M is how that library made its primes; the product keeps the form
    p = product * (1 << 300) + pow(65537, 12345, product)
    q = product * ((1 << 301) + 12345) + pow(65537, 54321, product)
    while weakness(p * q) == "small_factor":
        p += product
    assert weakness(p * q) == "roca"
