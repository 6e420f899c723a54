"""The status machine against the written rules, told once more in another way, over 20,000 steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mailseal.core.lifecycle import Check, DkimStatus, Evidence, after_check, started
from mailseal.core.policy import Policy
from tests.unit.core.scenes import START

POLICY = Policy()
HOURS_72 = timedelta(hours=72)


@dataclass
class History:
    """The rules as sentences over the whole history, with no counters carried along."""

    checks: list[tuple[datetime, Evidence]] = field(default_factory=list)
    status: str = "PENDING"
    proven: bool = False

    def after(self, now: datetime, evidence: Evidence) -> str:
        self.checks.append((now, evidence))
        if self._agreeing_counts(now):
            self.status, self.proven = "SUCCESS", True
        elif evidence is Evidence.NEGATIVE and self._given_up(now):
            self.status = "FAILED"
        elif self._lost_sight():
            self.status = "TEMPORARY_FAILURE"
        elif self.status == "TEMPORARY_FAILURE" and not self.proven and self._definitive():
            self.status = "PENDING"
        return self.status

    def _agreeing_counts(self, now: datetime) -> bool:
        return self.status in ("PENDING", "TEMPORARY_FAILURE") and self._agreeing(now)

    def _lost_sight(self) -> bool:
        if self.status == "SUCCESS":
            return self._gone() or self._silent(timedelta(hours=24), 1)
        return self.status == "PENDING" and self._silent(timedelta(minutes=30), 3)

    def _definitive(self) -> bool:
        return self.checks[-1][1] in (Evidence.POSITIVE, Evidence.NEGATIVE)

    def _run(self, *kinds: Evidence) -> list[datetime]:
        """The times of the last checks in a row that were of these kinds."""
        run = []
        for at, evidence in reversed(self.checks):
            if evidence not in kinds:
                break
            run.append(at)
        return run

    def _agreeing(self, now: datetime) -> bool:
        run = self._run(Evidence.POSITIVE)
        return bool(run) and now - run[-1] >= timedelta(seconds=5)

    def _silent(self, at_least: timedelta, times: int) -> bool:
        if self.checks[-1][1] is not Evidence.TEMPORARY:
            return False
        run = [at for at, evidence in self._since_last_definitive() if evidence is Evidence.TEMPORARY]
        return len(run) >= times and self.checks[-1][0] - run[0] >= at_least

    def _since_last_definitive(self) -> list[tuple[datetime, Evidence]]:
        definitive = (Evidence.POSITIVE, Evidence.NEGATIVE)
        last = max((i for i, (_, e) in enumerate(self.checks) if e in definitive), default=-1)
        return self.checks[last + 1 :]

    def _gone(self) -> bool:
        seen = [e for _, e in self.checks if e in (Evidence.POSITIVE, Evidence.NEGATIVE)]
        return self.checks[-1][1] is Evidence.NEGATIVE and seen[-3:] == [Evidence.NEGATIVE] * 3

    def _given_up(self, now: datetime) -> bool:
        if self.status not in ("PENDING", "TEMPORARY_FAILURE"):
            return False
        pairs = list(zip(self.checks, self.checks[1:], strict=False))
        if not self.proven:
            ours = sum(((b[0] - a[0]) for a, b in pairs if b[1] is Evidence.OURS), start=timedelta(0))
            return now >= START + HOURS_72 + ours
        last = max(i for i, (_, e) in enumerate(self.checks) if e is Evidence.POSITIVE)
        missing = sum(
            (
                (b[0] - a[0])
                for a, b in pairs[last:]
                if a[1] is Evidence.NEGATIVE and b[1] is Evidence.NEGATIVE
            ),
            start=timedelta(0),
        )
        return self.status == "TEMPORARY_FAILURE" and missing >= HOURS_72


STEP = st.tuples(
    st.sampled_from([*Evidence, Evidence.NEGATIVE, Evidence.POSITIVE]),
    st.sampled_from([1, 5, 60, 600, 3600, 6 * 3600, 30 * 3600, 72 * 3600]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEP, min_size=50, max_size=50))
def test_the_machine_does_what_is_written(steps: list[tuple[Evidence, int]]) -> None:
    proof, history, now = started(START), History(), START
    for evidence, seconds in steps:
        now += timedelta(seconds=seconds)
        proof = after_check(proof, Check(evidence), now, POLICY)
        assert proof.status == history.after(now, evidence)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([Evidence.TEMPORARY, Evidence.OURS, Evidence.POSITIVE]), max_size=60))
def test_without_definitive_absence_nothing_ever_fails(kinds: list[Evidence]) -> None:
    proof, now = started(START), START
    for evidence in kinds:
        now += timedelta(hours=30)
        proof = after_check(proof, Check(evidence), now, POLICY)
        assert proof.status is not DkimStatus.FAILED
