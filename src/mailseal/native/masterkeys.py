"""The native API's calls about the master key: which one seals, and the change to another.

Rule: only the operator over the control socket may ask, since a provider's words can name a command of this
machine; no answer holds anything of a key but its id.
References: docs/decisions/0014-master-keys.md.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.errors import AccessDenied
from mailseal.native.objects import Members
from mailseal.service import rewrap
from mailseal.service.rewrap import Moving
from mailseal.service.world import World


async def show(world: World, who: Principal) -> Members:
    """Which master key seals, and what has not moved to it yet."""
    _check_operator(who)
    older = world.keyring.older_key_id
    left = await world.store.read(lambda tx: tx.keys.count_under(older)) if older else 0
    return _members(world, Moving(left=left))


async def change(world: World, who: Principal, provider: str | None, now: datetime) -> Members:
    """A change begun where a provider is named, and some of it done; call it until nothing moves."""
    _check_operator(who)
    if provider is not None:
        await rewrap.begin(world, provider)
        older = world.keyring.older_key_id or ""
        left = await world.store.read(lambda tx: tx.keys.count_under(older))
        return _members(world, Moving(left=left))
    return _members(world, await rewrap.go_on(world, now))


def _members(world: World, moving: Moving) -> Members:
    return {
        "master_key": world.keyring.master_key_id,
        "where": world.keyring.where,
        "moving_from": world.keyring.older_key_id,
        "moved": moving.moved,
        "left": moving.left,
        "broken": moving.broken,
    }


def _check_operator(who: Principal) -> None:
    # A sandbox's users are operators too, but not on this machine's shell.
    if not who.is_operator or who.access_key_id != "control":
        raise AccessDenied(
            "The master key is changed over the control socket, by mailseal keys rotate-master."
        )
