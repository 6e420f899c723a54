"""One run of the rig: domains are opened, then mail flows while their owners change keys and methods.

Rule: mail flows from before the first change until after the last, and every mail is followed to the end of
its life. Where kills are asked for, they come at random moments, often just after a change was asked for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.zero_gap.installation import Calls, Installation
from tests.faults.zero_gap.owners import Owner, Owners
from tests.faults.zero_gap.receivers import LIFE_S, Mail, Receivers
from tests.faults.zero_gap.tally import Tally

QUIET_S = 2.0
"""Mail flows for so long before the first change, and after the last."""
ARRIVES_WITHIN_S = 20.0
LIVES_SHORTEST_S, LIVES_LONGEST_S = 0.2, 3.0
_NUMBER = re.compile(rb"^X-Number: (\d+) (\S+)\r\n", re.MULTILINE)


@dataclass(frozen=True)
class Size:
    """How much of everything: each domain takes its steps of change from `plans` in turn."""

    domains: int
    plans: tuple[tuple[str, ...], ...]
    mails_per_s: float
    pokes_per_s: float = 15.0
    kills: int = 0


@dataclass
class Story:
    """What one run is made of, and the mails of it that are on their way."""

    size: Size
    place: Installation
    calls: Calls
    receivers: Receivers
    owners: Owners
    tally: Tally
    chance: random.Random
    sent_at: dict[int, float] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def tell(self) -> None:
        """Runs from the first domain to the end of the last mail's life."""
        domains = [Owner(f"shop{number}.test") for number in range(self.size.domains)]
        await gathered([self.owners.open(owner) for owner in domains])
        flow = [
            asyncio.create_task(self._send_steadily(domains)),
            asyncio.create_task(self._poke_steadily(domains)),
        ]
        arrivals = asyncio.create_task(self._take_arrivals())
        try:
            await asyncio.sleep(QUIET_S)
            await self._changes(domains)
            await asyncio.sleep(QUIET_S)
        finally:
            await ended(flow)
        await self._until_all_is_verified()
        await ended([arrivals])
        for number in sorted(self.acknowledged - self.arrived):
            self.tally.fail("lost", f"mail {number} was acknowledged and never arrived")

    async def _changes(self, domains: Sequence[Owner]) -> None:
        """All changes of all domains, and the kills among them; kills that are left come afterwards."""
        plans = self.size.plans
        lives = [self.owners.live(owner, plans[n % len(plans)]) for n, owner in enumerate(domains)]
        await gathered([*lives, self._kill_often()])

    async def _kill_often(self) -> None:
        for _ in range(self.size.kills):
            await asyncio.sleep(self.chance.uniform(LIVES_SHORTEST_S, LIVES_LONGEST_S))
            await asyncio.to_thread(self.place.kill)
            self.tally.add("kills")
            await asyncio.to_thread(self.place.start)

    async def _send_steadily(self, domains: Sequence[Owner]) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while True:
            number += 1
            self._keep(self._send(number, self.chance.choice(domains)))
            await asyncio.sleep(max(0.0, began + number / self.size.mails_per_s - loop.time()))

    async def _send(self, number: int, owner: Owner) -> None:
        self.sent_at[number] = asyncio.get_running_loop().time()
        body = {
            "Destination": {"ToAddresses": ["someone@receiver.test"]},
            "Content": {"Raw": {"Data": base64.b64encode(mail_text(number, owner.name)).decode()}},
        }
        answered, _ = await self.calls.call("POST", "/v2/email/outbound-emails", body)
        self.tally.add("sent")
        if answered.status == 200:
            self.acknowledged.add(number)
        else:
            self.tally.fail("refused", f"{owner.name}, mail {number}: {answered}")

    async def _poke_steadily(self, domains: Sequence[Owner]) -> None:
        while True:
            name = self.chance.choice(self.chance.choice(domains).names())
            self._keep(self.receivers.poke(name))
            await asyncio.sleep(1 / self.size.pokes_per_s)

    async def _take_arrivals(self) -> None:
        while True:
            for path in list(self.place.mailbox.iterdir()):
                raw = path.read_bytes()
                path.unlink()
                self._keep(self._follow(raw))
            await asyncio.sleep(0.05)

    async def _follow(self, raw: bytes) -> None:
        """Verifies one mail now and at the end of its life."""
        found = _NUMBER.search(raw)
        assert found, raw
        number = int(found[1])
        self.arrived.add(number)
        self.tally.add("arrived")
        mail = Mail(number, found[2].decode(), raw, self.sent_at[number])
        await self.receivers.verify(mail, "arrival")
        await asyncio.sleep(max(0.0, mail.sent_at + LIFE_S - asyncio.get_running_loop().time()))
        await self.receivers.verify(mail, "end")

    async def _until_all_is_verified(self) -> None:
        """Returns when every mail that was sent has arrived and come to its end, or should have."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ARRIVES_WITHIN_S
        while loop.time() < until and (len(self.acknowledged) < len(self.sent_at) or not self._all_there()):
            await asyncio.sleep(0.1)
        while self.tasks:
            await asyncio.sleep(0.1)

    def _all_there(self) -> bool:
        return self.acknowledged <= self.arrived

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.tally.fail("broke", repr(task.exception()))


def mail_text(number: int, domain: str) -> bytes:
    """A small mail that names its number and its domain."""
    lines = (
        *(f"From: <sales@{domain}>", "To: <someone@receiver.test>", f"Subject: offer {number}"),
        *(f"X-Number: {number} {domain}", "MIME-Version: 1.0", "Content-Type: text/plain", ""),
        *(f"This is mail {number} of {domain}.", "", "Yours", ""),
    )
    return "\r\n".join(lines).encode()


async def gathered(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Does all of it at once; what fails first ends the rest."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks that go on for ever; what one of them died of is raised."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
