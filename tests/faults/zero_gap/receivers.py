"""The receivers: they verify each mail on arrival and at the end of its life, each look-up behind a cache.

Rule: a key comes from a random one of the caching resolvers, at the moment of the verification; a resolver
that does not answer, or SERVFAIL, is asked again for a while, as a receiver that defers does; any other
answer is final. A signature counts as good where dkimpy and OpenDKIM both say so.
References: RFC 6376 §6.1.2, RFC 6376 §6.3.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
from dns.rdatatype import RdataType

from tests.faults.zero_gap.program import RETAIN_S
from tests.faults.zero_gap.tally import Tally
from tests.peers.verifiers import Verifier

LIFE_S = 8.0
"""The life of a mail: verified once more so long after it was sent, well before its key is blanked."""
DEFERRED_AT_MOST_S = 12.0
_SIGNATURE = re.compile(rb"^DKIM-Signature:((?:.*\r\n[ \t])*.*)\r\n", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(rb"(?:^|;)\s*([ds])\s*=\s*([^;\s]+)")


@dataclass(frozen=True)
class Mail:
    """A mail as it arrived; `sent_at` is when its sending began, by the event loop's clock."""

    number: int
    domain: str
    raw: bytes
    sent_at: float

    def names(self) -> list[str]:
        """The owner names of the key records that its signatures name."""
        header = self.raw.partition(b"\r\n\r\n")[0] + b"\r\n"
        tags = [dict(_TAG.findall(b"".join(field.split()))) for field in _SIGNATURE.findall(header)]
        return [f"{one[b's'].decode()}._domainkey.{one[b'd'].decode()}".lower() for one in tags]


class Unanswered(Exception):
    """No resolver answered within the time that a receiver defers."""


class Receivers:
    """Receivers behind `resolvers`, ports on loopback, with verifiers of both kinds."""

    def __init__(
        self, resolvers: Sequence[int], verifiers: Sequence[Verifier], tally: Tally, chance: random.Random
    ) -> None:
        self._resolvers = resolvers
        self._tally = tally
        self._chance = chance
        # A verifier answers one line at a time: a thread for each keeps the order.
        lanes = [(verifier, ThreadPoolExecutor(1, verifier.name)) for verifier in verifiers]
        kinds = sorted({verifier.name for verifier in verifiers})
        self._lanes = {kind: itertools.cycle([one for one in lanes if one[0].name == kind]) for kind in kinds}
        self._threads = [threads for _, threads in lanes]

    def close(self) -> None:
        """Ends the threads; the verifiers are the caller's."""
        for threads in self._threads:
            threads.shutdown(cancel_futures=True)

    async def verify(self, mail: Mail, when: str) -> None:
        """Notes what both kinds of verifiers say of a mail at this moment."""
        names = mail.names()
        if not names:
            self._tally.fail("unsigned", f"{mail.domain}, mail {mail.number}")
            return
        for kind in self._lanes:
            await self._verify_by(kind, mail, names, when)

    async def _verify_by(self, kind: str, mail: Mail, names: list[str], when: str) -> None:
        loop = asyncio.get_running_loop()
        where = self._chance.choice(self._resolvers)
        try:
            found = {name: await self.key_text(name, where) for name in names}
        except Unanswered as fault:
            self._tally.fail("unanswered", f"{mail.domain}, mail {mail.number}, {when}: {fault}")
            return
        age = loop.time() - mail.sent_at
        if age > RETAIN_S:
            self._tally.add("late")
            return
        verifier, threads = next(self._lanes[kind])
        keys = {name: text for name, text in found.items() if text is not None}
        words = await loop.run_in_executor(threads, verifier.verify, mail.raw, keys)
        self._tally.add(f"verified_{when}")
        if not words or any(word != "pass" for word in words):
            told = f"{mail.domain}, mail {mail.number}, {when}, {age:.2f} s old, by {kind}: {words}; {found}"
            self._tally.fail("failing", told)

    async def key_text(self, name: str, where: int) -> str | None:
        """The text of a key record as one resolver gives it, None where it says that there is none."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DEFERRED_AT_MOST_S
        while loop.time() < until:
            told = await _ask(name, where)
            if told is not None and told.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return _text(told)
            self._tally.add("deferred")
            await asyncio.sleep(0.3)
        raise Unanswered(f"resolver {where} does not answer for {name}")

    async def poke(self, name: str) -> None:
        """Asks one resolver for a name, so that it has an answer in its cache, whatever that is."""
        await _ask(name, self._chance.choice(self._resolvers))
        self._tally.add("pokes")


async def _ask(name: str, where: int) -> dns.message.Message | None:
    query = dns.message.make_query(name, RdataType.TXT, use_edns=0, payload=1232)
    try:
        return await dns.asyncquery.udp(query, "127.0.0.1", port=where, timeout=2.0, ignore_unexpected=True)
    except (dns.exception.DNSException, OSError):
        return None


def _text(told: dns.message.Message) -> str | None:
    for rrset in told.answer:
        if rrset.rdtype == RdataType.TXT:
            return b"".join(rrset[0].strings).decode("latin-1")
    return None
