"""The status machine of a DKIM setting: one table from (status, evidence) to the next status.

Rule: status is assigned in this module only, and the machine changes nothing but the status: it never
creates, replaces, publishes or deletes a key. Evidence that could not be had (`TEMPORARY`) and evidence
that is our own fault (`OURS`) never end in FAILED.
References: AWS SESv2 DkimStatus, AWS SESv2 VerificationInfo; docs/divergences.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mailseal.core.observations import SoaRecord
from mailseal.core.policy import Policy


class DkimStatus(StrEnum):
    """AWS SESv2 DkimStatus."""

    NOT_STARTED = "NOT_STARTED"
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TEMPORARY_FAILURE = "TEMPORARY_FAILURE"


class Evidence(StrEnum):
    """What one whole check of a setting's records came to."""

    POSITIVE = "POSITIVE"
    NEGATIVE = "NEGATIVE"
    TEMPORARY = "TEMPORARY"
    OURS = "OURS"


class ErrorType(StrEnum):
    """AWS SESv2 VerificationError."""

    SERVICE_ERROR = "SERVICE_ERROR"
    DNS_SERVER_ERROR = "DNS_SERVER_ERROR"
    HOST_NOT_FOUND = "HOST_NOT_FOUND"
    TYPE_NOT_FOUND = "TYPE_NOT_FOUND"
    INVALID_VALUE = "INVALID_VALUE"
    REPLICATION_ACCESS_DENIED = "REPLICATION_ACCESS_DENIED"
    REPLICATION_PRIMARY_NOT_FOUND = "REPLICATION_PRIMARY_NOT_FOUND"
    REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED = "REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED"
    REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED = "REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED"
    REPLICATION_PRIMARY_INVALID_REGION = "REPLICATION_PRIMARY_INVALID_REGION"


@dataclass(frozen=True, slots=True)
class Proof:
    """How far the proof of one setting has come."""

    status: DkimStatus
    since: datetime
    searching_since: datetime
    excused: timedelta = timedelta(0)
    """Time that does not count against the owner, because the fault was ours."""
    first_match_at: datetime | None = None
    """The first of the two agreeing rounds."""
    negatives: int = 0
    missing_for: timedelta = timedelta(0)
    """Definitive absence, summed over stretches between two definitive answers."""
    temporaries: int = 0
    temporary_since: datetime | None = None
    last_evidence: Evidence | None = None
    last_checked_at: datetime | None = None
    last_success_at: datetime | None = None
    error_type: ErrorType | None = None
    soa: SoaRecord | None = None
    negative_until: datetime | None = None
    """Until when a cache somewhere may still hold a "not there", ours or anybody's."""
    record_ttl: int | None = None
    """Seconds for which caches may keep the record that was asked for, where it was seen."""
    stale_ttl: int | None = None
    """Seconds for which they may keep another one that stands in its place now."""
    stale_until: datetime | None = None
    """Until when a cache may still hold such a one that stood there before."""

    @property
    def was_proven(self) -> bool:
        """Whether this setting has ever been SUCCESS in its present search."""
        return self.last_success_at is not None


@dataclass(frozen=True, slots=True)
class Check:
    """What a check adds to a proof: the evidence and, for VerificationInfo, why."""

    evidence: Evidence
    error_type: ErrorType | None = None
    soa: SoaRecord | None = None
    negative_ttl: timedelta | None = None
    is_disputed: bool = False
    """Whether a record that one resolver missed was seen by another at the same time."""
    record_ttl: int | None = None
    """Seconds: of the record that was asked for, where it stands."""
    stale_ttl: int | None = None
    """Seconds: of another one that stands in its place."""


def started(now: datetime) -> Proof:
    """A proof whose search begins now."""
    return Proof(DkimStatus.PENDING, since=now, searching_since=now)


def not_started(now: datetime) -> Proof:
    """A proof that nobody has asked for yet."""
    return Proof(DkimStatus.NOT_STARTED, since=now, searching_since=now)


Guard = Callable[[Proof, datetime, Policy], bool]


def _two_rounds(proof: Proof, now: datetime, policy: Policy) -> bool:
    return proof.first_match_at is not None and now - proof.first_match_at >= policy.second_round


def _resumes(proof: Proof, now: datetime, policy: Policy) -> bool:
    return policy.auto_resume and _two_rounds(proof, now, policy)


