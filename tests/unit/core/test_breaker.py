"""When a fault is likely our own, and what a check counts then."""

from __future__ import annotations

from itertools import product

import pytest

from mailseal.core.breaker import canary_problem, recovers, trips, while_open
from mailseal.core.lifecycle import Check, ErrorType, Evidence
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.core.verification import Finding, compare, expected_records
from tests.unit.core.scenes import POLICY, START, easy_identity, observation, owner_publishes

ZONE = "dkim.mx.example.net"
IDENTITY = easy_identity()
RECORD = expected_records(IDENTITY, IDENTITY.newest, START, POLICY)[0]
[RIGHT] = owner_publishes((RECORD,), IDENTITY.slots)


@pytest.mark.parametrize(
    ("checked", "turned", "opens"),
    [
        (20, 19, False),
        (20, 20, True),
        (99, 20, True),
        (100, 20, False),
        (1000, 201, True),
        (1000, 200, False),
    ],
)
def test_it_opens_at_twenty_and_more_than_a_fifth(checked: int, turned: int, opens: bool) -> None:
    assert trips(checked, turned) is opens


def test_it_closes_when_four_of_five_are_found_again_and_not_before_five_were_looked_at() -> None:
    assert recovers(5, 1)
    assert not recovers(5, 2)
    assert not recovers(4, 0)


def test_what_is_found_while_it_is_open_counts_and_nothing_else_does() -> None:
    assert while_open(Check(Evidence.POSITIVE)) == Check(Evidence.POSITIVE)
    for evidence in (Evidence.NEGATIVE, Evidence.TEMPORARY, Evidence.OURS):
        judged = while_open(Check(evidence, ErrorType.HOST_NOT_FOUND))
        assert (judged.evidence, judged.error_type) == (Evidence.OURS, ErrorType.SERVICE_ERROR)


def canary(outcome: Outcome, *, zone: str | None = ZONE, remote: bool = False) -> Observation:
    question = Question(f"x._canary.{ZONE}", RecordType.TXT)
    return Observation(question, Asked(Stage.VANTAGE, "udp://127.0.0.1:53", remote), outcome, zone=zone)


GOOD = canary(Outcome.NXDOMAIN)
DEAD = canary(Outcome.TEMPORARY, zone=None)


def test_a_denial_from_our_own_zone_is_what_the_canary_brings_back() -> None:
    assert canary_problem([GOOD], ZONE) is None
    assert canary_problem([canary(Outcome.NODATA)], ZONE) is None
    assert canary_problem([], ZONE) is None


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (canary(Outcome.NXDOMAIN, zone="example.net"), "not delegated"),
        (canary(Outcome.NXDOMAIN, zone=None), "not delegated"),
        (canary(Outcome.ANSWER), "does not exist"),
        (DEAD, "no answer"),
        (canary(Outcome.BOGUS, zone=None), "no answer"),
    ],
)
def test_a_canary_that_does_not_come_back_says_why(seen: Observation, word: str) -> None:
    problem = canary_problem([seen], ZONE)
    assert problem is not None
    assert word in problem


def test_the_canary_follows_the_quorum_and_needs_a_resolver_of_our_own() -> None:
    far, far_dead = canary(Outcome.NXDOMAIN, remote=True), canary(Outcome.TEMPORARY, remote=True)
    assert canary_problem([GOOD, far_dead], ZONE) is None
    assert canary_problem([DEAD, far, far], ZONE) is not None
    assert canary_problem([GOOD, DEAD, DEAD], ZONE) is not None


def vote(finding: Finding, number: int, *, remote: bool) -> Observation:
    name, server = RECORD.owner, f"v{number}"
    seen = {
        Finding.MATCH: RIGHT,
        Finding.MISMATCH: observation(name, chain=("other.example",), texts=(b"p=x",)),
        Finding.TEMP: observation(name, outcome=Outcome.TEMPORARY),
    }[finding]
    return Observation(
        seen.question,
        Asked(Stage.VANTAGE, server, remote),
        seen.outcome,
        chain=seen.chain,
        texts=seen.texts,
    )


@pytest.mark.parametrize("own", [1, 2, 5])
def test_every_cell_of_the_quorum_table_for_five_vantages(own: int) -> None:
    kinds = (Finding.MATCH, Finding.MISMATCH, Finding.TEMP)
    for cell in product(kinds, repeat=5):
        seen = [vote(finding, n, remote=n >= own) for n, finding in enumerate(cell)]
        verdict = compare([RECORD], seen).check.evidence
        if Finding.MISMATCH in cell:
            assert verdict is Evidence.NEGATIVE, cell
        elif cell.count(Finding.TEMP) <= 1 and Finding.MATCH in cell[:own]:
            assert verdict is Evidence.POSITIVE, cell
        else:
            assert verdict is Evidence.TEMPORARY, cell


def test_others_resolvers_alone_never_prove() -> None:
    seen = [vote(Finding.MATCH, n, remote=True) for n in range(6)]
    assert compare([RECORD], seen).check.evidence is Evidence.TEMPORARY


def test_a_resolver_that_still_sees_the_record_makes_its_absence_disputed() -> None:
    gone = observation(RECORD.owner, outcome=Outcome.NXDOMAIN, server="v1")
    assert compare([RECORD], [RIGHT, gone]).check.is_disputed
    assert not compare([RECORD], [gone]).check.is_disputed
