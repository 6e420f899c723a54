"""A proof as columns: the same twenty-one wherever a table keeps how far a proof has come.

Rule: their order is that of the schema, from status to stale_until, for reading and for writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailseal.core.lifecycle import DkimStatus, ErrorType, Evidence, Proof
from mailseal.core.observations import SoaRecord
from mailseal.store.engine import (
    Value,
    duration_from_ms,
    duration_to_ms,
    from_ms,
    from_ms_or_null,
    to_ms,
    to_ms_or_null,
)


def proof_from(values: Sequence[Any]) -> Proof:
    """The proof that these columns hold."""
    status, since, searching_since, excused_ms, first_match_at, negatives, missing_ms, *later = values
    temporaries, temporary_since, evidence, last_checked_at, last_success_at, error_type, *answer = later
    primary, admin, serial, minimum, negative_until, record_ttl, stale_ttl, stale_until = answer
    return Proof(
        status=DkimStatus(status),
        since=from_ms(since),
        searching_since=from_ms(searching_since),
        excused=duration_from_ms(excused_ms),
        first_match_at=from_ms_or_null(first_match_at),
        negatives=negatives,
        missing_for=duration_from_ms(missing_ms),
        temporaries=temporaries,
        temporary_since=from_ms_or_null(temporary_since),
        last_evidence=None if evidence is None else Evidence(evidence),
        last_checked_at=from_ms_or_null(last_checked_at),
        last_success_at=from_ms_or_null(last_success_at),
        error_type=None if error_type is None else ErrorType(error_type),
        soa=None if primary is None else SoaRecord(primary, admin, serial, minimum),
        negative_until=from_ms_or_null(negative_until),
        record_ttl=record_ttl,
        stale_ttl=stale_ttl,
        stale_until=from_ms_or_null(stale_until),
    )


def proof_values(proof: Proof) -> tuple[Value, ...]:
    """What the columns hold for a proof."""
    soa = proof.soa
    return (
        *(proof.status, to_ms(proof.since), to_ms(proof.searching_since), duration_to_ms(proof.excused)),
        *(to_ms_or_null(proof.first_match_at), proof.negatives, duration_to_ms(proof.missing_for)),
        *(proof.temporaries, to_ms_or_null(proof.temporary_since), proof.last_evidence),
        *(to_ms_or_null(proof.last_checked_at), to_ms_or_null(proof.last_success_at), proof.error_type),
        *((None, None, None, None) if soa is None else (soa.primary, soa.admin, soa.serial, soa.minimum)),
        *(to_ms_or_null(proof.negative_until), proof.record_ttl, proof.stale_ttl),
        to_ms_or_null(proof.stale_until),
    )
