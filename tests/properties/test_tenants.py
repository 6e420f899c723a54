"""No account signs as another, whatever any of them does and by whatever door the mail comes."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.tenants import Tenants

COUNTED = {"sent": 0, "signed": 0}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Counted(Tenants):
    """The same, counting what was sent over all runs."""

    def teardown(self) -> None:
        super().teardown()
        COUNTED["sent"] += self.sent
        COUNTED["signed"] += self.signed


def run(examples: int, steps: int) -> None:
    """Fails on the first signature outside the model, and where so little is signed that it shows nothing."""
    COUNTED.update(sent=0, signed=0)
    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize="MAILSEAL_TENANTS" not in os.environ,  # CI goes the same ways each time
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=SLOW,
        ),
    )
    print(f"{COUNTED['sent']} messages, {COUNTED['signed']} signed")
    assert COUNTED["signed"] >= examples * 2


def test_no_account_signs_as_another() -> None:
    run(20, 30)


@pytest.mark.suite_mail
@pytest.mark.timeout(3600)
def test_no_account_signs_as_another_in_many_more_ways() -> None:
    """The long form: MAILSEAL_TENANTS=20000 ./dev test tests/properties/test_tenants.py -m suite_mail."""
    run(int(os.environ.get("MAILSEAL_TENANTS", "60")), 50)
