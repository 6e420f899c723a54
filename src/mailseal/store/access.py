"""Accounts and the access keys that their requests are signed with.

Rule: a secret is stored sealed and handed out sealed; nothing here opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from mailseal.core.access import EVERYTHING, AccessKey, Account, Permissions
from mailseal.core.limits import Limits, Rate
from mailseal.store.engine import Execute, Row, from_ms, to_ms

# accounts.add: an account; one that exists stays as it is.
_ADD_ACCOUNT = """
INSERT INTO accounts (account_id, created_at) VALUES (?, ?) ON CONFLICT (account_id) DO NOTHING
"""

# accounts.set: an account's label and limits.
_SET_ACCOUNT = """
UPDATE accounts SET label = ?, max_identities = ?, requests_per_s = ?, burst = ? WHERE account_id = ?
RETURNING account_id
"""

# accounts.list: all of them.
_ACCOUNTS = "SELECT account_id FROM accounts ORDER BY account_id"

# accounts.load: one account.
_LOAD_ACCOUNT = """
SELECT account_id, label, max_identities, requests_per_s, burst, created_at FROM accounts WHERE account_id = ?
"""

# places.taken: how many identities an account has in a region.
_TAKEN = "SELECT taken FROM identity_places WHERE account_id = ? AND region = ?"

# places.take: one identity more.
_TAKE = """
INSERT INTO identity_places (account_id, region, taken) VALUES (?, ?, 1)
ON CONFLICT (account_id, region) DO UPDATE SET taken = identity_places.taken + 1
"""

# places.give_back: one identity less.
_GIVE_BACK = """
UPDATE identity_places SET taken = taken - 1 WHERE account_id = ? AND region = ? AND taken > 0
"""

# access_keys.add: a key with its sealed secret.
_ADD = """
INSERT INTO access_keys (access_key_id, account_id, sealed_secret, is_enabled, is_sandbox, created_at, label,
    allowed_actions, allowed_identities)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# access_keys.load: one key with its sealed secret and its account's limits.
_LOAD = """
SELECT k.access_key_id, k.account_id, k.is_enabled, k.is_sandbox, k.label, k.allowed_actions,
    k.allowed_identities, k.created_at, a.max_identities, a.requests_per_s, a.burst, k.sealed_secret
FROM access_keys k JOIN accounts a ON a.account_id = k.account_id WHERE k.access_key_id = ?
"""

# access_keys.look_up: one key as above; where there is none a decoy's row, so that both take the same way.
_LOOK_UP = """
SELECT COALESCE(k.access_key_id, 'decoy'), COALESCE(k.account_id, '000000000000'), COALESCE(k.is_enabled, 1),
    COALESCE(k.is_sandbox, 0), COALESCE(k.label, ''), COALESCE(k.allowed_actions, '*'),
    COALESCE(k.allowed_identities, '*'), COALESCE(k.created_at, 0), a.max_identities, a.requests_per_s,
    a.burst, COALESCE(k.sealed_secret, ?), k.access_key_id IS NOT NULL
FROM (SELECT 1) AS one LEFT JOIN access_keys k ON k.access_key_id = ?
LEFT JOIN accounts a ON a.account_id = k.account_id
"""
_DECODED_AT_MOST = 4096

# access_keys.list: the keys of an account.
_LIST = """
SELECT k.access_key_id, k.account_id, k.is_enabled, k.is_sandbox, k.label, k.allowed_actions,
    k.allowed_identities, k.created_at, a.max_identities, a.requests_per_s, a.burst
FROM access_keys k JOIN accounts a ON a.account_id = k.account_id WHERE k.account_id = ?
ORDER BY k.access_key_id
"""

# access_keys.any_sandbox: whether the sandbox's fixed key, which is no secret, is among them.
_ANY_SANDBOX = "SELECT EXISTS (SELECT 1 FROM access_keys WHERE is_sandbox = 1)"

# access_keys.list_not_under: the next secrets that do not begin as those of the present master key do.
_LIST_NOT_UNDER = """
SELECT access_key_id, sealed_secret FROM access_keys
WHERE access_key_id > ? AND substr(sealed_secret, 1, 9) <> ? ORDER BY access_key_id LIMIT ?
"""

# access_keys.reseal: a secret sealed anew, if it is the same one still.
_RESEAL = "UPDATE access_keys SET sealed_secret = ? WHERE access_key_id = ? AND sealed_secret = ?"

# access_keys.set_enabled: a key may sign, or no longer.
_SET_ENABLED = "UPDATE access_keys SET is_enabled = ? WHERE access_key_id = ? RETURNING access_key_id"

# access_keys.delete: a key goes.
_DELETE = "DELETE FROM access_keys WHERE access_key_id = ? RETURNING access_key_id"


