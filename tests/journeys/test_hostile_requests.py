"""Signed but hostile, against the whole application: never a fault, never an effect of what was refused."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from mailseal.sesv2.operations import Operation
from tests.journeys.hostile import MODELLED, OWN_KEY, furnish, made, state_of
from tests.unit.sesv2.whole import Whole, tell

IN_CI = os.environ.get("CI") == "true"
REQUESTS = 20_000 if IN_CI else 2_000
SHARE = -(-REQUESTS // len(Operation))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", Operation)
def test_a_hostile_request_is_a_modelled_error_and_changes_nothing(
    operation: Operation, tmp_path: Path
) -> None:
    chance = random.Random(f"hostile {operation.value}")
    seen: Counter[str] = Counter()

    async def story(application: Whole) -> None:
        await furnish(application)
        changed = 0
        for _ in range(SHARE):
            request = made(operation, chance)
            before = state_of(application)
            answer = await application.ask(request.wire)
            told = (request.how, request.wire.method, request.wire.path, request.wire.body[:500], answer)
            seen[answer.error or "accepted"] += 1
            assert answer.status == 200 or 400 <= answer.status < 500, told
            assert OWN_KEY.encode() not in answer.content, told
            changed += state_of(application) != before
            if answer.status != 200:
                assert answer.error in MODELLED, told
                assert isinstance(answer.json["message"], str), told
                assert state_of(application) == before, told
        assert changed > 0 or operation.value.startswith(("Get", "List")), "no effect of what was taken"
        assert {line.event for line in application.lines} == {"request"}, "a fault was logged"

    tell(tmp_path, story)
    assert seen["accepted"] > 0, "no request was nearly right"
    assert len(seen) > 2, seen
