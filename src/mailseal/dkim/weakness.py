"""RSA keys that are well formed and yet can be broken: small factors, close primes, the ROCA pattern.

Rule: each check is one that a public attack needs no more than minutes for; strength by length is not judged
here.
References: RFC 8301 §3.2, NIST SP 800-56B, CVE-2017-15361 (ROCA).
"""

import math

_FERMAT_ROUNDS = 110
_SMALL_PRIMES_BELOW = 752


def weakness(n: int) -> str:
    """The code of what is wrong with the modulus, or the empty string: small_factor, close_primes, roca."""
    if math.gcd(n, _PRIMORIAL) != 1:
        return "small_factor"
    if _has_close_factors(n):
        return "close_primes"
    if _has_roca_pattern(n):
        return "roca"
    return ""


def _primes_below(limit: int) -> list[int]:
    return [n for n in range(2, limit) if all(n % d for d in range(2, math.isqrt(n) + 1))]


def _has_close_factors(n: int) -> bool:
    """Fermat's method: n = a² - b² is found at once when the primes are close together."""
    a = math.isqrt(n - 1) + 1
    for _ in range(_FERMAT_ROUNDS):
        square = a * a - n
        if math.isqrt(square) ** 2 == square:
            return True
        a += 1
    return False


def _powers(prime: int) -> frozenset[int]:
    seen, value = set(), 1
    while value not in seen:
        seen.add(value)
        value = value * 65537 % prime
    return frozenset(seen)


_PRIMORIAL = math.prod(_primes_below(_SMALL_PRIMES_BELOW))

# Keys of the flawed library are powers of 65537 modulo each of its primes; where 65537 generates
# everything, membership says nothing, so only the telling primes are kept.
_ROCA_TRACES = tuple(
    (prime, powers) for prime in _primes_below(168)[1:] if len(powers := _powers(prime)) < prime - 1
)


def _has_roca_pattern(n: int) -> bool:
    return all(n % prime in powers for prime, powers in _ROCA_TRACES)
