"""The batch engine: what wants to be signed in the same turn of the event loop is signed at once.

Rule: it is never the only way to a signature: too few jobs for a batch, a key that doesn't fit and a lane
that fails its check are signed by OpenSSL, one by one.
References: docs/decisions/0018-batches.md; RFC 8017 §8.2.1.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailseal.batch.lanes import LANES, Lanes
from mailseal.batch.library import Unfit, load_library
from mailseal.dkim.keys import CrtNumbers, PrivateKey, generate_private_key

PAYS_FROM = {1024: 3, 2048: 4}
"""Lengths in bits, and how many jobs must wait: a batch takes as long for one as for eight."""

MOST_FAULTS = 16
"""Lanes that may fail before the processor or the library is no longer believed in."""


class Batch(Protocol):
    """Signs up to eight digests, each by its own key, all keys of one length."""

    def sign(self, jobs: Sequence[tuple[CrtNumbers, bytes]]) -> list[bytes | None]: ...


@dataclass(frozen=True, slots=True)
class _Job:
    key: PrivateKey
    numbers: CrtNumbers
    digest: bytes
    signed: asyncio.Future[bytes | None]


def _nobody(engine: str, count: int) -> None:
    """Where nobody wants to know."""


class BatchEngine:
    """Signs digests with RSA keys of 1024 and 2048 bits; for one event loop."""

    def __init__(self, lanes: Mapping[int, Batch], on_signed: Callable[[str, int], None] = _nobody) -> None:
        """`on_signed` is told how many signatures were made by `batch`, by `openssl`, or `again` by it."""
        self._lanes = lanes
        self._waiting: dict[int, list[_Job]] = {bits: [] for bits in lanes}
        self._flushed = dict.fromkeys(lanes, 0)
        self._on_signed = on_signed
        self._faults = 0

    @property
    def is_trusted(self) -> bool:
        """False once too many lanes have failed: from then on everything is signed one by one."""
        return self._faults < MOST_FAULTS

    async def sign(self, key: PrivateKey, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest, no later than two turns of the event loop from now."""
        waiting = self._waiting.get(key.bits)
        numbers = key.crt_numbers() if waiting is not None and self.is_trusted else None
        if waiting is None or numbers is None:
            self._on_signed("openssl", 1)
            return key.sign_digest(digest)
        loop = asyncio.get_running_loop()
        job = _Job(key, numbers, digest, loop.create_future())
        waiting.append(job)
        if len(waiting) == LANES:
            self._flush(key.bits)
        elif len(waiting) == 1:
            # Two hops: after the first, what arrived from the network in this turn has not been looked at.
            loop.call_soon(loop.call_soon, self._flush_late, key.bits, self._flushed[key.bits])
        signature = await job.signed
        return key.sign_digest(digest) if signature is None else signature

    def _flush_late(self, bits: int, after: int) -> None:
        """The end of a turn, unless what waited then has been signed since."""
        if self._flushed[bits] == after:
            self._flush(bits)

    def _flush(self, bits: int) -> None:
        self._flushed[bits] += 1
        jobs = [job for job in self._waiting[bits] if not job.signed.done()]
        self._waiting[bits].clear()
        if not jobs:
            return
        if len(jobs) < PAYS_FROM[bits]:
            self._one_by_one(jobs, "openssl")
            return
        failed = []
        for job, signature in zip(jobs, self._batch(bits, jobs), strict=True):
            if signature is None:
                failed.append(job)
            else:
                job.signed.set_result(signature)
        if len(jobs) > len(failed):
            self._on_signed("batch", len(jobs) - len(failed))
        if failed:
            self._faults += len(failed)
            self._one_by_one(failed, "again")

    def _batch(self, bits: int, jobs: list[_Job]) -> list[bytes | None]:
        return self._lanes[bits].sign([(job.numbers, job.digest) for job in jobs])

    def _one_by_one(self, jobs: list[_Job], engine: str) -> None:
        """Each caller signs by itself, and raises what there is to raise."""
        for job in jobs:
            job.signed.set_result(None)
        self._on_signed(engine, len(jobs))


def open_engine(on_signed: Callable[[str, int], None] = _nobody) -> BatchEngine:
    """An engine that has passed its self-test, which takes 0.1 s; raises Unfit."""
    library = load_library()
    lanes = {bits: Lanes(library, bits) for bits in PAYS_FROM}
    for bits, one in lanes.items():
        self_test(one, [generate_private_key(bits)])
    return BatchEngine(lanes, on_signed)


def self_test(lanes: Lanes, keys: list[PrivateKey]) -> None:
    """Raises Unfit unless every lane signs as OpenSSL does, in full batches and in those with empty lanes."""
    for count in (LANES, LANES - 3, 1):
        chosen = [keys[lane % len(keys)] for lane in range(count)]
        digests = [hashlib.sha256(b"mailseal self-test %d" % lane).digest() for lane in range(count)]
        jobs = [
            (numbers, digest)
            for key, digest in zip(chosen, digests, strict=True)
            if (numbers := key.crt_numbers()) is not None
        ]
        expected = [key.sign_digest(digest) for key, digest in zip(chosen, digests, strict=True)]
        if lanes.sign(jobs) != expected:
            raise Unfit("its signatures are not those of OpenSSL")
