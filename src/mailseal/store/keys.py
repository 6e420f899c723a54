"""Sealed private keys: the stock of fresh ones, and those that have a place.

Rule: a key without a place lies in the stock and nowhere else; nothing here opens one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.stored import SealedKey
from mailseal.store.engine import Execute, Row, from_ms, to_ms

# key_stock.add: one more fresh key waits.
_ADD_STOCK = """
INSERT INTO key_stock (key_id, bits, spki, envelope, master_key_id, made_at) VALUES (?, ?, ?, ?, ?, ?)
"""

# key_stock.take: the oldest key of a length leaves the stock.
_TAKE_STOCK = """
DELETE FROM key_stock WHERE key_id = (
    SELECT key_id FROM key_stock WHERE bits = ? ORDER BY made_at, key_id LIMIT 1
    /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING key_id, bits, spki, envelope, master_key_id, made_at
"""

# key_stock.levels: how many keys of each length wait.
_STOCK_LEVELS = "SELECT bits, count(*) FROM key_stock GROUP BY bits"

# private_keys.put: a key lies in its place from now on.
_PUT = """
INSERT INTO private_keys
    (key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# private_keys.load: one key by its id, with its place.
_LOAD = """
SELECT key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector
FROM private_keys WHERE key_id = ?
"""

# private_keys.list_under: the next keys, placed, retired or in stock, whose data key an older master key
# wraps.
_LIST_UNDER = """
SELECT * FROM (
    SELECT key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector, ''
    FROM private_keys WHERE master_key_id = ? AND key_id > ? ORDER BY key_id LIMIT ?
) AS placed
UNION ALL
SELECT * FROM (
    SELECT key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector, stage
    FROM retired_keys WHERE master_key_id = ? AND key_id > ? ORDER BY key_id LIMIT ?
) AS retired
UNION ALL
SELECT * FROM (
    SELECT key_id, bits, spki, envelope, master_key_id, made_at, NULL, NULL, NULL, NULL, NULL
    FROM key_stock WHERE master_key_id = ? AND key_id > ? ORDER BY key_id LIMIT ?
) AS stocked
ORDER BY key_id LIMIT ?
"""

# private_keys.count_under: how many those are.
_COUNT_UNDER = """
SELECT (SELECT count(*) FROM private_keys WHERE master_key_id = ?)
    + (SELECT count(*) FROM retired_keys WHERE master_key_id = ?)
    + (SELECT count(*) FROM key_stock WHERE master_key_id = ?)
"""

# private_keys.rewrap: another master key wraps the data key of a placed key, if it is the same row still.
_REWRAP = """
UPDATE private_keys SET envelope = ?, master_key_id = ? WHERE key_id = ? AND master_key_id <> ?
RETURNING key_id
"""

# retired_keys.rewrap: likewise for a retired key.
_REWRAP_RETIRED = """
UPDATE retired_keys SET envelope = ?, master_key_id = ? WHERE key_id = ? AND master_key_id <> ?
RETURNING key_id
"""

# key_stock.rewrap: likewise for a key in stock.
_REWRAP_STOCK = """
UPDATE key_stock SET envelope = ?, master_key_id = ? WHERE key_id = ? AND master_key_id <> ?
RETURNING key_id
"""

# key_stock.load: one key in stock.
_LOAD_STOCK = "SELECT key_id, bits, spki, envelope, master_key_id, made_at FROM key_stock WHERE key_id = ?"

# retired_keys.load: one retired key.
_LOAD_RETIRED = """
SELECT key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector, stage
FROM retired_keys WHERE key_id = ?
"""

# blocked_keys.add: a public key that nobody may bring from now on.
_BLOCK = "INSERT INTO blocked_keys (spki_sha256, reason) VALUES (?, ?) ON CONFLICT (spki_sha256) DO NOTHING"

# blocked_keys.has: whether a public key is one of those.
_IS_BLOCKED = "SELECT 1 FROM blocked_keys WHERE spki_sha256 = ?"

# private_keys.holders: the accounts that have this public key in a place.
_HOLDERS = """
SELECT DISTINCT account_id FROM private_keys WHERE substr(spki, 40, 16) = substr(?, 40, 16) AND spki = ?
"""

# private_keys.any: whether there is anything that only the master key opens.
_ANY = """
SELECT EXISTS (SELECT 1 FROM private_keys) OR EXISTS (SELECT 1 FROM key_stock)
    OR EXISTS (SELECT 1 FROM retired_keys)
"""

# private_keys.erase: the keys of a domain that nothing refers to any more; with the name at which it was
# published for those that we had made.
_ERASE = """
DELETE FROM private_keys WHERE account_id = ? AND region = ? AND domain = ?
AND NOT EXISTS (SELECT 1 FROM slots WHERE slots.key_id = private_keys.key_id)
AND NOT EXISTS (SELECT 1 FROM settings WHERE settings.key_id = private_keys.key_id)
RETURNING key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector, (
    SELECT slots.owner FROM slots WHERE slots.token = private_keys.selector
    AND slots.domain = private_keys.domain AND slots.region = private_keys.region
    AND slots.account_id = private_keys.account_id
)
"""

# installation.keeps_retired: whether erased keys are kept for publication.
_KEEPS_RETIRED = "SELECT EXISTS (SELECT 1 FROM installation WHERE name = 'keep_retired_keys')"

# retired_keys.add: an erased key is kept; its record is looked at as soon as may be.
_RETIRE = """
INSERT INTO retired_keys (key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain,
    selector, owner, stage, look_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)
ON CONFLICT (key_id) DO UPDATE SET envelope = excluded.envelope, master_key_id = excluded.master_key_id,
    stage = excluded.stage, look_at = excluded.look_at
"""


class Keys:
    """The tables key_stock and private_keys."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def add_stock(self, key: SealedKey) -> None:
        """Puts a fresh key into the stock; its place must be None."""
        if key.place is not None:
            raise ValueError("a key in the stock has no place yet")
        ref = key.ref
        self._execute(
            _ADD_STOCK,
            (ref.key_id, ref.bits, ref.spki, key.envelope, key.master_key_id, to_ms(key.made_at)),
        )

    def take_stock(self, bits: int) -> SealedKey | None:
        """The oldest fresh key of that length, no longer in the stock; None where there is none."""
        for key_id, length, spki, envelope, master_key_id, made_at in self._execute(_TAKE_STOCK, (bits,)):
            return SealedKey(KeyRef(key_id, length, spki), envelope, master_key_id, from_ms(made_at))
        return None

    def stock_levels(self) -> Mapping[int, int]:
        """How many fresh keys wait, by length in bits."""
        return dict(self._execute(_STOCK_LEVELS))

    def put(self, key: SealedKey) -> None:
        """Stores a key in its place; put it before the setting or slot that refers to it is saved."""
        if key.place is None:
            raise ValueError("only a key with a place can be put there")
        ref, place = key.ref, key.place
        self._execute(
            _PUT,
            (
                *(ref.key_id, ref.bits, ref.spki, key.envelope, key.master_key_id, to_ms(key.made_at)),
                *(place.account_id, place.region, place.domain, place.selector),
            ),
        )

    def load(self, key_id: str) -> SealedKey | None:
        """The sealed key that lies in a place, or None where it was erased or never put."""
        rows = self._execute(_LOAD, (key_id,))
        return _sealed(rows[0]) if rows else None

    def list_under(self, master_key_id: str, after: str, limit: int) -> Sequence[SealedKey]:
        """The next keys, placed, retired or in stock, that this master key seals, in order of their ids."""
        one = (master_key_id, after, limit)
        return [_sealed(row) for row in self._execute(_LIST_UNDER, (*one, *one, *one, limit))]

    def count_under(self, master_key_id: str) -> int:
        """How many keys this master key seals."""
        return int(self._execute(_COUNT_UNDER, (master_key_id,) * 3)[0][0])

    def rewrap(self, key: SealedKey) -> bool:
        """Whether the key was there under another master key; its envelope is this one from now on."""
        values = (key.envelope, key.master_key_id, key.ref.key_id, key.master_key_id)
        if key.place is None:
            return bool(self._execute(_REWRAP_STOCK, values))
        return bool(self._execute(_REWRAP, values) or self._execute(_REWRAP_RETIRED, values))

    def load_stock(self, key_id: str) -> SealedKey | None:
        """A key that lies in the stock, left there; None where it was taken."""
        rows = self._execute(_LOAD_STOCK, (key_id,))
        return _sealed((*rows[0], None, None, None, None)) if rows else None

    def load_retired(self, key_id: str) -> SealedKey | None:
        """A key that no slot has any more; None where it is not kept."""
        rows = self._execute(_LOAD_RETIRED, (key_id,))
        return _sealed(rows[0]) if rows else None

    def block(self, spki_sha256: bytes, reason: str) -> None:
        """Lets nobody bring this public key from now on; a reason that is there already stays."""
        self._execute(_BLOCK, (spki_sha256, reason))

    def is_blocked(self, spki_sha256: bytes) -> bool:
        """Whether nobody may bring this public key."""
        return bool(self._execute(_IS_BLOCKED, (spki_sha256,)))

    def holders(self, spki: bytes) -> Sequence[str]:
        """The accounts that have this very public key in a place."""
        return [account_id for (account_id,) in self._execute(_HOLDERS, (spki, spki))]

    def has_any(self) -> bool:
        """Whether a key lies anywhere, so that a new master key would be a lost one."""
        return bool(self._execute(_ANY)[0][0])

    def erase_unreferenced(self, account_id: str, region: str, domain: str) -> None:
        """Erases the keys of a domain that neither a setting nor a slot refers to any more.

        Of those that we had made the public half is kept: nobody can have come by such a key honestly. The
        key itself is kept where the installation publishes retired keys.
        """
        for *row, owner in self._execute(_ERASE, (account_id, region, domain)):
            if owner is None:
                continue
            self.block(hashlib.sha256(row[2]).digest(), "retired")
            if self._execute(_KEEPS_RETIRED)[0][0]:
                self._execute(_RETIRE, (*row, owner))


def _sealed(row: Row) -> SealedKey:
    key_id, bits, spki, envelope, master_key_id, made_at, *place = row
    where = None if place[0] is None else KeyPlace(*place)
    return SealedKey(KeyRef(key_id, bits, spki), envelope, master_key_id, from_ms(made_at), where)
