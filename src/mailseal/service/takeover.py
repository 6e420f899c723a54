"""What a process that died had begun, taken up by the next one at its start.

Rule: only for a process that knows itself alone with the database (on SQLite by the lock file); a lease of a
process that lives is its own.
References: docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from mailseal.service import linking, rotate, verify
from mailseal.service.world import Tx, World

LONGEST = max(verify.LEASE, rotate.LEASE, linking.LEASE)


async def release_leases(world: World) -> int:
    """How many checks, slots and addresses had been claimed and are not done; all are due at once."""
    now = world.clock.now()
    until = now + LONGEST

    def unit(tx: Tx) -> int:
        tables = (tx.identities, tx.slots, tx.mail_from, tx.addresses)
        return sum(table.release(now, until) for table in tables)

    return await world.store.write(unit)
