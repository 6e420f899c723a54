"""aiobotocore as a program: a step a line on standard input, its result a line on standard output.

Rule: as boto.py, whose words it uses; only the client and its event loop are aiobotocore's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import aiobotocore
import botocore
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from model import known, refusal


async def main() -> None:
    """Serves steps until standard input ends."""
    clients: dict[tuple[str, str], Any] = {}
    async with AsyncExitStack() as stack:

        async def client(service: str, region: str) -> Any:
            if (service, region) not in clients:
                once = AioConfig(retries={"total_max_attempts": 1})
                made = get_session().create_client(service, region_name=region, config=once)
                clients[service, region] = await stack.enter_async_context(made)
            return clients[service, region]

        versions = f"{aiobotocore.__version__} (botocore {botocore.__version__})"
        models = [(await client(api, "us-east-1")).meta.service_model for api in ("sesv2", "ses")]
        told = {"version": versions, "known": known(*models)}
        print(json.dumps(told), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            step = json.loads(line)
            operation = getattr(await client(step["service"], step["region"]), xform_name(step["operation"]))
            try:
                answer = await operation(**step["input"])
                answer.pop("ResponseMetadata")
                result = {"answer": answer}
            except (ClientError, BotoCoreError) as error:
                result = refusal(error)
            print(json.dumps(result, default=lambda value: value.isoformat()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
