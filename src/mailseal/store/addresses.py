"""Address identities, the links that prove them, and the addresses with a signing switch of their own.

Rule: a row is changed by units that load it first; of a link only the hash of its secret is here.
References: AWS SESv2 IdentityInfo, AWS SESv2 PutEmailIdentityDkimAttributesRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mailseal.core.addressid import AddressIdentity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.stored import IdentityQuery, IdentitySummary
from mailseal.store.engine import Execute, Row, Value, from_ms, from_ms_or_null, to_ms, to_ms_or_null
from mailseal.store.identities import like_pattern

# addresses.load: one address.
_LOAD = """
SELECT account_id, region, name, created_at, status, link_at, proven_at, mail_due_at, mails_tried
FROM addresses WHERE account_id = ? AND region = ? AND name = ?
"""

# addresses.save: an address, new or changed; a lease on it ends.
_SAVE = """
INSERT INTO addresses (account_id, region, name, created_at, status, link_at, proven_at, mail_due_at,
    mails_tried, claim_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, region, name) DO UPDATE SET
    created_at = excluded.created_at, status = excluded.status, link_at = excluded.link_at,
    proven_at = excluded.proven_at, mail_due_at = excluded.mail_due_at,
    mails_tried = excluded.mails_tried, claim_at = excluded.claim_at
"""

# addresses.delete: an address goes, its links with it.
_DELETE = "DELETE FROM addresses WHERE account_id = ? AND region = ? AND name = ? RETURNING name"

# addresses.list: a page in the order of names; a filter that is NULL lets everything through.
_LIST = """
SELECT name, status FROM addresses
WHERE account_id = ? AND region = ? AND name > ?
    AND (CAST(? AS TEXT) IS NULL OR lower(name) LIKE ? ESCAPE '!')
ORDER BY name LIMIT ?
"""

# addresses.list_status: the same for one status, by its own index.
_LIST_STATUS = """
SELECT name, status FROM addresses
WHERE account_id = ? AND region = ? AND name > ?
    AND (CAST(? AS TEXT) IS NULL OR lower(name) LIKE ? ESCAPE '!')
