"""Tick: whether our own eyes are open: the canary, and another look at those that turned away.

Rule: asked through the same resolvers as customers' records; the breaker decides, this tells the operator.
References: docs/decisions/0016-circuit-breaker.md; docs/operating.md.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.core.breaker import canary_problem
from mailseal.core.observations import Question, RecordType
from mailseal.service.world import Tx, World

SAMPLE = 20
"""So many of those that turned away are looked at again, each time."""
_LABEL = 16


async def watch(world: World) -> bool:
    """One canary and its consequences; whether all is well."""
    name = f"{world.new_id()[:_LABEL]}._canary.{world.hosted_zone}"
    seen = await world.resolver.ask_vantages([Question(name, RecordType.TXT)])
    now = world.clock.now()
    was_open = world.breaker.open_since is not None
    world.breaker.note_canary(canary_problem(seen, world.hosted_zone), now)
    tell_change(world, was_open)
    if again := world.breaker.turned_away(SAMPLE):

        def unit(tx: Tx) -> None:
            for account, region, domain in again:
                tx.identities.set_check_due(account, region, domain, now)

        await world.store.write(unit)
        world.wake_worker()
    return world.breaker.is_calm


def note_look(world: World, key: tuple[str, str, str], turned: bool, now: datetime) -> None:
    """Tells the breaker of one look at a proven identity, and the operator where that moves it."""
    was_open = world.breaker.open_since is not None
    world.breaker.note_look(key, turned, now)
    tell_change(world, was_open)


def tell_change(world: World, was_open: bool) -> None:
    """Raises the alarm where the breaker has opened, and says so where it has closed."""
    is_open = world.breaker.open_since is not None
    if is_open and not was_open:
        world.alarm(world.hosted_zone, f"nothing is held against anybody now: {world.breaker.reason}")
    elif was_open and not is_open:
        world.alarm(world.hosted_zone, "all is found again; checks count as usual")
