"""MAIL FROM domains of identities, each with its proof and the time of its next check.

Rule: one row an identity at most; a claimed one is not claimed again before its lease ends.
References: AWS SESv2 MailFromAttributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.mailfrom import MailFrom, MxFailure
from mailseal.core.names import Domain
from mailseal.core.stored import DueMailFrom
from mailseal.store.engine import Execute, from_ms_or_null, to_ms, to_ms_or_null
from mailseal.store.proofs import proof_from, proof_values

# mail_from.load: the MAIL FROM domain of one identity.
_LOAD = """
SELECT domain, on_failure, status, since, searching_since, excused_ms, first_match_at, negatives, missing_ms,
    temporaries, temporary_since, last_evidence, last_checked_at, last_success_at, error_type, soa_primary,
    soa_admin, soa_serial, soa_minimum, negative_until, record_ttl, stale_ttl, stale_until
FROM mail_from WHERE account_id = ? AND region = ? AND name = ?
"""

# mail_from.save: the one row of an identity; what a check of another domain saw is forgotten.
_SAVE = """
INSERT INTO mail_from (account_id, region, name, domain, on_failure, status, since, searching_since,
    excused_ms, first_match_at, negatives, missing_ms,
    temporaries, temporary_since, last_evidence, last_checked_at, last_success_at, error_type, soa_primary,
    soa_admin, soa_serial, soa_minimum, negative_until, record_ttl, stale_ttl, stale_until,
    claim_at, is_leased)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (account_id, region, name) DO UPDATE SET
    report = CASE WHEN mail_from.domain = excluded.domain THEN mail_from.report END,
    domain = excluded.domain, on_failure = excluded.on_failure, claim_at = excluded.claim_at, is_leased = 0,
    status = excluded.status, since = excluded.since, searching_since = excluded.searching_since, excused_ms
    = excluded.excused_ms, first_match_at = excluded.first_match_at, negatives = excluded.negatives,
    missing_ms = excluded.missing_ms, temporaries = excluded.temporaries, temporary_since =
    excluded.temporary_since, last_evidence = excluded.last_evidence, last_checked_at =
    excluded.last_checked_at, last_success_at = excluded.last_success_at, error_type = excluded.error_type,
    soa_primary = excluded.soa_primary, soa_admin = excluded.soa_admin, soa_serial = excluded.soa_serial,
    soa_minimum = excluded.soa_minimum, negative_until = excluded.negative_until,
    record_ttl = excluded.record_ttl, stale_ttl = excluded.stale_ttl, stale_until = excluded.stale_until
"""

# mail_from.put_report: what the last check saw.
_PUT_REPORT = "UPDATE mail_from SET report = ? WHERE account_id = ? AND region = ? AND name = ?"

# mail_from.report: the same, read.
_REPORT = "SELECT report FROM mail_from WHERE account_id = ? AND region = ? AND name = ?"

# mail_from.delete: the identity goes, or has no MAIL FROM domain any more.
_DELETE = "DELETE FROM mail_from WHERE account_id = ? AND region = ? AND name = ?"

# mail_from.claim: those that are due, oldest first, under a lease.
_CLAIM = """
UPDATE mail_from SET claim_at = ?, is_leased = 1 WHERE (account_id, region, name) IN (
    SELECT account_id, region, name FROM mail_from WHERE claim_at <= ? ORDER BY claim_at LIMIT ?
    /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING account_id, region, name
"""

# mail_from.release: those under a lease that ends in that stretch are due at once.
_RELEASE = """
UPDATE mail_from SET claim_at = ?, is_leased = 0 WHERE claim_at > ? AND claim_at <= ? AND is_leased = 1
RETURNING name
"""

# mail_from.next_due: the earliest moment at which one may be claimed.
_NEXT_DUE = "SELECT min(claim_at) FROM mail_from"


class MailFromRows:
    """The table mail_from."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, account_id: str, region: str, name: str) -> MailFrom | None:
        """The MAIL FROM domain of an identity, or None where it has none."""
        for domain, on_failure, *proof in self._execute(_LOAD, (account_id, region, name)):
            return MailFrom(Domain(domain), MxFailure(on_failure), proof_from(proof))
        return None

    def save(
        self, account_id: str, region: str, name: str, mail_from: MailFrom, due_at: datetime | None
    ) -> None:
        """Keeps the MAIL FROM domain of an identity, due for a check at `due_at`; a lease on it ends."""
        values = (mail_from.domain, mail_from.on_failure, *proof_values(mail_from.proof))
        self._execute(_SAVE, (account_id, region, name, *values, to_ms_or_null(due_at)))

    def save_report(self, account_id: str, region: str, name: str, report: str) -> None:
        """Keeps what the last check saw."""
        self._execute(_PUT_REPORT, (report, account_id, region, name))

    def report(self, account_id: str, region: str, name: str) -> str | None:
        """What the last check saw, or None where there was none."""
        for (report,) in self._execute(_REPORT, (account_id, region, name)):
            return None if report is None else str(report)
        return None

    def delete(self, account_id: str, region: str, name: str) -> None:
        """Forgets the MAIL FROM domain of an identity."""
        self._execute(_DELETE, (account_id, region, name))

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueMailFrom]:
        """Those that are due for a check, claimed until the lease ends."""
        rows = self._execute(_CLAIM, (to_ms(lease_until), to_ms(now), limit))
        return [DueMailFrom(account, region, name) for account, region, name in rows]

    def release(self, now: datetime, until: datetime) -> int:
        """How many were under a lease that ends until then; they are due at once."""
        return len(self._execute(_RELEASE, (to_ms(now), to_ms(now), to_ms(until))))

    def next_due_at(self) -> datetime | None:
        """The earliest time at which one may be claimed; None where none is ever due."""
        return from_ms_or_null(self._execute(_NEXT_DUE)[0][0])
