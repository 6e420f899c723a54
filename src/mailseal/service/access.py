"""Use cases of the operator: accounts with their limits, and the access keys that requests are signed with.

Rule: a secret that is made here is given out once, by the call that made it; what is stored is sealed.
References: docs/decisions/0010-access.md.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mailseal.core.access import AccessKey, Account, secret_name
from mailseal.core.errors import AlreadyExists, BadRequest, NotFound
from mailseal.service.world import Tx, World

_KEY_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHANUMERIC = string.ascii_letters + string.digits
_HIGHEST_ACCOUNT = 10**12 - 1


@dataclass(frozen=True, slots=True)
class AccountReport:
    """An account with what it holds."""

    account: Account
    identities: Mapping[str, int]
    """By region."""
    access_keys: int


def new_access_key_id() -> str:
    """An id that nobody has: 20 characters."""
    return "MSAK" + "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(16))


def new_secret() -> str:
    """A secret of 40 characters, 238 bits of chance."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(40))


async def create_account(world: World, wanted: Account, now: datetime) -> AccountReport:
    """The account that was created; with an empty id it got the next free one. Raises AlreadyExists."""

    def unit(tx: Tx) -> AccountReport:
        taken = tx.access_keys.accounts()
        account_id = wanted.account_id or _next_free(taken)
        if account_id in taken:
            raise AlreadyExists(f"Account {account_id} already exists.")
        tx.access_keys.add_account(account_id, now)
        tx.access_keys.set_account(replace(wanted, account_id=account_id))
        return _report(tx, world, account_id)

    return await world.store.write(unit)


async def list_accounts(world: World) -> tuple[AccountReport, ...]:
    """Every account, in the order of the ids."""

    def unit(tx: Tx) -> tuple[AccountReport, ...]:
        return tuple(_report(tx, world, account_id) for account_id in tx.access_keys.accounts())

    return await world.store.read(unit)


async def show_account(world: World, account_id: str) -> AccountReport:
    """One account; raises NotFound."""
    return await world.store.read(lambda tx: _report(tx, world, account_id))


async def set_account(world: World, account: Account) -> AccountReport:
    """The account with another label and other limits; raises NotFound."""

    def unit(tx: Tx) -> AccountReport:
        if not tx.access_keys.set_account(account):
            raise _no_account(account.account_id)
        return _report(tx, world, account.account_id)

    return await world.store.write(unit)


async def add_access_key(world: World, key: AccessKey, now: datetime) -> AccessKey:
    """The key as it is stored from now on; raises AlreadyExists, and NotFound for its account."""
    sealed = world.keyring.seal_secret(secret_name(key.access_key_id), key.secret.encode())

    def unit(tx: Tx) -> AccessKey:
        if tx.access_keys.account(key.account_id) is None:
            raise _no_account(key.account_id)
        if tx.access_keys.load(key.access_key_id) is not None:
            raise AlreadyExists(f"Access key {key.access_key_id} already exists.")
        tx.access_keys.add(key, sealed, now)
        return _key(tx, key.access_key_id)

    return await world.store.write(unit)


async def list_access_keys(world: World, account_id: str) -> tuple[AccessKey, ...]:
    """The account's keys without their secrets; raises NotFound."""

    def unit(tx: Tx) -> tuple[AccessKey, ...]:
        if tx.access_keys.account(account_id) is None:
            raise _no_account(account_id)
        return tuple(tx.access_keys.list(account_id))

    return await world.store.read(unit)


async def set_access_key_enabled(world: World, access_key_id: str, enabled: bool) -> AccessKey:
    """The key, with which requests may be signed from now on, or no longer; raises NotFound."""

    def unit(tx: Tx) -> AccessKey:
        tx.access_keys.set_enabled(access_key_id, enabled)
        return _key(tx, access_key_id)

    return await world.store.write(unit)


async def delete_access_key(world: World, access_key_id: str) -> AccessKey:
    """The key that was there; raises NotFound."""

    def unit(tx: Tx) -> AccessKey:
        gone = _key(tx, access_key_id)
        tx.access_keys.delete(access_key_id)
        return gone

    return await world.store.write(unit)


def _key(tx: Tx, access_key_id: str) -> AccessKey:
    found = tx.access_keys.load(access_key_id)
    if found is None:
        raise NotFound(f"Access key {access_key_id} does not exist.", hint="mailseal access list")
    return found[0]


def _report(tx: Tx, world: World, account_id: str) -> AccountReport:
    account = tx.access_keys.account(account_id)
    if account is None:
        raise _no_account(account_id)
    held = {region: tx.access_keys.places_taken(account_id, region) for region in world.regions}
    return AccountReport(account, held, len(tx.access_keys.list(account_id)))


def _no_account(account_id: str) -> NotFound:
    return NotFound(f"Account {account_id} does not exist.", hint="mailseal account list")


def _next_free(taken: Sequence[str]) -> str:
    number = max((int(account_id) for account_id in taken), default=0) + 1
    if number > _HIGHEST_ACCOUNT:
        raise BadRequest("No account id is left above the highest one.", hint="Name a free one.")
    return f"{number:012}"
