"""Identities: one row each, with their settings and their domain's slots beside it.

Rule: a row is written only where it is still at the version that was loaded; status and may_send repeat
what the settings say and are computed by the core.
References: AWS SESv2 ListEmailIdentitiesRequest, AWS SESv2 IdentityInfo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mailseal.core.ed25519 import Ed25519, of_easy_dkim, of_ed25519
from mailseal.core.identity import Identity, Parent, Setting, verification
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.rotation import Slots, Wish, next_due_at
from mailseal.core.stored import DueCheck, DueTimes, IdentityQuery, IdentitySummary
from mailseal.store.engine import Execute, Row, Value, from_ms, from_ms_or_null, to_ms, to_ms_or_null
from mailseal.store.loaded import Loaded, Place
from mailseal.store.settings import Settings
from mailseal.store.slots import SlotRows

# identities.load: one identity.
_LOAD = """
SELECT version, created_at, newest_setting_id, signing_setting_id, signing_enabled, length_changed_at,
    downgraded_at, last_key_at, new_key_wanted, rotate_days, revoke_old_key, ed25519, ed25519_key_wanted,
    ed25519_revoke, status, may_send
FROM identities WHERE account_id = ? AND region = ? AND name = ?
"""

# identities.insert: an identity whose name is free, at version 1.
_INSERT = """
INSERT INTO identities (newest_setting_id, signing_setting_id, signing_enabled, length_changed_at,
    downgraded_at, last_key_at, new_key_wanted, rotate_days, revoke_old_key, ed25519, ed25519_key_wanted,
    ed25519_revoke, status, may_send, account_id, region, name, created_at, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (account_id, region, name) DO NOTHING RETURNING version
"""

# identities.update_if_version: an identity that nobody else has changed since.
_UPDATE = """
UPDATE identities SET newest_setting_id = ?, signing_setting_id = ?, signing_enabled = ?,
    length_changed_at = ?, downgraded_at = ?, last_key_at = ?, new_key_wanted = ?, rotate_days = ?,
    revoke_old_key = ?, ed25519 = ?, ed25519_key_wanted = ?, ed25519_revoke = ?, version = version + 1
WHERE account_id = ? AND region = ? AND name = ? AND version = ? RETURNING version
"""

# identities.update_standing: the same where it stands otherwise than before.
_UPDATE_STANDING = """
UPDATE identities SET newest_setting_id = ?, signing_setting_id = ?, signing_enabled = ?,
    length_changed_at = ?, downgraded_at = ?, last_key_at = ?, new_key_wanted = ?, rotate_days = ?,
    revoke_old_key = ?, ed25519 = ?, ed25519_key_wanted = ?, ed25519_revoke = ?, status = ?, may_send = ?,
    version = version + 1
WHERE account_id = ? AND region = ? AND name = ? AND version = ? RETURNING version
"""

# identities.delete_if_version: an identity goes, its settings with it.
_DELETE = """
DELETE FROM identities WHERE account_id = ? AND region = ? AND name = ? AND version = ? RETURNING version
"""

# identities.list: a page in the order of names; filters that are NULL let everything through.
_LIST = """
SELECT name, status, may_send FROM identities
WHERE account_id = ? AND region = ? AND name > ?
    AND (CAST(? AS TEXT) IS NULL OR name LIKE ? ESCAPE '!')
ORDER BY name LIMIT ?
"""

# identities.list_status: the same for one status, by its own index.
_LIST_STATUS = """
SELECT name, status, may_send FROM identities
WHERE account_id = ? AND region = ? AND name > ?
    AND (CAST(? AS TEXT) IS NULL OR name LIKE ? ESCAPE '!') AND status = ?
ORDER BY name LIMIT ?
"""

# identities.next_due: the earliest moment at which anything may be claimed.
_NEXT_DUE = """
SELECT min(claim_at) FROM (
    SELECT min(claim_at) AS claim_at FROM settings UNION ALL SELECT min(claim_at) FROM domains
) AS due
"""

# identities.count_by_status: how many stand where, over all accounts.
_COUNT = "SELECT status, count(*) FROM identities GROUP BY status"

# identities.count_in: how many of one account and region stand so, counted up to a limit.
_COUNT_IN = """
SELECT count(*) FROM (
    SELECT 1 FROM identities WHERE account_id = ? AND region = ? AND status = ? LIMIT ?
) AS counted
"""

# identities.search: among the next so many names, those that contain a text.
_SEARCH = """
SELECT name, status, may_send FROM (
    SELECT name, status, may_send FROM identities WHERE account_id = ? AND region = ? AND name > ?
    ORDER BY name LIMIT ?
) AS looked_at WHERE name LIKE ? ESCAPE '!' AND (? = '' OR status = ?) ORDER BY name LIMIT ?
"""

# identities.horizon: the last of the next so many names.
_HORIZON = """
SELECT name FROM identities WHERE account_id = ? AND region = ? AND name > ? ORDER BY name LIMIT 1 OFFSET ?
"""


class Identities:
    """The table identities, and settings and slots as far as they are saved with it."""

    def __init__(self, execute: Execute, settings: Settings, slots: SlotRows, loaded: Loaded) -> None:
        self._execute = execute
        self._settings = settings
        self._slots = slots
        self._loaded = loaded

    def load(self, account_id: str, region: str, name: str) -> Identity | None:
        """The identity of that name, or None."""
        place = (account_id, region, name)
        rows = self._execute(_LOAD, place)
        if not rows:
            return None
        version, created_at, newest_id, signing_id, signing_enabled, *later = rows[0]
        length_changed_at, downgraded_at, last_key_at, *rotation = later
        new_key_wanted, rotate_days, revoke_old_key, *second, status, may_send = rotation
        self._loaded.standing[place] = (status, bool(may_send))
        settings = self._settings.load(*place)
        slots = self._slots.load(*place) or ()
        return Identity(
            *place,
            created_at=from_ms(created_at),
            newest=settings[newest_id],
            slots=of_easy_dkim(slots),
            signing=None if signing_id is None else settings[signing_id],
            signing_enabled=bool(signing_enabled),
            length_changed_at=from_ms_or_null(length_changed_at),
            downgraded_at=from_ms_or_null(downgraded_at),
            last_key_at=from_ms_or_null(last_key_at),
            new_key_wanted=bool(new_key_wanted),
            rotate_days=rotate_days,
            revoke_old_key=bool(revoke_old_key),
            ed25519=_ed25519(second, of_ed25519(slots)),
            replica_regions=self._settings.replica_regions(*place),
            version=version,
        )

    def parent(self, account_id: str, region: str, name: str) -> Parent:
        """The identity of that name and region as a replica of it sees it."""
        return self._settings.parent(account_id, region, name)

    def save(self, identity: Identity, due: DueTimes) -> Identity | None:
        """The identity with its new version, or None where the stored row is not at `identity.version`.

        Version 0 inserts (None where the name exists). Saves its settings and slots, ends settings that are
        no longer alive, erases keys of the domain that nothing refers to any more and marks owner names whose
        answer has to change. Where it returns None nothing was written.
        """
        place = (identity.account_id, identity.region, identity.name)
        if identity.version == 0:
            values = (*_state(identity), *_standing(identity), *place, to_ms(identity.created_at))
            rows = self._execute(_INSERT, values)
            settings: Mapping[str, Setting] = {}
        else:
            rows = self._update(identity, place)
            settings = self._settings.stored(place) if rows else {}
        if not rows:
            return None
        self._settings.save(identity, settings, due.checks)
        self._slots.save(*place, identity.all_slots, due.slots)
        return replace(identity, version=rows[0][0])

    def _update(self, identity: Identity, place: Place) -> Sequence[Row]:
        """The new version in a row, or no row; the status is indexed and written only where it changed."""
        standing = _standing(identity)
        if self._loaded.standing.pop(place, None) == standing:
            return self._execute(_UPDATE, (*_state(identity), *place, identity.version))
        return self._execute(_UPDATE_STANDING, (*_state(identity), *standing, *place, identity.version))

    def delete(self, identity: Identity) -> bool:
        """Whether the identity was removed; False where the stored row is not at its version.

        Its slots are saved as they are in `identity` and become due when the first of them is to be blanked
        or withdrawn; keys that only its settings referred to are erased.
        """
        place = (identity.account_id, identity.region, identity.name)
        if not self._execute(_DELETE, (*place, identity.version)):
            return False
        self._loaded.settings.pop(place, None)
        self._loaded.standing.pop(place, None)
        slots = identity.all_slots
        self._slots.save(*place, slots, _due_by_time(slots, identity.created_at))
        return True

    def list(self, query: IdentityQuery) -> Sequence[IdentitySummary]:
        """A page of identities in the order of their names, at most `query.limit`."""
        contains = None if query.name_contains is None else like_pattern(query.name_contains)
        values = (query.account_id, query.region, query.after, contains, contains)
        if query.status is None:
            rows = self._execute(_LIST, (*values, query.limit))
        else:
            rows = self._execute(_LIST_STATUS, (*values, query.status, query.limit))
        return [IdentitySummary(name, DkimStatus(status), bool(may)) for name, status, may in rows]

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueCheck]:
        """The settings that are due for a check, claimed until the lease ends."""
        return self._settings.claim_due(now, lease_until, limit)

    def release(self, now: datetime, until: datetime) -> int:
        """How many checks were under a lease that ends until then; they are due at once."""
        return self._settings.release(now, until)

    def set_check_due(self, account_id: str, region: str, name: str, at: datetime) -> None:
        """Makes every live setting of an identity due at `at` at the latest; a check under way stays it."""
        self._settings.hasten(account_id, region, name, at)

    def next_due_at(self) -> datetime | None:
        """The earliest time at which a check or slots may be claimed; None where nothing is ever due."""
        return from_ms_or_null(self._execute(_NEXT_DUE)[0][0])

    def backlog(self, now: datetime, at_most: int) -> tuple[int, datetime | None]:
        """How many checks are due and not begun, counted up to `at_most`, and since when the first is."""
        return self._settings.backlog(now, at_most)

    def count_by_status(self) -> Mapping[str, int]:
        """How many identities have each status, over all accounts and regions."""
        return dict(self._execute(_COUNT))

    def count_in(self, account_id: str, region: str, status: DkimStatus, at_most: int) -> int:
        """How many of one account and region stand so; counting ends at `at_most`."""
        return int(self._execute(_COUNT_IN, (account_id, region, status, at_most))[0][0])

    def search(self, query: IdentityQuery, at_most: int) -> tuple[Sequence[IdentitySummary], str | None]:
        """As `list`, looking at that many names only; then the last name looked at, None at the end."""
        place = (query.account_id, query.region, query.after)
        status = query.status or ""
        pattern = like_pattern(query.name_contains or "")
        rows = self._execute(_SEARCH, (*place, at_most, pattern, status, status, query.limit))
        horizon = self._execute(_HORIZON, (*place, at_most - 1))
        found = [IdentitySummary(name, DkimStatus(stands), bool(may)) for name, stands, may in rows]
        return found, horizon[0][0] if horizon else None


def _state(identity: Identity) -> tuple[Value, ...]:
    """What changes of an identity, in the order of the statements."""
    signing: Setting | None = identity.signing
    return (
        identity.newest.setting_id,
        None if signing is None else signing.setting_id,
        int(identity.signing_enabled),
        to_ms_or_null(identity.length_changed_at),
        to_ms_or_null(identity.downgraded_at),
        to_ms_or_null(identity.last_key_at),
        int(identity.new_key_wanted),
        identity.rotate_days,
        int(identity.revoke_old_key),
        None if identity.ed25519.said is None else int(identity.ed25519.said),
        int(identity.ed25519.new_key_wanted),
        int(identity.ed25519.revoke_old_key),
    )


def _ed25519(values: Sequence[int | None], slots: Slots) -> Ed25519:
    said, new_key_wanted, revoke_old_key = values
    return Ed25519(None if said is None else bool(said), slots, bool(new_key_wanted), bool(revoke_old_key))


def _standing(identity: Identity) -> tuple[DkimStatus, bool]:
    """What lists tell of an identity, in the order of the statements."""
    stands = verification(identity)
    return stands.status, stands.may_send


def _due_by_time(slots: Slots, any_moment: datetime) -> datetime | None:
    """When slots that nobody wants have to be looked at; with nothing wanted no moment enters into it."""
    return next_due_at(slots, Wish(None), any_moment)


def like_pattern(part: str) -> str:
    """The LIKE pattern for names that contain `part`, its wildcards taken literally."""
    escaped = part.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
