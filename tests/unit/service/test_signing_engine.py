"""Mail that goes out at the same moment is signed together, and is what it would have been alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mailseal.batch.engine import BatchEngine
from mailseal.core.commands import SendEmail
from mailseal.dkim.keys import CrtNumbers
from mailseal.sealing import Keyring
from mailseal.service import send
from tests.fakes import pooled_key
from tests.unit.service.scenes import MAIL, WHO, Scene
from tests.unit.service.test_spine import check_signature, play

BY_NUMBERS = {key.crt_numbers(): key for key in (pooled_key(number) for number in range(4))}


class PoolLanes:
    """Lanes that know the keys of the pool."""

    def sign(self, jobs: Sequence[tuple[CrtNumbers, bytes]]) -> list[bytes | None]:
        return [BY_NUMBERS[numbers].sign_digest(digest) for numbers, digest in jobs]


def test_mail_that_goes_out_together_is_signed_together(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        counts = Counter[str]()
        assert isinstance(here.world.keyring, Keyring)
        engine = BatchEngine({2048: PoolLanes()}, lambda name, count: counts.update({name: count}))
        here.world.keyring.sign_with(engine)
        bodies = [b"message %d\r\n" % number for number in range(40)]
        await asyncio.gather(
            *(
                send.send_email(here.world, WHO, SendEmail(raw=MAIL + body), here.clock.now())
                for body in bodies
            )
        )
        given = [message for _, message in here.next_hop.given]
        assert len(given) == len(bodies)
        for body in bodies:
            assert sum(message.endswith(body) for message in given) == 1
        for message in given:
            check_signature(here, message)
        assert counts.total() == len(bodies)
        assert counts["batch"] >= 4
        assert not counts["again"]

    play(tmp_path, story)
