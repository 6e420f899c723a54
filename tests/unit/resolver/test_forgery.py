"""A race against a forger who knows the question and the port, and has a hundred packets before the truth."""

from __future__ import annotations

import asyncio
import random

import dns.message
import pytest

from mailseal.core.observations import Outcome, Question, RecordType
from mailseal.resolver.asking import DnsResolver
from tests.unit.resolver.servers import Packets, Servers, reply

NAME = "t._domainkey.example.com"
FORGED = f'{NAME}. 60 TXT "p=forged"'
TRUE = f'{NAME}. 60 TXT "p=true"'
PACKETS, CHECKS = 100, 40


def forged_packets(query: dns.message.Message, wire: bytes, chance: random.Random) -> Packets:
    """Replies that are right but for one thing, or plain junk."""
    good = reply(query, FORGED).to_wire()
    other = dns.message.make_query("other.example.com", "TXT", id=query.id)
    elsewhere = reply(other, FORGED).to_wire()
    for _ in range(PACKETS):
        yield forged_packet(good, elsewhere, wire, chance)


def forged_packet(good: bytes, elsewhere: bytes, wire: bytes, chance: random.Random) -> bytes:
    name_end = 12 + len(NAME) + 2
    match chance.randrange(7):
        case 0:
            return (int.from_bytes(good[:2]) ^ chance.randrange(1, 65536)).to_bytes(2) + good[2:]
        case 1:
            spelt = bytearray(good)
            letters = [at for at in range(12, name_end) if chr(spelt[at]).isalpha()]
            spelt[chance.choice(letters)] ^= 0x20
            return bytes(spelt)
        case 2:
            return good + chance.randbytes(chance.randrange(1, 2000))
        case 3:
            return good[: chance.randrange(len(good))]
        case 4:
            return elsewhere
        case 5:
            return wire[:2] + b"\x80" + chance.choice((b"\x01", b"\x02", b"\x05")) + bytes(8)
        case _:
            return wire[:2] + chance.randbytes(chance.randrange(1, 3000))


@pytest.mark.parametrize("checks", [CHECKS, pytest.param(2_000, marks=pytest.mark.suite_dns)])
def test_no_forged_packet_is_believed_and_none_costs_the_check(checks: int) -> None:
    chance = random.Random(20231108)

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        yield from forged_packets(query, wire, chance)
        yield reply(query, TRUE).to_wire()

    async def run() -> None:
        servers = Servers()
        server = await servers.start(script)
        resolver = DnsResolver([server.vantage], tries_s=(5.0, 0.1, 0.1))
        for _ in range(checks):
            [seen] = await resolver.ask_vantages([Question(NAME, RecordType.TXT)])
            assert seen.outcome is Outcome.ANSWER, seen
            assert seen.texts == (b"p=true",)
        servers.close()
        assert len(server.asked) == checks

    asyncio.run(run())
