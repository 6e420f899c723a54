"""The Mailseal of the rig, in a process of its own: as in production, its lengths of time scaled to seconds.

Rule: the clock is the real one; only the policy and the configuration are the rig's. Started as
`python -m tests.faults.zero_gap.program CONFIG`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import uvloop

from mailseal.app import Edges, start
from mailseal.config import load_config
from mailseal.core.policy import Policy
from mailseal.telemetry import Line, format_json

RETAIN_S = 12
"""How long a retired key stays published, beside its TTL: the life of a mail on its way."""


def scaled(policy: Policy) -> Policy:
    """The policy with days as seconds; TTLs are the configuration's."""
    return replace(
        policy,
        retain=timedelta(seconds=RETAIN_S),
        second_round=timedelta(seconds=2),
        length_change_every=timedelta(seconds=1),
        rotate_days=0,
    )


def say(line: Line) -> None:
    """One line of the log, at once."""
    sys.stdout.write(format_json(line) + "\n")
    sys.stdout.flush()


async def serve(path: Path) -> int:
    """Runs until SIGTERM; 1 where the database gave up."""
    running = await start(load_config(path, {}), edges=Edges(policy=scaled, on_log=say))
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    running.telemetry.say("ready", pid=os.getpid())
    await asyncio.wait({stop, running.failed}, return_when=asyncio.FIRST_COMPLETED)
    await running.close()
    return int(running.failed.done())


if __name__ == "__main__":
    sys.exit(uvloop.run(serve(Path(sys.argv[1]))))
