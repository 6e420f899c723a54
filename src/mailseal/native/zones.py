"""The native API's zones: the serial of each, and how far the servers that carry it have followed.

Rule: only an operator may ask; each server is asked now, besides what it was last seen with.
References: docs/cli.md; docs/operating.md.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.carriers import Standing, described
from mailseal.core.errors import AccessDenied
from mailseal.native.objects import Members, rfc3339
from mailseal.service.following import ask_standings
from mailseal.service.world import World


async def listed(world: World, who: Principal, now: datetime) -> Members:
    """Every zone with its servers."""
    if not who.is_operator:
        raise AccessDenied("Zones are asked about on the machine itself, by mailseal zone status.")
    standings = await ask_standings(world)
    serials = await world.store.read(lambda tx: [(zone, tx.zone.serial(zone)) for zone in tx.zone.zones()])
    return {
        "items": [
            {
                "zone": zone,
                "serial": serial,
                "servers": [_server(one, now) for one in standings if one.zone == zone],
            }
            for zone, serial in serials
        ],
        "next": None,
        "now": rfc3339(now),
    }


def _server(one: Standing, now: datetime) -> Members:
    return {
        "server": one.server,
        "following": one.following(now),
        "serial": one.seen_serial if one.given is None else one.given,
        "behind": one.behind,
        "answers": one.given is not None,
        "seen_at": rfc3339(one.seen_at),
        "text": described(one, now),
    }
