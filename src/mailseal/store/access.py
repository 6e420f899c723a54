"""Accounts and the access keys that their requests are signed with.

Rule: a secret is stored sealed and handed out sealed; nothing here opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.access import AccessKey
from mailseal.store.engine import Execute, Row, to_ms

# accounts.add: an account; one that exists stays as it is.
_ADD_ACCOUNT = """
INSERT INTO accounts (account_id, created_at) VALUES (?, ?) ON CONFLICT (account_id) DO NOTHING
"""

# accounts.list: all of them.
_ACCOUNTS = "SELECT account_id FROM accounts ORDER BY account_id"

# access_keys.add: a key with its sealed secret.
_ADD = """
INSERT INTO access_keys (access_key_id, account_id, sealed_secret, is_enabled, is_sandbox, created_at)
VALUES (?, ?, ?, ?, ?, ?)
"""

# access_keys.load: one key with its sealed secret.
_LOAD = """
SELECT access_key_id, account_id, is_enabled, is_sandbox, sealed_secret FROM access_keys
WHERE access_key_id = ?
"""

# access_keys.list: the keys of an account.
_LIST = """
SELECT access_key_id, account_id, is_enabled, is_sandbox FROM access_keys WHERE account_id = ?
ORDER BY access_key_id
"""

# access_keys.any_sandbox: whether the sandbox's fixed key, which is no secret, is among them.
_ANY_SANDBOX = "SELECT EXISTS (SELECT 1 FROM access_keys WHERE is_sandbox = 1)"

# access_keys.set_enabled: a key may sign, or no longer.
_SET_ENABLED = "UPDATE access_keys SET is_enabled = ? WHERE access_key_id = ? RETURNING access_key_id"

# access_keys.delete: a key goes.
_DELETE = "DELETE FROM access_keys WHERE access_key_id = ? RETURNING access_key_id"


class AccessKeys:
    """The tables accounts and access_keys."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def add_account(self, account_id: str, now: datetime) -> None:
        """Makes an account; one that exists already stays as it is."""
        self._execute(_ADD_ACCOUNT, (account_id, to_ms(now)))

    def accounts(self) -> Sequence[str]:
        """The ids of all accounts, in their order."""
        return [account_id for (account_id,) in self._execute(_ACCOUNTS)]

    def add(self, key: AccessKey, sealed_secret: bytes, now: datetime) -> None:
        """Stores a key of an account that exists; of its secret only the sealed form."""
        values = (int(key.enabled), int(key.is_sandbox_key), to_ms(now))
        self._execute(_ADD, (key.access_key_id, key.account_id, sealed_secret, *values))

    def load(self, access_key_id: str) -> tuple[AccessKey, bytes] | None:
        """The key without its secret, and the sealed secret; None where there is no such key."""
        for *row, sealed_secret in self._execute(_LOAD, (access_key_id,)):
            return _access_key(tuple(row)), sealed_secret
        return None

    def list(self, account_id: str) -> Sequence[AccessKey]:
        """The keys of an account in the order of their ids, without their secrets."""
        return [_access_key(row) for row in self._execute(_LIST, (account_id,))]

    def has_sandbox_key(self) -> bool:
        """Whether the sandbox's fixed key is stored here, under any account."""
        return bool(self._execute(_ANY_SANDBOX)[0][0])

    def set_enabled(self, access_key_id: str, enabled: bool) -> bool:
        """Whether there is such a key; it is enabled or disabled from now on."""
        return bool(self._execute(_SET_ENABLED, (int(enabled), access_key_id)))

    def delete(self, access_key_id: str) -> bool:
        """Whether there was such a key; it is gone."""
        return bool(self._execute(_DELETE, (access_key_id,)))


def _access_key(row: Row) -> AccessKey:
    access_key_id, account_id, is_enabled, is_sandbox = row
    return AccessKey(
        access_key_id=access_key_id,
        account_id=account_id,
        secret="",
        enabled=bool(is_enabled),
        is_sandbox_key=bool(is_sandbox),
    )
