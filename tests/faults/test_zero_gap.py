"""Through rotations and changes of method no mail leaves unsigned, and signatures verify all their life."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.zero_gap import rig
from tests.faults.zero_gap.story import Size

pytestmark = [
    pytest.mark.suite_keys,
    pytest.mark.needs_debian("unbound", "opendkim"),
    pytest.mark.timeout(150),
]


def test_no_mail_notices_that_keys_rotate_and_methods_change(tmp_path: Path) -> None:
    judge(rig.run(tmp_path, rig.SHORT, seed=1), rig.SHORT)


def test_no_mail_notices_that_the_server_is_killed_in_the_middle_of_it(tmp_path: Path) -> None:
    outcome = rig.run(tmp_path, rig.SHORT_KILLS, seed=2)
    judge(outcome, rig.SHORT_KILLS)
    assert outcome.tally.counts["kills"] == rig.SHORT_KILLS.kills


def judge(outcome: rig.Outcome, size: Size) -> None:
    """Fails where anything was that must not be, or where less was looked at than was asked for."""
    print(outcome.line)
    assert outcome.never == {}, outcome.tally.wrong
    counts = outcome.tally.counts
    asked = [step for number in range(size.domains) for step in size.plans[number % len(size.plans)]]
    for step in ("rotate", "own", "easy"):
        assert counts[f"done_{step}"] == asked.count(step)
    # Each mail at both moments by both verifiers; on a machine that stands still some come too late.
    looked = counts["verified_arrival"] + counts["verified_end"]
    assert looked + counts["late"] == 4 * counts["arrived"]
    assert counts["late"] <= counts["arrived"] / 50
