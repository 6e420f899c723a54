"""The live settings of an identity, each with its proof and the time of its next check.

Rule: a setting is written only with its identity; a claimed one is not claimed again before its lease ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mailseal.core.ed25519 import of_easy_dkim
from mailseal.core.identity import (
    ByoDkim,
    EasyDkim,
    Identity,
    Method,
    Parent,
    ParentKind,
    Replica,
    Setting,
)
from mailseal.core.keys import KeyRef
from mailseal.core.stored import DueCheck
from mailseal.store.engine import Execute, Row, Value, from_ms_or_null, to_ms, to_ms_or_null
from mailseal.store.loaded import Loaded, Place
from mailseal.store.proofs import proof_from, proof_values
from mailseal.store.slots import SlotRows

_EASY, _BYO, _REPLICA = "EASY", "BYO", "REPLICA"

# settings.load: the live settings of an identity, with their keys' public halves.
_LOAD = """
SELECT s.setting_id, s.method, s.bits, s.selector, s.key_id, k.bits, k.spki,
    s.status, s.since, s.searching_since, s.excused_ms, s.first_match_at, s.negatives, s.missing_ms,
    s.temporaries, s.temporary_since, s.last_evidence, s.last_checked_at, s.last_success_at, s.error_type,
    s.soa_primary, s.soa_admin, s.soa_serial, s.soa_minimum, s.negative_until,
    s.record_ttl, s.stale_ttl, s.stale_until, s.parent_region, s.is_denied
FROM settings s LEFT JOIN private_keys k ON k.key_id = s.key_id
WHERE s.account_id = ? AND s.region = ? AND s.name = ?
"""

# settings.insert: a setting that is new.
_INSERT = """
INSERT INTO settings (setting_id, account_id, region, name, method, bits, selector, key_id,
    status, since, searching_since, excused_ms, first_match_at, negatives, missing_ms,
    temporaries, temporary_since, last_evidence, last_checked_at, last_success_at, error_type,
    soa_primary, soa_admin, soa_serial, soa_minimum, negative_until, record_ttl, stale_ttl, stale_until,
    claim_at, parent_region, is_denied, is_leased)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
"""

# settings.update: how far a setting's proof has come; what it asks for never changes.
_UPDATE = """
UPDATE settings SET
    status = ?, since = ?, searching_since = ?, excused_ms = ?, first_match_at = ?, negatives = ?,
    missing_ms = ?, temporaries = ?, temporary_since = ?, last_evidence = ?, last_checked_at = ?,
    last_success_at = ?, error_type = ?, soa_primary = ?, soa_admin = ?, soa_serial = ?, soa_minimum = ?,
    negative_until = ?, record_ttl = ?, stale_ttl = ?, stale_until = ?
WHERE setting_id = ?
"""

# settings.update_due: the same, and when the next check is due; a lease on the setting ends.
_UPDATE_DUE = """
UPDATE settings SET
    status = ?, since = ?, searching_since = ?, excused_ms = ?, first_match_at = ?, negatives = ?,
    missing_ms = ?, temporaries = ?, temporary_since = ?, last_evidence = ?, last_checked_at = ?,
    last_success_at = ?, error_type = ?, soa_primary = ?, soa_admin = ?, soa_serial = ?, soa_minimum = ?,
    negative_until = ?, record_ttl = ?, stale_ttl = ?, stale_until = ?, claim_at = ?, is_leased = 0
