"""The operator's servers that carry our zones: told of each change, and asked until they show it.

Rule: what a server gives is known by asking it alone. An answer that was replaced counts as given until every
server has been seen with the serial that replaced it; then caches drop it in their time.
References: RFC 1996 §3; docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailseal.core.carriers import Standing
from mailseal.core.zone import serial_is_newer
from mailseal.service.world import Tx, World

FIRST_LOOK_S, LAST_LOOK_S = 0.05, 5.0
"""After a change a server is asked soon, and ever more seldom until it has followed."""
REST_S = 60.0
"""One that has followed is asked this often whether it still serves."""
_NOTED_AGAIN = timedelta(seconds=REST_S / 2)
TELL_AGAIN_S = 15.0
_UNSEEN_AT_MOST = 1000
FOLLOWS_WITHIN_S = 1.0
"""A server that is told of the next change while it takes the last one may begin all over (NSD does)."""


@dataclass(slots=True)
class Follower:
    """One server, and what this process has told it."""

    name: str
    told: dict[str, int] = field(default_factory=dict)
    """The serial of each zone that it was last told of."""
    told_at: float = 0.0
    looked_at: float = 0.0
    pause_s: float = FIRST_LOOK_S
    unseen: dict[str, dict[int, float]] = field(default_factory=dict)
    """When this process first saw each serial that the server has not shown yet, by zone."""

    def lag(self, zone: str, now: float) -> float:
        """Seconds since the oldest of a zone's serials that the server has not shown; 0 where it has all."""
        return now - min(self.unseen.get(zone, {}).values(), default=now)

    def note(self, standing: Standing, now: float) -> None:
        """Takes notice of how far the server was seen to be, at this moment."""
        waiting, seen = self.unseen.setdefault(standing.zone, {}), standing.seen_serial
        if len(waiting) < _UNSEEN_AT_MOST:
            waiting.setdefault(standing.serial, now)
        shown = [one for one in waiting if seen is not None and not serial_is_newer(one, seen)]
        for serial in [*waiting] if standing.has_followed else shown:
            del waiting[serial]


async def standings(world: World) -> tuple[Standing, ...]:
    """How far each configured server was seen to have followed each zone."""
    return await world.store.read(lambda tx: stored_standings(tx, world))


def stored_standings(tx: Tx, world: World) -> tuple[Standing, ...]:
    """The same, within a transaction."""
    return tuple(
        Standing(server, zone, tx.zone.serial(zone), *sights.get(server, (None, None)))
        for zone in tx.zone.zones()
        for sights in (tx.zone_servers.sights(zone),)
        for server in world.name_servers.names
    )


def servers_behind(tx: Tx, world: World) -> tuple[str, ...]:
    """The servers that were not yet seen with all that we serve."""
    late = (one.server for one in stored_standings(tx, world) if not one.has_followed)
    return tuple(dict.fromkeys(late))


async def ask_standings(world: World) -> tuple[Standing, ...]:
    """How far each configured server has followed each zone, asked now."""

    async def ask(standing: Standing) -> Standing:
        return replace(standing, given=await world.name_servers.serial_at(standing.server, standing.zone))

    return tuple(await asyncio.gather(*map(ask, await standings(world))))


async def settle(world: World) -> None:
    """Notes what follows from the servers that are configured now: one that is gone holds up nothing."""
    now = world.clock.now()

    def unit(tx: Tx) -> None:
        for zone in tx.zone.zones():
            _expire(tx, world, zone, now)

    await world.store.write(unit)


async def follow(world: World, follower: Follower) -> float:
    """Seconds until the server should be looked at again, after it was told of what it lacks and asked."""
    loop_time = asyncio.get_running_loop().time()
    own = [standing for standing in await standings(world) if standing.server == follower.name]
    for standing in own:
        follower.note(standing, loop_time)
    behind = [standing for standing in own if not standing.has_followed]
    if not behind:
        follower.pause_s = FIRST_LOOK_S
        await _look_again(world, follower, own, loop_time)
        return REST_S
    since = loop_time - follower.told_at
    fresh = [standing for standing in behind if _to_be_told(follower, standing, since)]
    if fresh:
        follower.told_at = loop_time
        follower.pause_s = FIRST_LOOK_S
        for standing in fresh:
            if await world.name_servers.notify(follower.name, standing.zone):
                follower.told[standing.zone] = standing.serial
    for standing in behind:
        await look(world, follower.name, standing.zone)
    pause = follower.pause_s
    follower.pause_s = min(pause * 2, LAST_LOOK_S)
    return pause


async def _look_again(world: World, follower: Follower, own: Sequence[Standing], loop_time: float) -> None:
    """Whether a server that has followed still serves, asked now and then."""
    if loop_time - follower.looked_at >= REST_S:
        follower.looked_at = loop_time
        for standing in own:
            await look(world, standing.server, standing.zone)


def _to_be_told(follower: Follower, standing: Standing, since_s: float) -> bool:
    """Whether the server should hear of a change now: one that still follows the last word is left to it."""
    told = follower.told.get(standing.zone)
    if told == standing.serial:
        return since_s >= TELL_AGAIN_S
    return told is None or standing.seen_serial == told or since_s >= FOLLOWS_WITHIN_S


async def look(world: World, server: str, zone: str) -> bool:
    """Whether the server gives the newest serial of the zone, after it was asked; what it gives is noted."""
    found = await world.name_servers.serial_at(server, zone)
    if found is None:
        return False
    now = world.clock.now()

    def unit(tx: Tx) -> bool:
        ours = tx.zone.serial(zone)
        if serial_is_newer(found, ours):
            # An older copy of the database is in use: secondaries would take none of its serials.
            tx.zone.overtake(zone, found)
            return False
        known = tx.zone_servers.sights(zone).get(server)
        if known is None or known[0] != found:
            tx.zone_servers.save(server, zone, found, now)
            _expire(tx, world, zone, now)
        elif found == ours and now - known[1] >= _NOTED_AGAIN:
            tx.zone_servers.save(server, zone, found, now)
        return found == ours

    return await world.store.write(unit)


def _expire(tx: Tx, world: World, zone: str, now: datetime) -> None:
    """Lets those earlier answers expire that no server gives any more."""
    sights = tx.zone_servers.sights(zone)
    lowest = tx.zone.serial(zone)
    for server in world.name_servers.names:
        if server not in sights:
            return
        serial = sights[server][0]
        lowest = serial if serial_is_newer(lowest, serial) else lowest
    tx.zone.expire(zone, lowest, now)