class AccessKeys:
    """The tables accounts and access_keys."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._decoded = lru_cache(_DECODED_AT_MOST)(_access_key)

    def add_account(self, account_id: str, now: datetime) -> None:
        """Makes an account; one that exists already stays as it is."""
        self._execute(_ADD_ACCOUNT, (account_id, to_ms(now)))

    def accounts(self) -> Sequence[str]:
        """The ids of all accounts, in their order."""
        return [account_id for (account_id,) in self._execute(_ACCOUNTS)]

    def account(self, account_id: str) -> Account | None:
        """One account with its limits, or None."""
        for found, label, identities, per_second, burst, made in self._execute(_LOAD_ACCOUNT, (account_id,)):
            return Account(found, label, _limits(identities, per_second, burst), from_ms(made))
        return None

    def set_account(self, account: Account) -> bool:
        """Whether there is such an account; it has this label and these limits from now on."""
        rate = account.limits.rate
        numbers = (rate.per_second, rate.burst) if rate else (None, None)
        values = (account.label, account.limits.identities, *numbers, account.account_id)
        return bool(self._execute(_SET_ACCOUNT, values))

    def places_taken(self, account_id: str, region: str) -> int:
        """How many identities, of every kind, the account has in the region."""
        for (taken,) in self._execute(_TAKEN, (account_id, region)):
            return int(taken)
        return 0

    def take_place(self, account_id: str, region: str) -> None:
        """Counts one identity more."""
        self._execute(_TAKE, (account_id, region))

    def give_place_back(self, account_id: str, region: str) -> None:
        """Counts one identity less."""
        self._execute(_GIVE_BACK, (account_id, region))

    def add(self, key: AccessKey, sealed_secret: bytes, now: datetime) -> None:
        """Stores a key of an account that exists; of its secret only the sealed form."""
        allowed = (" ".join(key.permissions.actions), " ".join(key.permissions.identities))
        values = (int(key.enabled), int(key.is_sandbox_key), to_ms(now), key.label, *allowed)
        self._execute(_ADD, (key.access_key_id, key.account_id, sealed_secret, *values))

    def load(self, access_key_id: str) -> tuple[AccessKey, bytes] | None:
        """The key without its secret, and the sealed secret; None where there is no such key."""
        for row in self._execute(_LOAD, (access_key_id,)):
            return _access_key(row), row[-1]
        return None

    def look_up(self, access_key_id: str) -> tuple[AccessKey, bytes, bool]:
        """As `load`, and True; where there is no such key a decoy, and False, in the same time."""
        *row, sealed_secret, exists = self._execute(_LOOK_UP, (b"", access_key_id))[0]
        return self._decoded(tuple(row)), sealed_secret, bool(exists)

    def list(self, account_id: str) -> Sequence[AccessKey]:
        """The keys of an account in the order of their ids, without their secrets."""
        return [_access_key(row) for row in self._execute(_LIST, (account_id,))]

    def has_sandbox_key(self) -> bool:
        """Whether the sandbox's fixed key is stored here, under any account."""
        return bool(self._execute(_ANY_SANDBOX)[0][0])

    def list_not_under(self, head: bytes, after: str, limit: int) -> Sequence[tuple[str, bytes]]:
        """The next keys, with their sealed secrets, whose secrets do not begin with `head`."""
        return [(key_id, sealed) for key_id, sealed in self._execute(_LIST_NOT_UNDER, (after, head, limit))]

    def reseal(self, access_key_id: str, before: bytes, sealed: bytes) -> None:
        """Stores a secret that was sealed anew, unless another one has taken its place."""
        self._execute(_RESEAL, (sealed, access_key_id, before))

    def set_enabled(self, access_key_id: str, enabled: bool) -> bool:
        """Whether there is such a key; it is enabled or disabled from now on."""
        return bool(self._execute(_SET_ENABLED, (int(enabled), access_key_id)))

    def delete(self, access_key_id: str) -> bool:
        """Whether there was such a key; it is gone."""
        return bool(self._execute(_DELETE, (access_key_id,)))


def _access_key(row: Row) -> AccessKey:
    access_key_id, account_id, is_enabled, is_sandbox, label, actions, identities, made = row[:8]
    allowed = Permissions(tuple(actions.split()), tuple(identities.split()))
    return AccessKey(
        access_key_id=access_key_id,
        account_id=account_id,
        enabled=bool(is_enabled),
        is_sandbox_key=bool(is_sandbox),
        permissions=EVERYTHING if allowed == EVERYTHING else allowed,
        label=label,
        created_at=from_ms(made),
        limits=_limits(*row[8:11]),
    )


def _limits(identities: int | None, per_second: int | None, burst: int | None) -> Limits:
    return Limits(identities, None if per_second is None or burst is None else Rate(per_second, burst))
