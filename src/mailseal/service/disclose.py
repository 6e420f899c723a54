"""Use cases: retired Easy DKIM keys are published some days after their records are blank, if that is wanted.

Rule: this is the one way on which a private key leaves; it is closed by default. A key takes it only where no
slot has it, its record was found gone twice, so many days apart, and its selector is one of our own tokens:
a customer's own key never.
References: docs/decisions/0019-deniability.md; docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailseal.core import ed25519
from mailseal.core.names import SLOTS, derive_token
from mailseal.core.retired import RetiredKey, Sight, after_look, is_in_use, questions, sight_of
from mailseal.core.stored import SealBroken
from mailseal.service.alarms import raise_alarm
from mailseal.service.world import Tx, World

KEEPS_RETIRED = "keep_retired_keys"
"""The installation's value that is there while erased keys of slots are kept for publication."""
BATCH = 16
MOST_SHOWN = 50
_AFTER_ALARM = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A retired key as all may have it."""

    selector: str
    domain: str
    algorithm: str
    made_at: datetime
    retired_at: datetime | None
    published_at: datetime | None
    pem: str


def is_open(world: World) -> bool:
    """Whether retired keys are published here at all."""
    return world.policy.publish_retired_after > timedelta(0)


async def settle(world: World) -> None:
    """Begins to keep retired keys, or erases all that were kept, as the configuration says now."""

    def unit(tx: Tx) -> None:
        if is_open(world):
            tx.installation.put(KEEPS_RETIRED, b"yes")
        elif tx.installation.get(KEEPS_RETIRED) is not None:
            tx.installation.delete(KEEPS_RETIRED)
            tx.retired_keys.forget_all()

    await world.store.write(unit)


async def tick(world: World) -> int:
    """The number of retired keys whose records were due and were looked at."""
    if not is_open(world):
        return 0
    now = world.clock.now()
    due = await world.store.read(lambda tx: tx.retired_keys.list_due(now, BATCH))
    for retired in due:
        await _look(world, retired)
    return len(due)


async def _look(world: World, retired: RetiredKey) -> None:
    """One look at a retired key's record, noted."""
    place, key_id = retired.key.place, retired.key.ref.key_id
    if place is None or not _is_ours(world, retired):
        await _refuse(world, retired, SealBroken(f"retired key {key_id} is none of ours"))
        return
    seen = await world.resolver.ask_vantages(questions(retired))
    now = world.clock.now()
    wait = world.policy.publish_retired_after

    def unit(tx: Tx) -> None:
        stored = tx.keys.load_retired(key_id)
        if stored is None or stored.place != place:
            return  # switched off meanwhile, or another look was quicker
        slots = tx.slots.load(place.account_id, place.region, place.domain) or ()
        in_use = tx.keys.load(key_id) is not None or is_in_use(retired, slots, now)
        sight = Sight.THERE if in_use else sight_of(retired, seen)
        stage, look_at = after_look(retired.stage, sight, now, wait)
        key = world.keyring.retired(stored, stage)
        tx.retired_keys.save(RetiredKey(key, retired.owner, retired.retired_at or now, look_at))

    try:
        await world.store.write(unit)
    except SealBroken as broken:
        await _refuse(world, retired, broken)


def _is_ours(world: World, retired: RetiredKey) -> bool:
    """Whether the selector that the envelope is bound to is a token that we derived for a slot."""
    place = retired.key.place
    if place is None:
        return False
    at = (place.account_id, place.region, place.domain)
    numbers = [*range(1, SLOTS + 1), *range(ed25519.FIRST_NUMBER, ed25519.FIRST_NUMBER + ed25519.COUNT)]
    return place.selector in {derive_token(world.token_secret, *at, number) for number in numbers}


async def _refuse(world: World, retired: RetiredKey, broken: SealBroken) -> None:
    """Tells that a row is not what it says, and leaves it for a day."""
    place, now = retired.key.place, world.clock.now()
    if place is not None:
        await raise_alarm(world, place.account_id, place.region, place.domain, broken, now)

    def unit(tx: Tx) -> None:
        stored = tx.keys.load_retired(retired.key.ref.key_id)
        if stored is not None:
            tx.retired_keys.save(replace(retired, key=stored, look_at=now + _AFTER_ALARM))

    await world.store.write(unit)


async def published_keys(world: World, domain: str, selector: str | None) -> Sequence[Disclosed]:
    """The retired keys of a domain that all may have, newest first; none where none are published here."""
    if not is_open(world):
        return ()
    kept = await world.store.read(lambda tx: tx.retired_keys.list_published(domain, selector, MOST_SHOWN))
    found = []
    for retired in kept:
        place, key = retired.key.place, retired.key
        if place is None:
            continue
        try:
            pem = world.keyring.disclosed(key)
        except SealBroken as broken:
            now = world.clock.now()
            await raise_alarm(world, place.account_id, place.region, place.domain, broken, now)
            continue
        times = (key.made_at, retired.retired_at, retired.published_at)
        found.append(Disclosed(place.selector, place.domain, key.ref.algorithm, *times, pem))
    return found
