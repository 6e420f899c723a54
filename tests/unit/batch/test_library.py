"""The real lanes, where the processor has them, against OpenSSL; and what is said where it has not."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mailseal.batch.engine import BatchEngine, open_engine
from mailseal.batch.lanes import Lanes
from mailseal.batch.library import Unfit, empty_library, load_library
from mailseal.dkim.keys import CrtNumbers, PrivateKey
from tests.fakes import pooled_key

ON_X86_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"


def has_the_instructions() -> bool:
    """What the kernel says of the processor, which is not what the library is asked."""
    flags = Path("/proc/cpuinfo").read_text() if ON_X86_LINUX else ""
    return "avx512ifma" in flags or "avx_ifma" in flags


needs_lanes = pytest.mark.skipif(not has_the_instructions(), reason="the processor has no IFMA")


def numbers_of(key: PrivateKey) -> CrtNumbers:
    numbers = key.crt_numbers()
    assert numbers is not None
    return numbers


@needs_lanes
@pytest.mark.parametrize("bits", [1024, 2048])
def test_batches_of_every_size_and_of_different_keys_are_what_openssl_signs(bits: int) -> None:
    lanes = Lanes(load_library(), bits)
    for count in range(1, 9):
        keys = [pooled_key(number % 4, bits) for number in range(count)]
        digests = [os.urandom(32) for _ in keys]
        made = lanes.sign([(numbers_of(key), digest) for key, digest in zip(keys, digests, strict=True)])
        assert made == [key.sign_digest(digest) for key, digest in zip(keys, digests, strict=True)]


@needs_lanes
@pytest.mark.parametrize("part", ["p", "q", "exponent_p", "exponent_q", "coefficient", "modulus"])
def test_a_lane_with_one_wrong_bit_gives_nothing_and_its_neighbours_are_right(part: str) -> None:
    """The fault attack of Boneh, DeMillo and Lipton: a wrong signature by CRT gives the key away."""
    lanes, key, digest = Lanes(load_library(), 2048), pooled_key(0), bytes(32)
    numbers = numbers_of(key)
    octets = bytearray(getattr(numbers, part))
    octets[60] ^= 4
    broken = replace(numbers, **{part: bytes(octets)})
    made = lanes.sign([(numbers, digest), (broken, digest), (numbers, digest)])
    assert made == [key.sign_digest(digest), None, key.sign_digest(digest)]


@needs_lanes
def test_the_engine_opens_here_and_signs() -> None:
    async def ask() -> None:
        engine = open_engine()
        assert isinstance(engine, BatchEngine)
        keys = [pooled_key(number % 4) for number in range(20)]
        made = await asyncio.gather(*(engine.sign(key, bytes(32)) for key in keys))
        assert made == [key.sign_digest(bytes(32)) for key in keys]
        assert engine.is_trusted

    asyncio.run(ask())


def test_a_key_whose_first_prime_is_the_smaller_one_is_turned_round() -> None:
    numbers = rsa.generate_private_key(65537, 1024).private_numbers()
    p, q = sorted((numbers.p, numbers.q))
    turned = rsa.RSAPrivateNumbers(
        p, q, numbers.d, numbers.d % (p - 1), numbers.d % (q - 1), pow(q, -1, p), numbers.public_numbers
    )
    found = numbers_of(PrivateKey(turned.private_key()))
    assert (int.from_bytes(found.p, "little"), int.from_bytes(found.q, "little")) == (q, p)
    assert int.from_bytes(found.coefficient, "little") * p % q == 1


def test_a_key_of_an_odd_length_has_no_numbers_for_the_lanes() -> None:
    assert PrivateKey(rsa.generate_private_key(65537, 1100)).crt_numbers() is None


def test_the_numbers_of_a_key_are_not_printed() -> None:
    assert "p=" not in repr(numbers_of(pooled_key(0, 1024)))


@pytest.mark.skipif(not ON_X86_LINUX, reason="ELF for x86_64")
def test_an_empty_library_loads_under_its_name_and_defines_nothing(tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.write_bytes(empty_library("libmailseal_empty.so.7"))
    loaded = ctypes.CDLL(str(path), mode=os.RTLD_NOW)
    with pytest.raises(AttributeError):
        _ = loaded.anything


@pytest.mark.skipif(not ON_X86_LINUX, reason="other machines are told something else")
def test_without_the_package_there_is_a_sentence_and_no_engine() -> None:
    with pytest.raises(
        Unfit, match=r"mailseal-has-no-such is not installed: pip install \"mailseal\[batch\]\""
    ):
        load_library("mailseal-has-no-such")
    with pytest.raises(Unfit, match="cryptography has no libcrypto_mb"):
        load_library("cryptography")


def test_another_machine_is_told_at_once() -> None:
    with pytest.raises(Unfit, match="aarch64"):
        load_library(machine="aarch64")