WHERE setting_id = ?
"""

# settings.set_due: when the next check is due; a lease on the setting ends.
_SET_DUE = "UPDATE settings SET claim_at = ?, is_leased = 0 WHERE setting_id = ?"

# settings.end: the settings of an identity that are no longer alive go, their evidence with them.
_END_OTHERS = """
DELETE FROM settings WHERE account_id = ? AND region = ? AND name = ? AND setting_id NOT IN (?, ?)
"""

# settings.backlog: how many are due, and since when the first of them is.
_BACKLOG = """
SELECT count(*), min(claim_at) FROM (
    SELECT claim_at FROM settings WHERE claim_at <= ? ORDER BY claim_at LIMIT ?
) AS due
"""

# settings.claim: those that are due, oldest first, under a lease.
_CLAIM = """
UPDATE settings SET claim_at = ?, is_leased = 1 WHERE setting_id IN (
    SELECT setting_id FROM settings WHERE claim_at <= ? ORDER BY claim_at LIMIT ?
    /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING account_id, region, name, setting_id
"""

# settings.release: those under a lease that ends in that stretch are due at once.
_RELEASE = """
UPDATE settings SET claim_at = ?, is_leased = 0 WHERE claim_at > ? AND claim_at <= ? AND is_leased = 1
RETURNING setting_id
"""

# settings.hasten: the live settings of an identity are due then at the latest; leased ones are on their way.
_HASTEN = """
UPDATE settings SET claim_at = ? WHERE account_id = ? AND region = ? AND name = ? AND is_leased = 0
AND (claim_at IS NULL OR claim_at > ?)
"""


# settings.parent: the newest setting of an identity, as far as a replica of it needs to know.
_PARENT = """
SELECT s.method, s.bits, i.last_key_at FROM identities i JOIN settings s ON s.setting_id = i.newest_setting_id
WHERE i.account_id = ? AND i.region = ? AND i.name = ?
"""

# settings.replicas: the regions in which a live setting borrows the keys of this identity.
# DISTINCT or ORDER BY would make the planner walk all settings of the account by another index.
_REPLICAS = """
SELECT region FROM settings WHERE account_id = ? AND name = ? AND parent_region = ? AND region <> ?
"""


class Settings:
    """The table settings."""

    def __init__(self, execute: Execute, slots: SlotRows, loaded: Loaded) -> None:
        self._execute = execute
        self._slots = slots
        self._loaded = loaded

    def load(self, account_id: str, region: str, name: str) -> Mapping[str, Setting]:
        """The live settings of an identity, by their ids; a replica's with its parent as it stands."""
        place = (account_id, region, name)
        settings = {
            row[0]: Setting(row[0], self._method(account_id, name, row), proof_from(row[7:28]))
            for row in self._execute(_LOAD, place)
        }
        self._loaded.settings[place] = settings
        return settings

    def stored(self, place: Place) -> Mapping[str, Setting]:
        """The live settings of an identity as they are stored at this moment."""
        known = self._loaded.settings.get(place)
        return self.load(*place) if known is None else known

    def _method(self, account_id: str, name: str, row: Row) -> Method:
        _, method, bits, selector, key_id, key_bits, spki = row[:7]
        parent_region, is_denied = row[28:]
        if method == _EASY:
            return EasyDkim(bits)
        if method == _BYO:
            return ByoDkim(selector, KeyRef(key_id, key_bits, spki))
        return Replica(parent_region, bool(is_denied), self.parent(account_id, parent_region, name))

    def parent(self, account_id: str, region: str, name: str) -> Parent:
        """The identity of that name and region as a replica of it sees it."""
        rows = self._execute(_PARENT, (account_id, region, name))
        if not rows:
            return Parent(ParentKind.NOT_THERE)
        method, bits, last_key_at = rows[0]
        if method != _EASY:
            return Parent(ParentKind.BYODKIM if method == _BYO else ParentKind.REPLICA)
        slots = of_easy_dkim(self._slots.load(account_id, region, name) or ())
        return Parent(ParentKind.EASY, slots, bits, from_ms_or_null(last_key_at))

    def replica_regions(self, account_id: str, region: str, name: str) -> tuple[str, ...]:
        """The regions in which a live setting borrows the keys of this region's identity."""
        rows = self._execute(_REPLICAS, (account_id, name, region, region))
        return tuple(sorted({row[0] for row in rows}))

    def save(
        self, identity: Identity, stored: Mapping[str, Setting], due: Mapping[str, datetime | None]
    ) -> None:
        """Writes what differs from `stored` of the identity's settings, and ends all others it had.

        A setting that `due` does not name keeps the time of its next check and its lease.
        """
        place = (identity.account_id, identity.region, identity.name)
        self._loaded.settings.pop(place, None)
        settings = identity.settings
        for setting in settings:
            old = stored.get(setting.setting_id)
            if old is None:
                self._insert(place, setting, to_ms_or_null(due.get(setting.setting_id)))
            else:
                self._update(old, setting, due)
        alive = {setting.setting_id for setting in settings}
        if not alive.issuperset(stored):
            self._execute(_END_OTHERS, (*place, settings[0].setting_id, settings[-1].setting_id))

    def _insert(self, place: Place, setting: Setting, due_ms: int | None) -> None:
        method, borrowed = _method_values(setting), _borrowed_values(setting)
        values = (*method, *proof_values(setting.proof), due_ms, *borrowed)
        self._execute(_INSERT, (setting.setting_id, *place, *values))

    def _update(self, old: Setting, setting: Setting, due: Mapping[str, datetime | None]) -> None:
        setting_id = setting.setting_id
        is_due = setting_id in due
        if setting.proof is old.proof or setting.proof == old.proof:
            if is_due:
                self._execute(_SET_DUE, (to_ms_or_null(due[setting_id]), setting_id))
        elif is_due:
            values = (*proof_values(setting.proof), to_ms_or_null(due[setting_id]), setting_id)
            self._execute(_UPDATE_DUE, values)
        else:
            self._execute(_UPDATE, (*proof_values(setting.proof), setting_id))

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueCheck]:
        """The settings that are due for a check, claimed until the lease ends."""
        rows = self._execute(_CLAIM, (to_ms(lease_until), to_ms(now), limit))
        return [DueCheck(account, region, name, id_, lease_until) for account, region, name, id_ in rows]

    def backlog(self, now: datetime, at_most: int) -> tuple[int, datetime | None]:
        """How many settings are due and not claimed, counted up to `at_most`, and since when the first is."""
        rows = self._execute(_BACKLOG, (to_ms(now), at_most))
        return int(rows[0][0]), from_ms_or_null(rows[0][1])

    def release(self, now: datetime, until: datetime) -> int:
        """How many settings were under a lease that ends until then; they are due at once."""
        return len(self._execute(_RELEASE, (to_ms(now), to_ms(now), to_ms(until))))

    def hasten(self, account_id: str, region: str, name: str, at: datetime) -> None:
        """Makes the settings of an identity due at `at` at the latest, save those being checked just now."""
        self._execute(_HASTEN, (to_ms(at), account_id, region, name, to_ms(at)))


def _method_values(setting: Setting) -> tuple[Value, ...]:
    match setting.method:
        case EasyDkim(bits=bits):
            return _EASY, bits, None, None
        case ByoDkim(selector=selector, key=key):
            return _BYO, None, selector, key.key_id
        case Replica():
            return _REPLICA, None, None, None


def _borrowed_values(setting: Setting) -> tuple[Value, ...]:
    match setting.method:
        case Replica(region=region, denied=denied):
            return region, int(denied)
        case _:
            return None, 0
