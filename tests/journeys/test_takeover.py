"""What a server that was killed had begun is not waited for: the next one takes it up at its start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from mailseal.core.access import Principal
from mailseal.service.configure import get_identity
from mailseal.service.takeover import LONGEST
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.journeys.rig import ACCOUNT, REGION, Rig, running_rig

WHO = Principal(ACCOUNT, REGION, "journey")


def claimed_by_one_that_dies(rig: Rig) -> None:
    """Claims all that is due half a minute from now, as a process does that ends before it does the work."""
    rig.stop()
    now = rig.clock.now() + timedelta(seconds=30)
    rig.clock.move_to(now)

    def unit(tx: Transaction) -> int:
        return len(tx.identities.claim_due(now, now + LONGEST, 10))

    async def claim() -> int:
        store = SqliteStore.open(rig.folder / "data" / "mailseal.db", holder="one that dies")
        try:
            return await store.write(unit)
        finally:
            await store.close()

    assert rig.call(claim) == 1


def test_a_check_that_was_cut_off_is_made_at_the_next_start(tmp_path: Path) -> None:
    with running_rig(tmp_path) as rig:
        rig.client().create_email_identity(EmailIdentity="example.com")
        rig.publish("example.com")
        rig.settle()
        claimed_by_one_that_dies(rig)
        began = rig.clock.now()
        rig.start()
        rig.settle()
        world = rig.app.world
        proof = rig.call(lambda: get_identity(world, WHO, "example.com", began)).newest.proof
        assert proof.last_checked_at is not None
        assert proof.last_checked_at > began - timedelta(milliseconds=1)
        told = [line.fields["count"] for line in rig.lines if line.event == "taken up"]
        assert told == [1]