AND status = ? ORDER BY name LIMIT ?
"""

# addresses.count_by_status: how many stand where, over all accounts.
_COUNT = "SELECT status, count(*) FROM addresses GROUP BY status"

# addresses.count_in: how many of one account and region stand so, counted up to a limit.
_COUNT_IN = """
SELECT count(*) FROM (
    SELECT 1 FROM addresses WHERE account_id = ? AND region = ? AND status = ? LIMIT ?
) AS counted
"""

# addresses.search: among the next so many names, those that contain a text.
_SEARCH = """
SELECT name, status FROM (
    SELECT name, status FROM addresses WHERE account_id = ? AND region = ? AND name > ? ORDER BY name LIMIT ?
) AS looked_at WHERE lower(name) LIKE ? ESCAPE '!' AND (? = '' OR status = ?) ORDER BY name LIMIT ?
"""

# addresses.horizon: the last of the next so many names.
_HORIZON = """
SELECT name FROM addresses WHERE account_id = ? AND region = ? AND name > ? ORDER BY name LIMIT 1 OFFSET ?
"""

# addresses.claim: those for which something is due, oldest first, under a lease.
_CLAIM = """
UPDATE addresses SET claim_at = ? WHERE (account_id, region, name) IN (
    SELECT account_id, region, name FROM addresses WHERE claim_at <= ? ORDER BY claim_at LIMIT ?
    /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING account_id, region, name, created_at, status, link_at, proven_at, mail_due_at, mails_tried
"""

# addresses.held: those that are not to be claimed before a moment of that stretch.
_HELD = """
SELECT account_id, region, name, created_at, status, link_at, proven_at, mail_due_at, mails_tried
FROM addresses WHERE claim_at > ? AND claim_at <= ?
"""

# addresses.next_due: the earliest moment at which one may be claimed.
_NEXT_DUE = "SELECT min(claim_at) FROM addresses"

# addresses.hold: one address is being attended to until the lease ends.
_HOLD = "UPDATE addresses SET claim_at = ? WHERE account_id = ? AND region = ? AND name = ?"

# address_links.add: a link that is about to be mailed.
_ADD_LINK = """
INSERT INTO address_links (token_hash, account_id, region, name, ends_at) VALUES (?, ?, ?, ?, ?)
"""

# address_links.find: the address that a link proves.
_FIND_LINK = """
SELECT a.account_id, a.region, a.name, a.created_at, a.status, a.link_at, a.proven_at, a.mail_due_at,
    a.mails_tried
FROM address_links l
JOIN addresses a ON a.account_id = l.account_id AND a.region = l.region AND a.name = l.name
WHERE l.token_hash = ? AND l.ends_at > ?
"""

# address_links.end: the links of an address are worth nothing any more.
_END_LINKS = "DELETE FROM address_links WHERE account_id = ? AND region = ? AND name = ?"

# signing_overrides.put: what was said for one address.
_PUT_OVERRIDE = """
INSERT INTO signing_overrides (account_id, region, domain, name, signing_enabled) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, region, domain, name) DO UPDATE SET signing_enabled = excluded.signing_enabled
"""

# signing_overrides.load: what was said for one address.
_LOAD_OVERRIDE = """
SELECT signing_enabled FROM signing_overrides WHERE account_id = ? AND region = ? AND domain = ? AND name = ?
"""

# signing_overrides.forget: what was said for one address is taken back.
_FORGET_OVERRIDE = """
DELETE FROM signing_overrides WHERE account_id = ? AND region = ? AND domain = ? AND name = ?
"""

# signing_overrides.forget_domain: what was said for all addresses of a domain is taken back.
_FORGET_DOMAIN = "DELETE FROM signing_overrides WHERE account_id = ? AND region = ? AND domain = ?"


class Addresses:
    """The tables addresses, address_links and signing_overrides."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, account_id: str, region: str, name: str) -> AddressIdentity | None:
        """The address identity of that name, or None."""
        for row in self._execute(_LOAD, (account_id, region, name)):
            return _address(row)
        return None

    def save(self, address: AddressIdentity) -> None:
        """Stores an address, new or changed; a proven one's links end."""
        self._execute(_SAVE, (*_values(address), to_ms_or_null(address.due_at)))
        if address.status is not DkimStatus.PENDING:
            self._execute(_END_LINKS, (address.account_id, address.region, address.name))

    def delete(self, account_id: str, region: str, name: str) -> bool:
        """Whether there was such an address; it is gone with its links and its signing switch."""
        self.override(account_id, region, name, None)
        return bool(self._execute(_DELETE, (account_id, region, name)))

    def list(self, query: IdentityQuery) -> Sequence[IdentitySummary]:
        """A page of addresses in the order of their names, at most `query.limit`."""
        contains = None if query.name_contains is None else like_pattern(query.name_contains)
        values = (query.account_id, query.region, query.after, contains, contains)
        if query.status is None:
            rows = self._execute(_LIST, (*values, query.limit))
        else:
            rows = self._execute(_LIST_STATUS, (*values, query.status, query.limit))
        return [_summary(name, DkimStatus(status)) for name, status in rows]

    def count_by_status(self) -> Mapping[str, int]:
        """How many addresses have each status, over all accounts and regions."""
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
        found = [_summary(name, DkimStatus(stands)) for name, stands in rows]
        return found, horizon[0][0] if horizon else None

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[AddressIdentity]:
        """The addresses about which something is due, claimed until the lease ends."""
        rows = self._execute(_CLAIM, (to_ms(lease_until), to_ms(now), limit))
        return [_address(row) for row in rows]

    def release(self, now: datetime, until: datetime) -> int:
        """How many addresses were under a lease that ends until then; they are due again."""
        held = [_address(row) for row in self._execute(_HELD, (to_ms(now), to_ms(until)))]
        leased = [(one, one.due_at) for one in held if one.due_at is not None and one.due_at <= now]
        for address, due_at in leased:
            self.hold(address, due_at)
        return len(leased)

    def next_due_at(self) -> datetime | None:
        """The earliest time at which an address may be claimed; None where nothing is ever due."""
        return from_ms_or_null(self._execute(_NEXT_DUE)[0][0])

    def hold(self, address: AddressIdentity, lease_until: datetime) -> None:
        """Claims one address, so that nobody else attends to it before the lease ends."""
        self._execute(_HOLD, (to_ms(lease_until), address.account_id, address.region, address.name))

    def add_link(self, token_hash: bytes, address: AddressIdentity) -> None:
        """Makes a link worth something, until the address's time is over."""
        place = (address.account_id, address.region, address.name)
        self._execute(_ADD_LINK, (token_hash, *place, to_ms(address.link_ends_at)))

    def by_link(self, token_hash: bytes, now: datetime) -> AddressIdentity | None:
        """The address that a link proves; None where there is no such link or its time is over."""
        for row in self._execute(_FIND_LINK, (token_hash, to_ms(now))):
            return _address(row)
        return None

    def override(self, account_id: str, region: str, name: str, enabled: bool | None) -> None:
        """Says for one address whether it is signed for; None takes that back."""
        place = (account_id, region, name.rpartition("@")[2], name)
        if enabled is None:
            self._execute(_FORGET_OVERRIDE, place)
        else:
            self._execute(_PUT_OVERRIDE, (*place, int(enabled)))

    def overridden(self, account_id: str, region: str, name: str) -> bool | None:
        """What was said for one address; None where nothing was."""
        for (enabled,) in self._execute(_LOAD_OVERRIDE, (account_id, region, name.rpartition("@")[2], name)):
            return bool(enabled)
        return None

    def forget_overrides(self, account_id: str, region: str, domain: str) -> None:
        """Takes back what was said for the addresses of a domain."""
        self._execute(_FORGET_DOMAIN, (account_id, region, domain))


def _address(row: Row) -> AddressIdentity:
    account_id, region, name, created_at, status, link_at, proven_at, mail_due_at, mails_tried = row
    return AddressIdentity(
        account_id,
        region,
        name,
        created_at=from_ms(created_at),
        status=DkimStatus(status),
        link_at=from_ms(link_at),
        proven_at=from_ms_or_null(proven_at),
        mail_due_at=from_ms_or_null(mail_due_at),
        mails_tried=mails_tried,
    )


def _values(address: AddressIdentity) -> tuple[Value, ...]:
    """An address in the order of the columns."""
    return (
        *(address.account_id, address.region, address.name),
        to_ms(address.created_at),
        address.status,
        to_ms(address.link_at),
        to_ms_or_null(address.proven_at),
        to_ms_or_null(address.mail_due_at),
        address.mails_tried,
    )


def _summary(name: str, status: DkimStatus) -> IdentitySummary:
    return IdentitySummary(name, status, status is DkimStatus.SUCCESS, kind="EMAIL_ADDRESS")
