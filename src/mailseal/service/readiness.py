"""Whether this process can do its work now, part by part.

Rule: asked of the parts themselves each time, within two seconds; nothing is remembered and nothing changed.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mailseal.service.world import Tx, World

WITHIN_S = 2.0
CHECK_VALUE = "master_key_check"
"""The installation's value that begins with the id of the master key in use."""

DATABASE, MASTER_KEY, ZONE = "database", "master key", "zone"
PARTS = (DATABASE, MASTER_KEY, ZONE)


async def not_ready(world: World) -> Mapping[str, str]:
    """The parts that are not ready, and why; empty where all are."""
    asked = asyncio.ensure_future(world.store.read(lambda tx: _lacking(tx, world)))
    answered, _ = await asyncio.wait({asked}, timeout=WITHIN_S)
    if not answered:
        asked.cancel()
        why = f"no answer within {WITHIN_S:.0f} s"
    elif fault := asked.exception():
        why = type(fault).__name__
    else:
        return asked.result()
    return {DATABASE: why} | dict.fromkeys((MASTER_KEY, ZONE), "unknown, the database does not answer")


def _lacking(tx: Tx, world: World) -> dict[str, str]:
    lacking = {}
    in_use = (tx.installation.get(CHECK_VALUE) or b"").decode("ascii", "replace")
    if in_use and not in_use.startswith(world.keyring.master_key_id):
        lacking[MASTER_KEY] = "another one seals this database by now: start this process again"
    zones = tx.zone.zones()
    absent = sorted({world.hosted_zone, *world.region_zones.values()}.difference(zones))
    if absent:
        lacking[ZONE] = f"not served: {', '.join(absent)}"
    return lacking
