"""The batch engine with lanes of the tests' own: when it signs at once, and what it does when one fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from mailseal.batch.engine import MOST_FAULTS, BatchEngine, self_test
from mailseal.batch.library import Unfit
from mailseal.dkim.keys import CrtNumbers, PrivateKey, generate_ed25519_key
from tests.fakes import pooled_key

KEYS = [pooled_key(number, 1024) for number in range(4)]
DIGESTS = [bytes([number]) * 32 for number in range(20)]
BY_NUMBERS = {key.crt_numbers(): key for key in KEYS}


class OpenSslLanes:
    """Lanes that sign as they should, save those that are told to fail."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.bad = bad
        self.sizes: list[int] = []

    def sign(self, jobs: Sequence[tuple[CrtNumbers, bytes]]) -> list[bytes | None]:
        self.sizes.append(len(jobs))
        return [
            None if lane in self.bad else BY_NUMBERS[numbers].sign_digest(digest)
            for lane, (numbers, digest) in enumerate(jobs)
        ]


def signed(
    lanes: OpenSslLanes, jobs: Sequence[tuple[PrivateKey, bytes]], counts: Counter[str] | None = None
) -> list[bytes]:
    """What the engine gives where all ask in one turn."""

    async def ask() -> list[bytes]:
        tally = Counter[str]() if counts is None else counts
        engine = BatchEngine({1024: lanes}, lambda name, count: tally.update({name: count}))
        return await asyncio.gather(*(engine.sign(key, digest) for key, digest in jobs))

    return asyncio.run(ask())


def jobs(count: int) -> list[tuple[PrivateKey, bytes]]:
    return [(KEYS[number % len(KEYS)], DIGESTS[number]) for number in range(count)]


def expected(wanted: Sequence[tuple[PrivateKey, bytes]]) -> list[bytes]:
    return [key.sign_digest(digest) for key, digest in wanted]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, []), (2, []), (3, [3]), (8, [8]), (9, [8]), (11, [8, 3]), (17, [8, 8])]
)
def test_what_waits_together_is_signed_together_where_that_pays(count: int, sizes: list[int]) -> None:
    lanes, counts = OpenSslLanes(), Counter[str]()
    assert signed(lanes, jobs(count), counts) == expected(jobs(count))
    assert lanes.sizes == sizes
    assert counts == Counter(batch=sum(sizes), openssl=count - sum(sizes))


def test_each_lane_that_fails_is_signed_again_by_openssl() -> None:
    lanes, counts = OpenSslLanes(frozenset((1, 4))), Counter[str]()
    assert signed(lanes, jobs(8), counts) == expected(jobs(8))
    assert counts == Counter(batch=6, again=2)


def test_after_too_many_faults_the_lanes_are_left_alone() -> None:
    async def ask() -> None:
        lanes = OpenSslLanes(frozenset(range(8)))
        engine = BatchEngine({1024: lanes})
        for _ in range(4):
            made = await asyncio.gather(*(engine.sign(key, digest) for key, digest in jobs(8)))
            assert made == expected(jobs(8))
        assert not engine.is_trusted
        assert lanes.sizes == [8] * (MOST_FAULTS // 8)

    asyncio.run(ask())


def test_clients_that_sign_one_after_the_other_fill_every_batch() -> None:
    async def ask() -> None:
        lanes = OpenSslLanes()
        engine = BatchEngine({1024: lanes})

        async def client(key: PrivateKey) -> None:
            for digest in DIGESTS:
                assert await engine.sign(key, digest) == key.sign_digest(digest)

        await asyncio.gather(*(client(KEYS[number % 4]) for number in range(8)))
        assert lanes.sizes == [8] * len(DIGESTS)

    asyncio.run(ask())


def test_a_client_that_went_away_takes_no_lane_and_hinders_nobody() -> None:
    async def ask() -> None:
        lanes = OpenSslLanes()
        engine = BatchEngine({1024: lanes})
        tasks = [asyncio.ensure_future(engine.sign(key, digest)) for key, digest in jobs(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        made = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(made.pop(2), asyncio.CancelledError)
        assert made == expected([one for number, one in enumerate(jobs(5)) if number != 2])
        assert lanes.sizes == [4]

    asyncio.run(ask())


def test_keys_that_the_lanes_do_not_know_are_signed_by_openssl() -> None:
    lanes, strangers = OpenSslLanes(), [pooled_key(0, 2048), generate_ed25519_key()]
    wanted = [(key, digest) for key in strangers for digest in DIGESTS[:5]]
    assert signed(lanes, wanted) == expected(wanted)
    assert lanes.sizes == []


def test_lanes_that_sign_otherwise_than_openssl_do_not_pass_the_self_test() -> None:
    self_test(OpenSslLanes(), KEYS)
    with pytest.raises(Unfit, match="not those of OpenSSL"):
        self_test(OpenSslLanes(frozenset((7,))), KEYS)
