"""The secrets of an installation: whether the master key opens it, and what tokens are derived from.

Rule: a new database gets its secret once; one that has lost its secret is never given another, and one that
another master key sealed is not touched.
References: docs/decisions/0003-deterministic-tokens.md; docs/operating.md.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from mailseal.app.database import Database
from mailseal.config import SetupError
from mailseal.core.access import AccessKey, secret_name
from mailseal.sealing.keyring import Keyring
from mailseal.sealing.providers import CHECK_VALUE
from mailseal.sealing.succession import Opened, open_keyring
from mailseal.service.access import new_access_key_id, new_secret
from mailseal.store.transaction import Transaction

DERIVATION = "token_derivation"
"""The name of the sealed secret that tokens come from, among the installation's values."""
FIRST_ACCOUNT = "000000000001"

_SECRET_BYTES = 32


async def opened_again(store: Database, peeked: Mapping[str, bytes], opened: Opened, provider: str) -> Opened:
    """The keyring for what the database holds now that it is ours alone: the same one, as a rule."""
    stored = await store.read(lambda tx: tx.installation.values())
    if stored != peeked:
        opened = await asyncio.to_thread(open_keyring, provider, stored, data_dir=store.folder)
    return opened


async def settle_master_key(store: Database, opened: Opened) -> None:
    """Deletes what led from earlier master keys to this one, now that the configuration names it."""

    def unit(tx: Transaction) -> None:
        for name in opened.outlived:
            tx.installation.delete(name)

    if opened.outlived:
        await store.write(unit)


async def open_installation(
    store: Database,
    keyring: Keyring,
    zones: Sequence[str],
    values: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """The secret that tokens are derived from, made where the database is new; the zones are known then.

    `values` is what a new database keeps of its master key. Raises MasterKeyRefused where another master key
    sealed this database.
    """

    def unit(tx: Transaction) -> bytes:
        check = tx.installation.get(CHECK_VALUE)
        sealed = tx.installation.get(DERIVATION)
        if check is not None:
            keyring.confirm(check)
        elif sealed is None and not tx.access_keys.accounts():
            sealed = keyring.seal_secret(DERIVATION, secrets.token_bytes(_SECRET_BYTES))
            tx.installation.put(CHECK_VALUE, keyring.check_value())
            tx.installation.put(DERIVATION, sealed)
            for name, value in values.items():
                tx.installation.put(name, value)
        if sealed is None or (check is None and tx.access_keys.accounts()):
            raise SetupError(
                f"{store.where} has lost the secret that tokens are derived from",
                "another one would give every new domain tokens that its owner never published",
                "restore the database from its backup; nothing was changed",
            )
        for zone in zones:
            if zone not in tx.zone.zones():
                tx.zone.add(zone)
        return keyring.open_secret(DERIVATION, sealed)

    return await store.write(unit)


async def refuse_sandbox_key(store: Database) -> None:
    """Raises SetupError where the sandbox's access key, which everybody knows, is in this database."""
    if await store.read(lambda tx: tx.access_keys.has_sandbox_key()):
        raise SetupError(
            f"{store.where} is a sandbox's database",
            "it holds the sandbox's access key, which is printed in the documentation",
            "start it with mailseal sandbox, or make a new installation with mailseal init",
        )


def new_access_key(account_id: str) -> AccessKey:
    """A fresh access key, with which all may be done in its account."""
    return AccessKey(new_access_key_id(), account_id, new_secret())


async def add_access_key(store: Database, keyring: Keyring, key: AccessKey, now: datetime) -> None:
    """Stores an access key, and its account where that is new; one of that id is put right."""
    name, secret = secret_name(key.access_key_id), key.secret.encode()
    sealed = keyring.seal_secret(name, secret)

    def unit(tx: Transaction) -> None:
        tx.access_keys.add_account(key.account_id, now)
        known = tx.access_keys.load(key.access_key_id)
        if known is not None and keyring.open_secret(name, known[1]) == secret:
            return
        tx.access_keys.delete(key.access_key_id)
        tx.access_keys.add(key, sealed, now)

    await store.write(unit)
