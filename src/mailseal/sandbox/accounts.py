"""Accounts of a sandbox: one with the fixed access key, and a fresh one for each test that wants to be alone.

Rule: an account that is closed leaves no identity behind, so that no check of it slows the next journey.
References: AWS SESv2 DeleteEmailIdentity.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from mailseal.core.access import AccessKey, Principal, secret_name
from mailseal.core.identity import Replica
from mailseal.sandbox.settings import ACCESS_KEY, ACCESS_KEY_ID, ACCOUNT_ID
from mailseal.service.configsets import delete_configuration_set
from mailseal.service.identities import delete_identity
from mailseal.service.world import IdentityQuery, Tx, World

_AT_MOST = 1000


def fixed_key() -> AccessKey:
    """The access key that every sandbox has."""
    return AccessKey(ACCESS_KEY_ID, ACCOUNT_ID, ACCESS_KEY, is_sandbox_key=True)


def given_key(access_key_id: str, secret: str) -> AccessKey:
    """A key that a sandbox was started with; it is no secret either."""
    return AccessKey(access_key_id, ACCOUNT_ID, secret, is_sandbox_key=True)


def fresh_key() -> AccessKey:
    """A key of an account that nobody else has."""
    account_id = f"{secrets.randbelow(10**12 - 2) + 2:012}"
    return AccessKey(f"MSSANDBOX{secrets.token_hex(6).upper()}", account_id, secrets.token_urlsafe(30))


async def open_account(world: World, key: AccessKey, now: datetime) -> None:
    """Stores an account and its access key, where they are not there yet."""
    sealed = world.keyring.seal_secret(secret_name(key.access_key_id), key.secret.encode())

    def unit(tx: Tx) -> None:
        if key.account_id not in tx.access_keys.accounts():
            tx.access_keys.add_account(key.account_id, now)
        if tx.access_keys.load(key.access_key_id) is None:
            tx.access_keys.add(key, sealed, now)

    await world.store.write(unit)


async def close_account(world: World, account_id: str, now: datetime) -> int:
    """The number of identities that were deleted with their account's; its access keys are gone too."""
    gone = await delete_identities(world, account_id, now)

    def unit(tx: Tx) -> None:
        for key in tx.access_keys.list(account_id):
            tx.access_keys.delete(key.access_key_id)

    await world.store.write(unit)
    return gone


async def delete_identities(world: World, account_id: str, now: datetime) -> int:
    """How many identities of an account were deleted, in all regions; its configuration sets go too."""
    gone = 0
    for region in world.regions:
        gone += await _delete_replicas(world, Principal(account_id, region, "sandbox"), now)
    for region in world.regions:
        who = Principal(account_id, region, "sandbox")
        while names := await _names(world, who):
            for name in names:
                await delete_identity(world, who, name, now)
            gone += len(names)
        while sets := await _configuration_sets(world, who):
            for name in sets:
                await delete_configuration_set(world, who, name, now)
    return gone


async def _delete_replicas(world: World, who: Principal, now: datetime) -> int:
    """How many replicas were deleted: they go before their parents, which must stay as long as they live."""

    def unit(tx: Tx) -> tuple[str, ...]:
        rows = tx.identities.list(IdentityQuery(who.account_id, who.region, after=after, limit=_AT_MOST))
        return tuple(row.name for row in rows)

    def is_replica(tx: Tx) -> bool:
        identity = tx.identities.load(who.account_id, who.region, name)
        return identity is not None and any(isinstance(s.method, Replica) for s in identity.settings)

    after, gone = "", 0
    while names := await world.store.read(unit):
        for name in names:
            if await world.store.read(is_replica):
                await delete_identity(world, who, name, now)
                gone += 1
        after = names[-1]
    return gone


async def _names(world: World, who: Principal) -> tuple[str, ...]:
    query = IdentityQuery(who.account_id, who.region, limit=_AT_MOST)

    def unit(tx: Tx) -> tuple[str, ...]:
        # Addresses first: they stand by themselves, whatever becomes of their domain.
        rows = tx.addresses.list(query) or tx.identities.list(query)
        return tuple(row.name for row in rows)

    return await world.store.read(unit)


async def _configuration_sets(world: World, who: Principal) -> tuple[str, ...]:
    return await world.store.read(
        lambda tx: tuple(
            tx.configuration_sets.list(who.account_id, who.region, after="", contains=None, limit=_AT_MOST)
        )
    )


async def accounts_of(world: World) -> tuple[str, ...]:
    """Every account of the sandbox."""
    return await world.store.read(lambda tx: tuple(tx.access_keys.accounts()))
