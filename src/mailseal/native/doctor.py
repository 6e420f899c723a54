"""The native API's call of the doctor: everything that an installation stands on, one object each.

Rule: only an operator may ask, since the answers name this machine's files and servers.
References: docs/cli.md.
"""

from __future__ import annotations

from datetime import datetime

from mailseal import __version__
from mailseal.core.access import Principal
from mailseal.core.doctor import Health, Result
from mailseal.core.errors import AccessDenied
from mailseal.core.observations import printable
from mailseal.native.objects import Members, rfc3339
from mailseal.service.doctor import examine
from mailseal.service.world import World


async def examined(world: World, who: Principal, now: datetime) -> Members:
    """How everything is."""
    if not who.is_operator or world.surroundings is None:
        raise AccessDenied("The doctor is asked on the machine itself, by mailseal doctor.")
    found = await examine(world, world.surroundings)
    return {
        "version": __version__,
        "checked_at": rfc3339(now),
        "faults": sum(one.result is Result.FAULT for one in found),
        "warnings": sum(one.result is Result.WARNING for one in found),
        "checks": [_members(one) for one in found],
    }


def _members(one: Health) -> Members:
    members: Members = {"name": one.name, "result": one.result, "seen": printable(one.seen, at_most=1000)}
    if one.advice:
        members["advice"] = one.advice
    if one.records:
        members["records"] = [{"name": n, "type": t, "value": v} for n, t, v in one.records]
    return members
