"""A server for a bench, in a process of its own: Mailseal with seeded identities, or uvicorn that says hello.

Rule: prints one line of JSON when it answers, serves until its standard input ends. Seeded identities share a
few key pairs. The worker is stopped, so that what is measured is the API and not the checking of DNS. Further
rows are copies of a seeded identity's row: enough for a list, and nothing else is asked of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import apsw
import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa

from mailseal.app import Edges, start
from mailseal.app.http import listen_http
from mailseal.app.ports import bind_stream
from mailseal.config import ApiConfig, Config, DnsConfig, KeysConfig, NextHopConfig, StoreConfig
from mailseal.core.access import AccessKey, Principal
from mailseal.core.commands import CreateIdentity
from mailseal.dkim.keys import PrivateKey
from mailseal.sealing.masterkey import write_master_key
from mailseal.service.configure import create_identity
from mailseal.service.stock import add_to_stock
from mailseal.service.world import World

KEY = AccessKey("AKIABENCHBENCHBENCH0", "000000000001", "bench-secret-0000000000000000000000000000")
PAIRS = 8
AT_ONCE = 64


async def serve_hello(size: int) -> None:
    """An ASGI application that does nothing but answer."""
    body = b'{"a":"' + b"x" * (size - 8) + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    opened = bind_stream(("127.0.0.1", 0), key="bench")
    listener = await listen_http(hello, [opened])
    await _until_told(opened.getsockname()[1])
    await listener.close()


@dataclass(frozen=True)
class Options:
    """What a Mailseal holds when it begins to answer."""

    folder: str
    identities: int = 1
    """Of 2048 bits."""
    stock_2048: int = 0
    stock_1024: int = 0
    rows: int = 0
    """How many identities a list finds; beyond `identities` they are copies of a row."""
    refills: int = 0
    """1: keys of 2048 bits are made for the stock all the time, as when it is being refilled."""


async def serve_mailseal(options: Options) -> None:
    """Mailseal on SQLite, as production runs it, but for the worker."""
    place = Path(options.folder)
    master, data = place / "master.key", place / "data"
    write_master_key(master)
    data.mkdir()
    config = Config(
        store=StoreConfig(database=f"sqlite:{data / 'bench.db'}", master_key=f"file:{master}"),
        dns=DnsConfig(hosted_zone="dkim.bench.test", listen=("127.0.0.1:0",)),
        keys=KeysConfig(stock_2048=0, stock_1024=0),
        api=ApiConfig(listen=("127.0.0.1:0",)),
        nexthop=NextHopConfig(url=f"maildir:{data / 'mail'}"),
    )
    running = await start(config, edges=Edges(access_keys=(KEY,)))
    await running.worker.close()
    await _fill_stock(running.world, 2048, options.identities + options.stock_2048)
    await _fill_stock(running.world, 1024, options.stock_1024)
    await _create(running.world, options.identities)
    _copy_rows(data / "bench.db", options.rows - options.identities)
    refilling = asyncio.ensure_future(_refill(running.world)) if options.refills else None
    await _until_told(int(running.api_url.rpartition(":")[2]))
    if refilling is not None:
        refilling.cancel()
    await running.close()


async def _refill(world: World) -> None:
    while True:
        await add_to_stock(world, 2048, datetime.now(UTC))


def _copy_rows(database: Path, count: int) -> None:
    """More rows like that of identity 0, under names of their own."""
    if count < 1:
        return
    connection = apsw.Connection(str(database))
    names = [row[1] for row in connection.execute("PRAGMA table_info(identities)")]
    others = ", ".join(name for name in names if name != "name")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        f"INSERT INTO identities (name, {others}) "
        f"SELECT 'copy' || n.i || '.example', {others} FROM identities, n WHERE name = 'd0.example'",
        (count,),
    ).fetchall()
    connection.close()


async def _fill_stock(world: World, bits: int, count: int) -> None:
    pairs = [PrivateKey(rsa.generate_private_key(65537, bits)) for _ in range(min(PAIRS, count))]
    now = datetime.now(UTC)
    keys = [world.keyring.seal(pair, world.new_id(), now, None) for pair in islice(cycle(pairs), count)]
    for begin in range(0, len(keys), 500):
        part = keys[begin : begin + 500]
        await world.store.write(lambda tx, part=part: [tx.keys.add_stock(key) for key in part])


async def _create(world: World, count: int) -> None:
    who = Principal(KEY.account_id, "us-east-1", KEY.access_key_id)
    names = iter([f"d{number}.example" for number in range(count)])

    async def some() -> None:
        for name in names:
            await create_identity(world, who, CreateIdentity(name), datetime.now(UTC))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _until_told(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1] == "hello":
        uvloop.run(serve_hello(int(sys.argv[2])))
    else:
        uvloop.run(serve_mailseal(Options(**json.loads(sys.argv[2]))))