def search_ends_at(proof: Proof, policy: Policy) -> datetime:
    """When the search for a setting's records is given up."""
    return proof.searching_since + policy.search + proof.excused


def _search_over(proof: Proof, now: datetime, policy: Policy) -> bool:
    return not proof.was_proven and now >= search_ends_at(proof, policy)


def _confirmed(proof: Proof, now: datetime, policy: Policy) -> bool:
    return proof.negatives >= policy.confirmations


def _missing_too_long(proof: Proof, now: datetime, policy: Policy) -> bool:
    return proof.was_proven and proof.missing_for >= policy.grace


def _never_proven(proof: Proof, now: datetime, policy: Policy) -> bool:
    return not proof.was_proven


def _silent_from_the_start(proof: Proof, now: datetime, policy: Policy) -> bool:
    since = proof.temporary_since
    return proof.temporaries >= 3 and since is not None and now - since >= timedelta(minutes=30)


def _silent_too_long(proof: Proof, now: datetime, policy: Policy) -> bool:
    return proof.temporary_since is not None and now - proof.temporary_since >= policy.silence


def _always(proof: Proof, now: datetime, policy: Policy) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: in `status`, on `evidence`, if `guard` holds, the status becomes `to`."""

    status: DkimStatus
    evidence: Evidence
    guard: Guard
    to: DkimStatus


_S, _E = DkimStatus, Evidence

TABLE: tuple[Rule, ...] = (
    Rule(_S.PENDING, _E.POSITIVE, _two_rounds, _S.SUCCESS),
    Rule(_S.PENDING, _E.NEGATIVE, _search_over, _S.FAILED),
    Rule(_S.PENDING, _E.TEMPORARY, _silent_from_the_start, _S.TEMPORARY_FAILURE),
    Rule(_S.SUCCESS, _E.NEGATIVE, _confirmed, _S.TEMPORARY_FAILURE),
    Rule(_S.SUCCESS, _E.TEMPORARY, _silent_too_long, _S.TEMPORARY_FAILURE),
    Rule(_S.TEMPORARY_FAILURE, _E.POSITIVE, _two_rounds, _S.SUCCESS),
    Rule(_S.TEMPORARY_FAILURE, _E.POSITIVE, _never_proven, _S.PENDING),
    Rule(_S.TEMPORARY_FAILURE, _E.NEGATIVE, _missing_too_long, _S.FAILED),
    Rule(_S.TEMPORARY_FAILURE, _E.NEGATIVE, _search_over, _S.FAILED),
    Rule(_S.TEMPORARY_FAILURE, _E.NEGATIVE, _never_proven, _S.PENDING),
    Rule(_S.FAILED, _E.POSITIVE, _resumes, _S.SUCCESS),
)
"""The first row that fits decides; where none fits the status stays. NOT_STARTED has no row: it is left
only by a request of the owner."""


def after_check(proof: Proof, check: Check, now: datetime, policy: Policy) -> Proof:
    """The proof after one check, its counters brought forward and the table applied."""
    if check.is_disputed and check.evidence is Evidence.NEGATIVE and proof.was_proven:
        # What was proven is gone only when nobody sees it any more.
        check = replace(check, evidence=Evidence.TEMPORARY)
    counted = _counted(proof, check, now, policy)
    status = next(
        (
            rule.to
            for rule in TABLE
            if rule.status is proof.status
            and rule.evidence is check.evidence
            and rule.guard(counted, now, policy)
        ),
        proof.status,
    )
    return _entered(counted, status, now)


def _entered(proof: Proof, status: DkimStatus, now: datetime) -> Proof:
    """The proof in a status; in SUCCESS, when its records were last found, and what is wrong if not now."""
    if status is DkimStatus.SUCCESS and proof.last_evidence is Evidence.POSITIVE:
        proof = replace(proof, last_success_at=now, error_type=None)
    return proof if status is proof.status else replace(proof, status=status, since=now)


def _counted(proof: Proof, check: Check, now: datetime, policy: Policy) -> Proof:
    """The proof with this check's evidence added to its counters, its status not yet touched."""
    gap = now - proof.last_checked_at if proof.last_checked_at else timedelta(0)
    proof = replace(
        proof,
        last_checked_at=now,
        last_evidence=check.evidence,
        error_type=check.error_type,
        soa=check.soa or proof.soa,
        missing_for=_missing_for(proof, check.evidence, gap),
    )
    if check.negative_ttl is not None:
        proof = replace(proof, negative_until=now + min(check.negative_ttl, policy.longest_negative))
    proof = _kept_by_caches(proof, check, now)
    match check.evidence:
        case Evidence.POSITIVE:
            return replace(
                _appeared(proof, now, policy),
                first_match_at=proof.first_match_at or now,
                negatives=0,
                temporaries=0,
                temporary_since=None,
            )
        case Evidence.NEGATIVE:
            return replace(
                proof,
                first_match_at=None,
                negatives=proof.negatives + 1,
                temporaries=0,
                temporary_since=None,
            )
        case Evidence.TEMPORARY:
            return replace(
                proof,
                first_match_at=None,
                temporaries=proof.temporaries + 1,
                temporary_since=proof.temporary_since or now,
            )
        case Evidence.OURS:
            return replace(proof, first_match_at=None, excused=proof.excused + gap)


