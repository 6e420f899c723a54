"""Tick: what is due to key slots; and rotation on demand; and the stock of fresh keys.

Rule: a step is taken only on evidence that is stored (seen, published, expired), so that it can be taken
again after a crash at any statement.
References: docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mailseal.core import ed25519, rotation
from mailseal.core.access import Principal
from mailseal.core.checking import slot_events
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Change, EasyDkim, Event, Identity, Replica, after_time
from mailseal.core.names import stored_name
from mailseal.core.rotation import Wish
from mailseal.service.configure import apply_change, load_identity, with_wanted_key
from mailseal.service.stock import write_with_keys
from mailseal.service.world import DueSlots, Tx, World

LEASE = timedelta(seconds=30)
BATCH = 64
_MOST_DAYS = 3650


async def tick(world: World) -> int:
    """The number of domains whose slots were due and were looked at."""
    now = world.clock.now()
    due_at = await world.store.read(lambda tx: tx.identities.next_due_at())
    if due_at is None or due_at > now:
        return 0
    due = await world.store.write(lambda tx: tuple(tx.slots.claim_due(now, now + LEASE, BATCH)))
    for one in due:
        await _turn(world, one)
    if due:
        world.wake_publisher()
    return len(due)


async def _turn(world: World, due: DueSlots) -> None:
    now = world.clock.now()

    def unit(tx: Tx) -> None:
        identity = tx.identities.load(due.account_id, due.region, due.domain)
        if identity is None:
            _without_identity(tx, world, due, now)
            return
        later = after_time(identity, now, world.policy)
        events = slot_events(rotation.active(identity.slots), rotation.active(later.slots))
        change = with_wanted_key(tx, world, Change(later, events), now)
        apply_change(tx, world, change, now)

    await write_with_keys(world, unit, now)


def _without_identity(tx: Tx, world: World, due: DueSlots, now: datetime) -> None:
    """What is due to the slots of a domain whose identity was deleted."""
    slots = tx.slots.load(due.account_id, due.region, due.domain)
    if slots is None:
        return
    later = rotation.after_time(slots, Wish(None), now, world.policy)
    next_due = rotation.next_due_at(later, Wish(None), now)
    tx.slots.save(due.account_id, due.region, due.domain, later, next_due)


async def rotate_identity(
    world: World,
    who: Principal,
    name: str,
    now: datetime,
    *,
    revoke: bool = False,
    ed25519_only: bool = False,
) -> Identity:
    """The identity with new keys asked for: RSA, and Ed25519 where it signs beside it, or that one alone.

    Raises NotFound, BadRequest where there is no Easy DKIM, or nothing to follow. `revoke` is for a
    compromised key: the new one signs as soon as it is seen, the old one is blanked then, and mail on its way
    that it signed ceases to verify.
    """
    domain = stored_name(name)

    def unit(tx: Tx) -> Identity:
        identity = load_identity(tx, who, domain, name)
        if ed25519_only:
            wanted = _with_ed25519_rotation(identity, revoke=revoke)
        else:
            wanted = _with_rotation(identity, name, revoke=revoke)
        text = "new Ed25519 key asked for" if ed25519_only else "new key asked for"
        text += ", the old one to be revoked" if revoke else ""
        asked = Change(after_time(wanted, now, world.policy), (Event("rotation", text),))
        return apply_change(tx, world, with_wanted_key(tx, world, asked, now), now)

    identity = await write_with_keys(world, unit, now)
    world.wake_publisher()
    world.wake_worker()
    return identity


def _with_ed25519_rotation(identity: Identity, *, revoke: bool) -> Identity:
    if rotation.active(identity.ed25519.slots) is None:
        raise BadRequest(
            f"{identity.name} has no Ed25519 key that signs.",
            hint="The first one comes by itself: mailseal identity set NAME --ed25519 on.",
        )
    return replace(identity, ed25519=ed25519.with_new_key_asked(identity.ed25519, revoke=revoke))


def _with_rotation(identity: Identity, name: str, *, revoke: bool) -> Identity:
    if isinstance(identity.newest.method, Replica):
        raise BadRequest(
            f"{name} is a replica of {identity.newest.method.region}.",
            hint="It has its parent's keys: rotate them in that region.",
        )
    if not isinstance(identity.newest.method, EasyDkim):
        raise BadRequest(
            f"{name} signs with its own key (BYODKIM).",
            hint="Send a new selector and key with PutEmailIdentityDkimSigningAttributes instead.",
        )
    return replace(
        identity,
        new_key_wanted=rotation.upcoming(identity.slots) is None,
        revoke_old_key=identity.revoke_old_key or revoke,
        ed25519=ed25519.with_new_key_asked(identity.ed25519, revoke=revoke),
    )


async def set_rotate_days(
    world: World, who: Principal, name: str, days: int | None, now: datetime
) -> Identity:
    """The identity that rotates its keys so often: 0 for never, None for as the installation does."""
    if days is not None and not 0 <= days <= _MOST_DAYS:
        raise BadRequest(f"rotate_days is a number from 0 to {_MOST_DAYS}, 0 for never.")
    domain = stored_name(name)

    def unit(tx: Tx) -> Identity:
        identity = load_identity(tx, who, domain, name)
        text = "as the installation does" if days is None else f"every {days} days" if days else "never"
        changed = Change(replace(identity, rotate_days=days), (Event("rotation", f"keys rotate {text}"),))
        return apply_change(tx, world, changed, now)

    identity = await world.store.write(unit)
    world.wake_worker()
    return identity


async def set_ed25519(world: World, who: Principal, name: str, said: bool | None, now: datetime) -> Identity:
    """The identity with its second signature switched on or off; None: as the installation says.

    Raises NotFound, BadRequest for a replica, which has what its parent lends.
    """
    domain = stored_name(name)

    def unit(tx: Tx) -> Identity:
        identity = load_identity(tx, who, domain, name)
        if said and isinstance(identity.newest.method, Replica):
            raise BadRequest(
                f"{name} is a replica of {identity.newest.method.region} and has no Ed25519 key.",
                hint="A replica signs with what its parent lends: the RSA key.",
            )
        word = "as the installation says" if said is None else "on" if said else "off"
        keys = replace(identity.ed25519, said=said)
        later = after_time(replace(identity, ed25519=keys), now, world.policy)
        change = Change(later, (Event("ed25519", f"Ed25519 signature: {word}"),))
        return apply_change(tx, world, with_wanted_key(tx, world, change, now), now, check_now=bool(said))

    identity = await write_with_keys(world, unit, now)
    world.wake_publisher()
    world.wake_worker()
    return identity
