"""The status machine: each row of its table, and what must never happen whatever the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailseal.core.lifecycle import (
    TABLE,
    Check,
    DkimStatus,
    ErrorType,
    Evidence,
    Proof,
    after_check,
    next_check_at,
    not_started,
    started,
)
from mailseal.core.observations import SoaRecord
from mailseal.core.policy import Policy
from tests.unit.core.scenes import POLICY, START

POSITIVE = Check(Evidence.POSITIVE)
NEGATIVE = Check(Evidence.NEGATIVE, ErrorType.HOST_NOT_FOUND)
TEMPORARY = Check(Evidence.TEMPORARY, ErrorType.DNS_SERVER_ERROR)
OURS = Check(Evidence.OURS, ErrorType.SERVICE_ERROR)


def run(proof: Proof, *steps: tuple[Check, float], policy: Policy = POLICY) -> Proof:
    """The proof after checks, each given with the hours since the search began."""
    for check, hours in steps:
        proof = after_check(proof, check, START + timedelta(hours=hours), policy)
    return proof


def proven() -> Proof:
    return run(started(START), (POSITIVE, 0), (POSITIVE, 0.01))


def test_one_round_is_not_enough_for_success() -> None:
    assert run(started(START), (POSITIVE, 0)).status is DkimStatus.PENDING


def test_with_the_first_match_caches_may_still_hold_that_there_was_nothing() -> None:
    soa = SoaRecord("ns1.example.com", "hostmaster.example.com", 1, 300)
    absent = replace(NEGATIVE, soa=soa)
    seen = run(started(START), (absent, 0), (POSITIVE, 1), (POSITIVE, 2))
    assert seen.negative_until == START + timedelta(hours=1, seconds=302)
    for_days = replace(NEGATIVE, soa=replace(soa, minimum=10**6))
    seen = run(started(START), (for_days, 0), (POSITIVE, 1))
    assert seen.negative_until == START + timedelta(hours=4, seconds=2)


def test_two_rounds_within_five_seconds_are_one() -> None:
    proof = run(started(START), (POSITIVE, 0), (POSITIVE, 4 / 3600))
    assert proof.status is DkimStatus.PENDING


def test_two_agreeing_rounds_make_success() -> None:
    proof = run(started(START), (POSITIVE, 0), (POSITIVE, 5 / 3600))
    assert proof.status is DkimStatus.SUCCESS
    assert proof.last_success_at == START + timedelta(seconds=5)


@pytest.mark.parametrize("between", [NEGATIVE, TEMPORARY, OURS])
def test_a_round_that_disagrees_in_between_begins_the_count_again(between: Check) -> None:
    proof = run(started(START), (POSITIVE, 0), (between, 0.01), (POSITIVE, 0.02))
    assert proof.status is DkimStatus.PENDING


def test_seventy_two_hours_without_the_records_fail() -> None:
    assert run(started(START), (NEGATIVE, 71.9)).status is DkimStatus.PENDING
    assert run(started(START), (NEGATIVE, 71.9), (NEGATIVE, 72)).status is DkimStatus.FAILED


def test_a_dead_resolver_is_not_an_absent_record() -> None:
    proof = run(started(START), *((TEMPORARY, hour) for hour in range(200)))
    assert proof.status is DkimStatus.TEMPORARY_FAILURE


def test_time_of_our_own_fault_does_not_count_against_the_owner() -> None:
    proof = run(started(START), (NEGATIVE, 1), *((OURS, hour) for hour in range(2, 60)), (NEGATIVE, 72))
    assert proof.status is DkimStatus.PENDING
    assert run(proof, (NEGATIVE, 72 + 59)).status is DkimStatus.FAILED


def test_silence_from_the_start_is_a_temporary_failure_after_half_an_hour() -> None:
    assert (
        run(started(START), (TEMPORARY, 0), (TEMPORARY, 0.1), (TEMPORARY, 0.2)).status is DkimStatus.PENDING
    )
    assert run(started(START), (TEMPORARY, 0), (TEMPORARY, 0.2), (TEMPORARY, 0.5)).status is (
        DkimStatus.TEMPORARY_FAILURE
    )


def test_a_definitive_answer_ends_a_temporary_failure_that_was_never_proven() -> None:
    silent = run(started(START), (TEMPORARY, 0), (TEMPORARY, 0.3), (TEMPORARY, 0.6))
    assert run(silent, (NEGATIVE, 0.7)).status is DkimStatus.PENDING
    assert run(silent, (POSITIVE, 0.7)).status is DkimStatus.PENDING
    assert run(silent, (POSITIVE, 0.7), (POSITIVE, 0.8)).status is DkimStatus.SUCCESS


def test_success_survives_two_absences_and_not_three() -> None:
    two = run(proven(), (NEGATIVE, 2), (NEGATIVE, 2.1))
    assert two.status is DkimStatus.SUCCESS
    assert run(two, (NEGATIVE, 2.2)).status is DkimStatus.TEMPORARY_FAILURE


def test_seventy_two_hours_of_known_absence_after_success_fail() -> None:
    gone = run(proven(), *((NEGATIVE, hour) for hour in range(2, 74)))
    assert gone.status is DkimStatus.TEMPORARY_FAILURE
    assert run(gone, (NEGATIVE, 74)).status is DkimStatus.FAILED


def test_an_outage_in_between_does_not_count_as_absence() -> None:
    proof = run(
        proven(),
        *((NEGATIVE, hour) for hour in range(2, 10)),
        *((TEMPORARY, hour) for hour in range(10, 90)),
        (NEGATIVE, 90),
    )
    assert proof.status is DkimStatus.TEMPORARY_FAILURE
    assert proof.missing_for == timedelta(hours=7)


def test_a_week_without_any_answer_never_fails_a_proven_setting() -> None:
    proof = run(proven(), *((TEMPORARY, hour) for hour in range(1, 170)))
    assert proof.status is DkimStatus.TEMPORARY_FAILURE
    assert run(proof, (POSITIVE, 171), (POSITIVE, 171.1)).status is DkimStatus.SUCCESS


def test_failed_is_left_by_nothing_but_a_request() -> None:
    failed = run(started(START), (NEGATIVE, 72))
    assert run(failed, (POSITIVE, 73), (POSITIVE, 74), (POSITIVE, 75)).status is DkimStatus.FAILED


def test_failed_resumes_where_the_operator_wants_it() -> None:
    failed = run(started(START), (NEGATIVE, 72))
    policy = Policy(auto_resume=True)
    assert run(failed, (POSITIVE, 73), (POSITIVE, 74), policy=policy).status is DkimStatus.SUCCESS


def test_success_forgets_the_error() -> None:
    proof = run(started(START), (NEGATIVE, 0), (POSITIVE, 1), (POSITIVE, 2))
    assert proof.error_type is None


def test_not_started_stays_whatever_is_seen() -> None:
    for check in (POSITIVE, NEGATIVE, TEMPORARY, OURS):
        assert run(not_started(START), (check, 0), (check, 100)).status is DkimStatus.NOT_STARTED


def test_no_row_fails_on_evidence_that_is_not_definitive() -> None:
    ends = [rule for rule in TABLE if rule.to is DkimStatus.FAILED]
    assert ends
    assert {rule.evidence for rule in ends} == {Evidence.NEGATIVE}


def test_no_row_changes_anything_on_our_own_fault() -> None:
    assert not [rule for rule in TABLE if rule.evidence is Evidence.OURS]


def test_the_search_looks_often_at_first_and_half_hourly_at_last() -> None:
    def wait(hours: float) -> timedelta | None:
        now = START + timedelta(hours=hours)
        proof = run(started(START), (NEGATIVE, hours))
        due = next_check_at(proof, now, POLICY, 0.0)
        return None if due is None else due - now

    assert wait(0.001) == timedelta(seconds=10)
    assert wait(0.5) == timedelta(minutes=1)
    assert wait(2) == timedelta(minutes=5)
    assert wait(12) == timedelta(minutes=15)
    assert wait(48) == timedelta(minutes=30)


def test_a_first_match_is_looked_at_again_after_five_seconds() -> None:
    proof = run(started(START), (POSITIVE, 1))
    now = START + timedelta(hours=1)
    assert next_check_at(proof, now, POLICY, 1.0) == now + timedelta(seconds=5)


def test_failed_is_looked_at_daily_for_a_fortnight() -> None:
    failed = run(started(START), (NEGATIVE, 72))
    soon, late = START + timedelta(days=4), START + timedelta(days=18)
    assert next_check_at(failed, soon, POLICY, 0.0) == soon + timedelta(days=1)
    assert next_check_at(failed, late, POLICY, 0.0) is None


def seconds_until_success(published: timedelta, jitter: float) -> float:
    """How long after its publication a record is proven, where nobody remembers its absence."""
    proof, now = started(START), START
    for _ in range(200):
        proof = after_check(proof, POSITIVE if now >= START + published else NEGATIVE, now, POLICY)
        if proof.status is DkimStatus.SUCCESS:
            return (now - START - published).total_seconds()
        following = next_check_at(proof, now, POLICY, jitter)
        assert following is not None
        now = following
    raise AssertionError("never proven")


@pytest.mark.parametrize("jitter", [-1.0, 0.0, 1.0])
def test_a_record_published_within_the_first_hour_is_proven_within_a_minute_as_a_rule(jitter: float) -> None:
    delays = sorted(seconds_until_success(timedelta(seconds=7 * n), jitter) for n in range(500))
    assert delays[250] <= 60
    assert delays[-1] <= 72