_ROUNDING = timedelta(seconds=2)
"""Caches count whole seconds, and an answer takes a while to reach them."""


def _appeared(proof: Proof, now: datetime, policy: Policy) -> Proof:
    """The proof before a match is counted: whoever asked a moment before the first one may keep "not there"
    for as long as the zone's SOA allows (RFC 2308 §5)."""
    is_new = proof.first_match_at is None and (proof.negatives > 0 or not proof.was_proven)
    if not is_new or proof.soa is None:
        return proof
    until = now + min(timedelta(seconds=proof.soa.minimum), policy.longest_negative) + _ROUNDING
    return replace(proof, negative_until=max(until, proof.negative_until or until))


def _kept_by_caches(proof: Proof, check: Check, now: datetime) -> Proof:
    """The proof with what caches may hold: whoever asked just before another record went may keep it."""
    told = check.record_ttl
    if told is not None:
        # Once proven only resolvers are asked, who tell what is left of the TTL.
        least = proof.record_ttl if proof.was_proven else None
        proof = replace(proof, record_ttl=told if least is None else max(told, least))
    if check.stale_ttl is not None:
        return replace(proof, stale_ttl=check.stale_ttl)
    if proof.stale_ttl is None or (told is None and check.evidence is not Evidence.NEGATIVE):
        return proof
    until = now + timedelta(seconds=proof.stale_ttl) + _ROUNDING
    return replace(proof, stale_ttl=None, stale_until=max(until, proof.stale_until or until))


def _missing_for(proof: Proof, evidence: Evidence, gap: timedelta) -> timedelta:
    """Definitive absence so far: a stretch counts only where both its ends are definitive."""
    if evidence is Evidence.POSITIVE:
        return timedelta(0)
    if evidence is Evidence.NEGATIVE and proof.last_evidence is Evidence.NEGATIVE:
        return proof.missing_for + gap
    return proof.missing_for


_SEARCH_CADENCE: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(seconds=30), timedelta(seconds=10)),
    (timedelta(seconds=60), timedelta(seconds=15)),
    (timedelta(hours=1), timedelta(minutes=1)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (timedelta(hours=24), timedelta(minutes=15)),
)
"""While searching: up to this age, look again after that long; after the last row every 30 minutes."""


def next_check_at(proof: Proof, now: datetime, policy: Policy, jitter: float) -> datetime | None:
    """When to look at a setting's records again, or None for never; `jitter` is between -1 and 1.

    A second round has no jitter: it is due exactly when it may count.
    """
    settled = proof.status is DkimStatus.SUCCESS
    given_up = proof.status is DkimStatus.FAILED and not policy.auto_resume
    if proof.first_match_at is not None and not settled and not given_up:
        return max(now, proof.first_match_at + policy.second_round)
    wait = _wait(proof, now)
    return None if wait is None else now + wait * (1 + 0.1 * jitter)


def _wait(proof: Proof, now: datetime) -> timedelta | None:
    match proof.status:
        case DkimStatus.NOT_STARTED:
            return None
        case DkimStatus.SUCCESS:
            return timedelta(minutes=5) if proof.negatives else timedelta(hours=1)
        case DkimStatus.FAILED:
            return timedelta(days=1) if now - proof.since < timedelta(days=14) else None
        case DkimStatus.TEMPORARY_FAILURE if proof.was_proven:
            return timedelta(minutes=15)
    age = now - proof.searching_since
    return next((wait for limit, wait in _SEARCH_CADENCE if age < limit), timedelta(minutes=30))
