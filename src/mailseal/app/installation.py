"""The secrets of an installation: whether the master key opens it, and what tokens are derived from.

Rule: a new database gets its secret once; one that has lost its secret is never given another, and one that
another master key sealed is not touched.
References: docs/decisions/0003-deterministic-tokens.md; docs/operating.md.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from datetime import datetime

from mailseal.config import SetupError
from mailseal.core.access import AccessKey, secret_name
from mailseal.sealing.keyring import Keyring
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction

CHECK_VALUE = "master_key_check"
DERIVATION = "token_derivation"
"""The installation's values: the master key's check value, and the sealed secret that tokens come from."""
FIRST_ACCOUNT = "000000000001"

_SECRET_BYTES = 32
_KEY_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHANUMERIC = string.ascii_letters + string.digits


async def open_installation(store: SqliteStore, keyring: Keyring, zones: Sequence[str]) -> bytes:
    """The secret that tokens are derived from, made where the database is new; the zones are known then.

    Raises MasterKeyRefused where another master key sealed this database.
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
        if sealed is None or (check is None and tx.access_keys.accounts()):
            raise SetupError(
                f"{store.path} has lost the secret that tokens are derived from",
                "another one would give every new domain tokens that its owner never published",
                "restore the database from its backup; nothing was changed",
            )
        for zone in zones:
            if zone not in tx.zone.zones():
                tx.zone.add(zone)
        return keyring.open_secret(DERIVATION, sealed)

    return await store.write(unit)


async def refuse_sandbox_key(store: SqliteStore) -> None:
    """Raises SetupError where the sandbox's access key, which everybody knows, is in this database."""
    if await store.read(lambda tx: tx.access_keys.has_sandbox_key()):
        raise SetupError(
            f"{store.path} is a sandbox's database",
            "it holds the sandbox's access key, which is printed in the documentation",
            "start it with mailseal sandbox, or make a new installation with mailseal init",
        )


def new_access_key(account_id: str) -> AccessKey:
    """A fresh access key: 20 characters, and a secret of 40."""
    key_id = "MSAK" + "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(16))
    secret = "".join(secrets.choice(_ALPHANUMERIC) for _ in range(40))
    return AccessKey(key_id, account_id, secret)


async def add_access_key(store: SqliteStore, keyring: Keyring, key: AccessKey, now: datetime) -> None:
    """Stores an access key, and its account where that is new."""
    sealed = keyring.seal_secret(secret_name(key.access_key_id), key.secret.encode())

    def unit(tx: Transaction) -> None:
        if key.account_id not in tx.access_keys.accounts():
            tx.access_keys.add_account(key.account_id, now)
        if tx.access_keys.load(key.access_key_id) is None:
            tx.access_keys.add(key, sealed, now)

    await store.write(unit)
