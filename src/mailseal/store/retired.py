"""Retired keys: sealed still, from the moment when no slot has them until the operator wants none.

Rule: rows come in the transaction in which a key is erased, where the installation keeps retired keys at all,
and only for keys that lay in a slot; nothing here opens one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.retired import RetiredKey
from mailseal.core.stored import SealedKey
from mailseal.store.engine import Execute, Row, from_ms, from_ms_or_null, to_ms, to_ms_or_null

# The columns of a retired key, its place as its seal has it.
_COLUMNS = """
SELECT key_id, bits, spki, envelope, master_key_id, made_at, account_id, region, domain, selector, stage,
    owner, retired_at, look_at
FROM retired_keys
"""

# retired_keys.due: those whose record has to be looked at, oldest first.
_DUE = _COLUMNS + "WHERE look_at <= ? ORDER BY look_at LIMIT ?"

# retired_keys.next_due: when the first of them has to be.
_NEXT_DUE = "SELECT min(look_at) FROM retired_keys"

# retired_keys.published: what all may have of a domain, of one selector or of all, newest first.
_PUBLISHED = (
    _COLUMNS
    + """
WHERE domain = ? AND (CAST(? AS TEXT) IS NULL OR selector = ?) AND retired_at IS NOT NULL AND look_at IS NULL
ORDER BY retired_at DESC, key_id LIMIT ?
"""
)

# retired_keys.save: how far a key has come.
_SAVE = """
UPDATE retired_keys SET envelope = ?, master_key_id = ?, stage = ?, retired_at = ?, look_at = ?
WHERE key_id = ?
"""

# retired_keys.forget: all of them go.
_FORGET = "DELETE FROM retired_keys"


class RetiredKeys:
    """The table retired_keys."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def list_due(self, now: datetime, limit: int) -> Sequence[RetiredKey]:
        """Those whose record has to be looked at by now, the one that waits longest first."""
        return [_retired(row) for row in self._execute(_DUE, (to_ms(now), limit))]

    def next_due_at(self) -> datetime | None:
        """When the next look is due; None for never."""
        return from_ms_or_null(self._execute(_NEXT_DUE)[0][0])

    def list_published(self, domain: str, selector: str | None, limit: int) -> Sequence[RetiredKey]:
        """What all may have of a domain, newest first."""
        values = (domain, selector, selector, limit)
        return [_retired(row) for row in self._execute(_PUBLISHED, values)]

    def save(self, retired: RetiredKey) -> None:
        """Saves how far a key has come."""
        key = retired.key
        times = (to_ms_or_null(retired.retired_at), to_ms_or_null(retired.look_at))
        values = (key.envelope, key.master_key_id, retired.stage, *times, key.ref.key_id)
        self._execute(_SAVE, values)

    def forget_all(self) -> None:
        """Erases all retired keys."""
        self._execute(_FORGET)


def _retired(row: Row) -> RetiredKey:
    key_id, bits, spki, envelope, master_key_id, made_at, *place, owner, retired_at, look_at = row
    key = SealedKey(KeyRef(key_id, bits, spki), envelope, master_key_id, from_ms(made_at), KeyPlace(*place))
    return RetiredKey(key, owner, from_ms_or_null(retired_at), from_ms_or_null(look_at))
