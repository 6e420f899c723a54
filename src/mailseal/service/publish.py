"""Publication: what was marked as changed becomes what our name server answers, under a new serial.

Rule: one publisher at a time; served rows and serial change in one transaction, so that whoever reads sees
both or neither.
References: RFC 1982 §3.1; RFC 1034 §4.3.5; docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from mailseal.core import rotation
from mailseal.service.world import Tx, World

BATCH = 100
"""Names in one transaction: some milliseconds, for which no request is answered."""


async def publish(world: World) -> int:
    """The number of owner names whose answer was changed; call it until it is 0."""
    now = world.clock.now()
    alone = not world.name_servers.names

    def unit(tx: Tx) -> int:
        marked = tx.zone.marked(BATCH)
        zones = set()
        for owner in marked:
            slot = tx.slots.find(owner)
            if slot is None:
                continue
            answer = rotation.answer_of(slot, world.policy)
            if tx.zone.serve(slot.zone, owner, answer, now, alone=alone):
                zones.add(slot.zone)
        for zone in sorted(zones):
            tx.zone.advance(zone)
        return len(marked)

    if not await world.store.read(lambda tx: bool(tx.zone.marked(1))):
        return 0
    return await world.store.write(unit)
