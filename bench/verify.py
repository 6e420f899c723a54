"""A whole check of an Easy DKIM identity, both stages against servers on loopback, beside dnspython.

Prints `name value unit ratio=<x> of=<what>`: checks a second of this process's CPU; the peer asks the same
seven questions, in turn with us, medians of five. `--long` takes four times as long.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.asyncquery
import dns.message
import uvloop
from _child import child

from mailseal.core.observations import Outcome, Question, RecordType
from mailseal.resolver.asking import DnsResolver

CHILD = Path(__file__).resolve().parent / "_dns_child.py"
ROUNDS, AT_ONCE = 5, 32
IDENTITIES = 2000 if "--long" in sys.argv else 500


def main() -> int:
    """The exit code: 0 when it was measured."""
    with child([sys.executable, str(CHILD), "world"]) as world:
        uvloop.run(show_verify(int(world.stdout.readline())))
    return 0


async def show_verify(port: int) -> None:
    """Whole checks of Easy identities, three aliases each, beside dnspython asking the same questions."""
    resolver = DnsResolver([f"udp://127.0.0.1:{port}"], allow_networks=["127.0.0.0/8"], port=port)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(await rate(lambda number: check(resolver, number)))
        theirs.append(await rate(lambda number: ask_with_dnspython(port, number)))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"verify.easy {mine:.0f} identities/s/core ratio={mine / peer:.2f} of=dnspython peer={peer:.0f}")


async def rate(one: Callable[[int], Awaitable[None]]) -> float:
    """Checks a second of this process's CPU."""
    numbers = iter(range(IDENTITIES))

    async def work() -> None:
        for number in numbers:
            await one(number)

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return IDENTITIES / (time.process_time() - began)


def names_of(number: int) -> list[str]:
    return [f"{number:029d}{slot:03d}._domainkey.customer{number}.example" for slot in range(3)]


async def check(resolver: DnsResolver, number: int) -> None:
    """Stage A and stage B of one identity."""
    names = names_of(number)
    domain = f"customer{number}.example"
    told = await resolver.ask_authorities(domain, [Question(name, RecordType.CNAME) for name in names])
    seen = await resolver.ask_vantages([Question(name, RecordType.TXT) for name in names])
    assert len(told.observations) == len(seen) == 3, told
    assert all(o.outcome is Outcome.ANSWER and len(o.chain) == 1 for o in (*told.observations, *seen)), seen


async def ask_with_dnspython(port: int, number: int) -> None:
    """The same seven questions."""
    asked = [(f"customer{number}.example", "NS")]
    asked += [(name, rtype) for name in names_of(number) for rtype in ("CNAME", "TXT")]
    await asyncio.gather(
        *(
            dns.asyncquery.udp(dns.message.make_query(n, t, use_edns=0), "127.0.0.1", port=port)
            for n, t in asked
        )
    )


if __name__ == "__main__":
    sys.exit(main())
