"""What has to be looked into at once: a sealed row that does not open where it lies.

Rule: an alarm is told to the operator each time and stands in the identity's timeline once an hour at most;
nothing is repaired, and nothing is signed with such a row.
References: docs/operating.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mailseal.core.identity import Event
from mailseal.core.stored import SealBroken
from mailseal.service.world import Tx, World

ALARM = "alarm"
_ONCE_IN = timedelta(hours=1)
_LOOKED_AT = 20


async def raise_alarm(
    world: World, account_id: str, region: str, name: str, broken: SealBroken, now: datetime
) -> None:
    """Tells the operator that a row of this identity does not open, and notes it in the timeline."""
    world.alarm(name, str(broken))
    await world.store.write(lambda tx: note(tx, account_id, region, name, broken, now))


def note(tx: Tx, account_id: str, region: str, name: str, broken: SealBroken, now: datetime) -> None:
    """Appends the alarm to the identity's timeline, unless the same was appended within the hour."""
    text = str(broken)
    for event in tx.events.list(account_id, region, name, _LOOKED_AT):
        if event.kind == ALARM and event.text == text and now - event.at < _ONCE_IN:
            return
    tx.events.append(account_id, region, name, now, [Event(ALARM, text)])
