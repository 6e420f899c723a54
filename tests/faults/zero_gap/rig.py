"""The zero-gap rig: mail at a steady rate while keys rotate and methods change, and nobody's mail notices.

Rule: real clock, real caches, real verifiers; between Mailseal and the receivers is nothing of ours but the
customers' name server. What must not be is counted: mail unsigned, failing, refused, or lost.
References: RFC 6376 §3.6.2, RFC 2308 §5.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailseal.sandbox.customer_dns import start_customer_dns
from mailseal.sandbox.zones import CustomerZones
from mailseal.store.sqlite import _connect
from tests.fakes import HOSTED_ZONE, pooled_key
from tests.faults.test_server_crash import damage
from tests.faults.zero_gap.installation import Calls, Installation
from tests.faults.zero_gap.owners import POOLED, Owners
from tests.faults.zero_gap.receivers import Receivers
from tests.faults.zero_gap.story import Size, Story
from tests.faults.zero_gap.tally import Tally
from tests.peers import dns_daemons
from tests.peers.verifiers import KINDS, Verifier, all_running

LOOPBACK = "127.0.0.1"
UNBOUNDS = (
    "  msg-cache-size: 1m\n  rrset-cache-size: 2m\n",
    "  msg-cache-size: 2m\n  rrset-cache-size: 4m\n  prefetch: yes\n",
    "  msg-cache-size: 4m\n  rrset-cache-size: 8m\n  qname-minimisation: no\n",
)
"""Three resolvers that keep what they are told as long as it may be kept, each in its own manner."""
STAGGERED_S = 0.4
NEGATIVE_TTL = 5
"""Seconds for which a cache may keep that there is nothing; longer than two rounds of a check."""
COUNTED = (
    *("done_rotate", "done_own", "done_easy", "kills", "sent", "arrived", "verified_arrival", "verified_end"),
    *("pokes", "deferred", "broken", "late", "unanswered", "refused", "lost", "unsigned", "failing"),
    *("broke", "damage"),
)
NEVER = ("unanswered", "refused", "lost", "unsigned", "failing", "broke", "damage")

SHORT_PLANS = (("rotate", "own", "easy"), ("rotate", "rotate", "rotate"))
"""Three rotations in a row use a slot again, whose earlier key sits in caches."""
FULL_PLANS = (
    ("rotate", "rotate", "own", "easy", "rotate", "rotate"),
    ("rotate", "own", "easy", "rotate", "rotate", "rotate"),
    ("own", "easy", "rotate", "rotate", "rotate", "rotate"),
    ("rotate", "rotate", "rotate", "own", "easy", "rotate"),
    ("rotate", "rotate", "rotate", "rotate", "own", "easy"),
)
SHORT = Size(20, SHORT_PLANS, 25.0)
"""40 rotations, 20 switches."""
SHORT_KILLS = Size(8, SHORT_PLANS, 20.0, kills=10)
FULL = Size(50, FULL_PLANS, 30.0)
"""200 rotations, 100 switches."""
FULL_KILLS = Size(50, FULL_PLANS, 30.0, kills=60)


@dataclass(frozen=True)
class Outcome:
    """What came of a run: counts, sentences about what must not be, and the line for a machine."""

    tally: Tally
    line: str

    @property
    def never(self) -> dict[str, int]:
        """What must not be and was."""
        return {name: self.tally.counts[name] for name in NEVER if self.tally.counts[name]}


def run(folder: Path, size: Size, seed: int) -> Outcome:
    """The outcome of one run in a new folder."""
    for number in range(POOLED):
        pooled_key(number, 1024)
    began, tally = time.monotonic(), Tally()
    place = asyncio.run(_run(folder, size, random.Random(seed), tally))
    for sentence in (*place.faults(), *damage(place.database), *two_active(place.database)):
        tally.fail("damage", sentence)
    more = {
        "domains": size.domains,
        "seed": seed,
        **events_of(place.database),
        "longest_start_s": round(max(place.starts), 2),
        "seconds": round(time.monotonic() - began, 1),
    }
    return Outcome(tally, tally.line("zero-gap-kill" if size.kills else "zero-gap", COUNTED, **more))


async def _run(folder: Path, size: Size, chance: random.Random, tally: Tally) -> Installation:
    zones, our_dns = CustomerZones(negative_ttl=NEGATIVE_TTL), dns_daemons.free_port()
    customers = await start_customer_dns(zones, (LOOPBACK, 0), {HOSTED_ZONE: (LOOPBACK, our_dns)})
    place = Installation(folder, customers.address[1], dns=our_dns)
    await place.install()
    calls = Calls(place.api, lambda: tally.add("broken"))
    outside = ExitStack()
    try:
        await asyncio.to_thread(place.start)
        # In a thread, since what the resolvers ask at their start is answered by this loop.
        ports = await asyncio.to_thread(outside.enter_context, caches(folder, place))
        receivers = Receivers(ports, outside.enter_context(verifiers()), tally, chance)
        outside.callback(receivers.close)
        owners = Owners(calls, zones, tally, chance)
        await Story(size, place, calls, receivers, owners, tally, chance).tell()
    finally:
        calls.close()
        await asyncio.to_thread(place.stop)
        await asyncio.to_thread(outside.close)
        await customers.close()
    return place


@contextmanager
def caches(folder: Path, place: Installation) -> Iterator[list[int]]:
    """The ports of three Unbounds, started one after the other."""
    forwards = {"test": place.customers, HOSTED_ZONE: place.dns}
    with ExitStack() as stack:
        ports = []
        for number, manner in enumerate(UNBOUNDS):
            own = folder / f"unbound{number}"
            own.mkdir()
            more = f"{manner}  cache-max-negative-ttl: 3600\n"
            ports.append(stack.enter_context(dns_daemons.unbound(own, forwards, more)))
            time.sleep(STAGGERED_S)
        yield ports


@contextmanager
def verifiers() -> Iterator[list[Verifier]]:
    """Two of dkimpy, which is slow, and one of OpenDKIM."""
    kinds = {kind.name: kind for kind in KINDS}
    with all_running((kinds["dkimpy"], kinds["dkimpy"], kinds["opendkim"])) as running:
        yield running


def two_active(database: Path) -> list[str]:
    """Domains with more than one key that signs, or more than one that is next."""
    connection = _connect(database)
    rows = connection.execute(
        "SELECT domain, state, count(*) FROM slots WHERE state IN ('ACTIVE', 'NEXT')"
        " GROUP BY account_id, region, domain, state HAVING count(*) > 1"
    ).fetchall()
    connection.close()
    return [f"{count} slots of {domain} are {state}" for domain, state, count in rows]


def events_of(database: Path) -> dict[str, int]:
    """By the timelines: how often another slot began to sign, and how often another method did."""
    connection = _connect(database)
    counted = dict(connection.execute("SELECT kind, count(*) FROM events GROUP BY kind").fetchall())
    [(first,)] = connection.execute("SELECT count(*) FROM identities").fetchall()
    connection.close()
    return {"rotations": counted.get("switch", 0), "switches": counted.get("signing", 0) - first}
