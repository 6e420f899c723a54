"""DNS servers for bench/dns.py, each in a process of its own, so that its CPU time can be told apart.

Rule: prints its port, serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from mailseal.core.rotation import Answer
from mailseal.nameserver.listen import start_name_server
from mailseal.nameserver.secondaries import DnsServers
from mailseal.nameserver.transfer import Secondary, Transfers
from mailseal.nameserver.wire import (
    Declined,
    Query,
    Rcode,
    Record,
    format_character_strings,
    format_name,
    format_response,
    parse_query,
    pointer,
)
from mailseal.nameserver.zone import TYPE_A, TYPE_NS, TYPE_TXT, Zone, ZoneSettings
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction

APEX = "dkim.bench.example"
TEXT = b"p=" + b"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12 + b"AQAB"
_TYPE_CNAME, _TYPE_SOA = 5, 6


def label(number: int) -> str:
    """The label of one seeded name, as long as a token is."""
    return f"{number:032d}"


async def serve_ours(folder: Path, names: int, secondary: int) -> None:
    """Our name server in front of a database with that many names, with a secondary on a port of loopback.

    The line `change N` on standard input gives name 0 a new text, N, and is answered when it is durable;
    `publish N` gives the zone a new serial too, and the secondary is told.
    """
    store = SqliteStore.open(folder / "bench.db")
    now = datetime.now(UTC)

    def fill(begin: int) -> Callable[[Transaction], None]:
        def unit(transaction: Transaction) -> None:
            for number in range(begin, min(begin + 5000, names)):
                transaction.zone.serve(APEX, f"{label(number)}.{APEX}", Answer(TEXT, 1800), now)

        return unit

    for begin in range(0, names, 5000):
        await store.write(fill(begin))
    await store.write(lambda transaction: transaction.zone.advance(APEX))
    zone = Zone(ZoneSettings(APEX, (f"ns1.{APEX}",), {f"ns1.{APEX}": ("127.0.0.1",)}), store.served)
    carrier = Secondary("127.0.0.1", secondary)
    transfers = Transfers([zone], store.served, [carrier])
    running = await start_name_server([("127.0.0.1", 0)], [zone], store.served, transfers=transfers)
    servers = DnsServers([carrier])
    print(running.addresses[0][1], flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        word, number = line.split()
        answer = Answer(b"p=" + number, 1800)
        await store.write(lambda tx, answer=answer: tx.zone.serve(APEX, f"{label(0)}.{APEX}", answer, now))
        if word == b"publish":
            await store.write(lambda tx: tx.zone.advance(APEX))
        print("done", flush=True)
        if word == b"publish":
            await servers.notify(carrier.name, APEX)
    await running.close()
    await store.close()


def serve_world() -> None:
    """One socket that is every customer's authority and the resolver in front of them; nothing is missing."""
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(0.5)
        print(datagrams.getsockname()[1], flush=True)
        while True:
            try:
                message, client = datagrams.recvfrom(2048)
            except TimeoutError:
                continue
            query = parse_query(message)
            if not isinstance(query, Declined):
                datagrams.sendto(_answer_of_the_world(message, query), client)


def _answer_of_the_world(message: bytes, query: Query) -> bytes:
    name, here = query.qname.lower(), pointer(12)
    token = name[1 : name[0] + 1]
    target = format_name(f"{token.decode()}.{APEX}")
    records: tuple[Record, ...] = ()
    if b"_domainkey" in name:
        records = (Record(here, _TYPE_CNAME, 300, target),)
        if message[2] & 1 and query.qtype == TYPE_TXT:
            records += (Record(target, TYPE_TXT, 300, format_character_strings(TEXT)),)
    elif query.qtype == TYPE_NS:
        records = (Record(here, TYPE_NS, 300, format_name("ns.bench.example")),)
    elif query.qtype == TYPE_A:
        records = (Record(here, TYPE_A, 300, b"\x7f\0\0\1"),)
    return format_response(message, query, Rcode.NOERROR, authoritative=True, answers=records, over_tcp=False)


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        uvloop.run(serve_ours(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    else:
        serve_world()
