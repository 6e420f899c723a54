"""Sealed private keys: the stock of fresh ones, and those that have a place.

Rule: a key without a place lies in the stock and nowhere else; nothing here opens one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.stored import SealedKey
from mailseal.store.engine import Execute, from_ms, to_ms

# key_stock.add: one more fresh key waits.
_ADD_STOCK = """
INSERT INTO key_stock (key_id, bits, spki, envelope, master_key_id, made_at) VALUES (?, ?, ?, ?, ?, ?)
"""

# key_stock.take: the oldest key of a length leaves the stock.
_TAKE_STOCK = """
DELETE FROM key_stock WHERE key_id = (
    SELECT key_id FROM key_stock WHERE bits = ? ORDER BY made_at, key_id LIMIT 1
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

# private_keys.any: whether there is anything that only the master key opens.
_ANY = "SELECT EXISTS (SELECT 1 FROM private_keys) OR EXISTS (SELECT 1 FROM key_stock)"

# private_keys.erase: the keys of a domain that nothing refers to any more.
_ERASE = """
DELETE FROM private_keys WHERE account_id = ? AND region = ? AND domain = ?
AND NOT EXISTS (SELECT 1 FROM slots WHERE slots.key_id = private_keys.key_id)
AND NOT EXISTS (SELECT 1 FROM settings WHERE settings.key_id = private_keys.key_id)
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
        for found, bits, spki, envelope, master_key_id, made_at, *place in self._execute(_LOAD, (key_id,)):
            ref = KeyRef(found, bits, spki)
            return SealedKey(ref, envelope, master_key_id, from_ms(made_at), KeyPlace(*place))
        return None

    def has_any(self) -> bool:
        """Whether a key lies anywhere, so that a new master key would be a lost one."""
        return bool(self._execute(_ANY)[0][0])

    def erase_unreferenced(self, account_id: str, region: str, domain: str) -> None:
        """Erases the keys of a domain that neither a setting nor a slot refers to any more."""
        self._execute(_ERASE, (account_id, region, domain))
