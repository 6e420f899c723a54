"""A flood of questions to our name server, from many forged addresses: bounded, and nobody else waits."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import pytest

from mailseal.nameserver.listen import start_name_server
from mailseal.nameserver.rate import RateLimit
from tests.unit.nameserver.zones import APEX, LONG_KEY, written_zone

pytestmark = [pytest.mark.suite_faults, pytest.mark.timeout(240)]

FLOOD = int(os.environ.get("MAILSEAL_FLOOD", "20000"))
"""Questions; the whole test takes a million."""
RATE = 20
NETWORKS, HOSTS_EACH = 4, 5
KINDS = 2
"""Answers with a record, and those without a name."""
HONEST, HONEST_QUESTIONS, TRIES = "127.9.9.9", 100, 8


def questions() -> Iterator[bytes]:
    """What floods are made of: a name that is there, ANY, and names that nobody has."""
    numbers = itertools.count()
    while True:
        yield dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=0, payload=1232).to_wire()
        yield dns.message.make_query(f"tokenwithkey.{APEX}", "ANY").to_wire()
        yield dns.message.make_query(f"random{next(numbers)}.{APEX}", "TXT").to_wire()


@dataclass
class Flood:
    """Questions from many networks, and what comes back to those who did not ask them."""

    target: tuple[str, int]
    sent: int = 0
    whole: int = 0
    cut: int = 0
    took_s: float = 0.0

    def run(self) -> None:
        with ExitStack() as opened:
            sockets = []
            for network, host in itertools.product(range(NETWORKS), range(HOSTS_EACH)):
                one = opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                one.bind((f"127.1.{network}.{host + 1}", 0))
                one.setblocking(False)
                sockets.append(one)
            began = time.monotonic()
            asked = list(itertools.islice(questions(), 3000))
            senders, messages = itertools.cycle(sockets), itertools.cycle(asked)
            for _ in range(FLOOD):
                self._send(next(senders), next(messages))
                if self.sent % 200 == 0:
                    self._take(sockets)
            self.took_s = time.monotonic() - began
            time.sleep(1)
            self._take(sockets)

    def _send(self, sender: socket.socket, message: bytes) -> None:
        self.sent += 1
        try:
            sender.sendto(message, self.target)
        except BlockingIOError:
            time.sleep(0.001)

    def _take(self, sockets: list[socket.socket]) -> None:
        for one in sockets:
            while True:
                try:
                    answer = one.recv(4096)
                except BlockingIOError:
                    break
                is_cut = bool(answer[2] & 0x02)
                self.cut += is_cut
                self.whole += not is_cut


async def ask_until_answered(target: tuple[str, int]) -> int:
    """How many times an honest resolver had to ask, over TCP where it was told to."""
    query = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=0, payload=1232)
    for attempt in range(1, TRIES + 1):
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(
                query, target[0], port=target[1], timeout=2, source=HONEST
            )
        except dns.exception.Timeout:
            continue
        assert b"".join(answer.answer[0][0].strings) == LONG_KEY
        return attempt
    raise AssertionError("an honest resolver got no answer")


def test_a_flood_from_forged_addresses_is_bounded_and_an_honest_resolver_is_served() -> None:
    async def run() -> tuple[Flood, list[int]]:
        zone, source = written_zone()
        rate = RateLimit(RATE, own_machine_too=True)
        running = await start_name_server([("127.0.0.1", 0)], [zone], source, rate=rate)
        try:
            flood = Flood(running.addresses[0])
            flooding = asyncio.create_task(asyncio.to_thread(flood.run))
            tries = []
            while len(tries) < HONEST_QUESTIONS:
                tries.append(await ask_until_answered(running.addresses[0]))
                await asyncio.sleep(0.01)
            await flooding
            return flood, tries
        finally:
            await running.close()

    flood, tries = asyncio.run(run())
    assert len(tries) == HONEST_QUESTIONS
    seconds = math.ceil(flood.took_s) + 2
    assert 0 < flood.whole <= NETWORKS * KINDS * RATE * seconds
    assert flood.cut > 0, "a resolver behind such an address has a way out"
    assert flood.whole + flood.cut < flood.sent
