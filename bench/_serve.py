"""A server for a bench, in a process of its own: Mailseal with seeded identities, or uvicorn that says hello.

Rule: prints one line of JSON when it answers, serves until its standard input ends. Seeded identities share a
few key pairs. The worker is stopped, so that what is measured is the API and not the checking of DNS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

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


async def serve_mailseal(folder: Path, identities: int, downgrades: int) -> None:
    """Mailseal on SQLite with identities of 2048 bits, and keys of 1024 bits waiting for their downgrade."""
    master, data = folder / "master.key", folder / "data"
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
    await _fill_stock(running.world, 2048, identities)
    await _fill_stock(running.world, 1024, downgrades)
    await _create(running.world, identities)
    await _until_told(int(running.api_url.rpartition(":")[2]))
    await running.close()


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
        uvloop.run(serve_mailseal(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
