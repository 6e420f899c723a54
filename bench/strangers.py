"""Whether a stranger can tell by the clock that an access key exists: unknown keys against wrong signatures.

Prints `access.unknown`: the median time of a request signed with a key that nobody has, its ratio to that of
a request signed with the wrong secret of the key that exists. Both end in the same refusal; less than 2 %
should be between them. In one process, so that no network hides a difference; kinds in random order, each
unknown key another one.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from statistics import median
from typing import Any

from _wire import folder
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mailseal.app import Edges, start
from mailseal.config import ApiConfig, Config, DnsConfig, KeysConfig, NextHopConfig, StoreConfig
from mailseal.core.access import AccessKey
from mailseal.sealing.masterkey import write_master_key
from mailseal.sesv2.http import SesApi
from mailseal.telemetry import Telemetry

REQUESTS, ROUNDS = 5000, 5
KNOWN = AccessKey("AKIAKNOWN00000000001", "000000000001", "known-secret-000000000000000000000000000")


def signed(access_key_id: str, number: int) -> dict[str, Any]:
    """The scope of a request signed with a secret that is not the key's."""
    url = f"http://127.0.0.1/v2/email/identities/d{number % 100:03}.example"
    request = AWSRequest(method="GET", url=url, headers={"Host": "127.0.0.1"})
    SigV4Auth(
        Credentials(access_key_id, "wrong-secret-000000000000000000000000000"), "ses", "us-east-1"
    ).add_auth(request)
    headers = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    path = url.removeprefix("http://127.0.0.1").encode()
    return {"type": "http", "method": "GET", "raw_path": path, "query_string": b"", "headers": headers}


async def one(api: Any, scope: dict[str, Any]) -> float:
    """Seconds that one refusal took."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    began = time.perf_counter()
    await api(scope, receive, send)
    took = time.perf_counter() - began
    assert sent[0]["status"] == 403, sent
    return took


async def round_of(api: Any, count: int, chance: random.Random) -> tuple[float, float]:
    """The medians of both kinds, in seconds: unknown key, wrong signature."""
    asked = [("unknown", f"AKIA{chance.randrange(36**10):016}") for _ in range(count)]
    asked += [("wrong", KNOWN.access_key_id) for _ in range(count)]
    chance.shuffle(asked)
    times: dict[str, list[float]] = {"unknown": [], "wrong": []}
    for number, (kind, access_key_id) in enumerate(asked):
        times[kind].append(await one(api, signed(access_key_id, number)))
    return median(times["unknown"]), median(times["wrong"])


async def measure(place: Path, rounds: int, count: int) -> None:
    """All rounds, and the figure."""
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
    running = await start(config, edges=Edges(access_keys=(KNOWN,)))
    await running.worker.close()
    telemetry = Telemetry(lambda line: None, running.world.clock.real_now)
    api = SesApi(running.world, telemetry, native=_nobody)
    chance = random.Random(7)
    await round_of(api, 500, chance)
    found = [await round_of(api, count, chance) for _ in range(rounds)]
    unknown, wrong = (median(one[kind] for one in found) for kind in (0, 1))
    ratio = median(one[0] / one[1] for one in found)
    print(f"access.unknown {1e6 * unknown:.1f} us ratio={ratio:.4f} of=wrong-signature")
    print(f"access.wrong {1e6 * wrong:.1f} us ratio=- of=-")
    print("access.rounds", json.dumps([round(one[0] / one[1], 4) for one in found]), flush=True)
    await running.close()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no path of the native API is asked here")


def main() -> int:
    """The figure, from 5,000 requests of each kind a round."""
    rounds, count = (1, 500) if "--quick" in sys.argv else (ROUNDS, REQUESTS)
    with folder() as place:
        asyncio.run(measure(Path(place), rounds, count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
