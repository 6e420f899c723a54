"""What is done without being asked: checks, slots, publication, and the stock of keys.

Rule: work is claimed from the database under leases, so that any number of workers may run and one that dies
is forgotten; a fault is logged and tried again later, and never ends a loop.
References: docs/decisions/0004-key-slots.md; docs/operating.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mailseal.core.addressid import AddressIdentity
from mailseal.core.stored import DueMailFrom
from mailseal.service import (
    disclose,
    following,
    linking,
    mailfrom,
    publish,
    rewrap,
    rotate,
    stock,
    verify,
    watch,
)
from mailseal.service.due import next_work_at
from mailseal.service.world import DueCheck, World
from mailseal.telemetry import Telemetry

CHECKS_AT_ONCE = 128
MAILS_AT_ONCE = 8
"""Mails that prove addresses: few, because a next hop that does not answer holds each for a while."""
PUBLISH_APART_S = 0.02
"""A change is numbered at once, and the next serial follows this much later at the earliest."""
LOOK_AGAIN_S = 5.0
"""Whatever happened to a wake-up call, also one of another process, the database is asked this often."""
STOCK_LOOK_S = 2.0
MOVE_LOOK_S, MOVE_AGAIN_S = 5.0, 3600.0
"""A change of the master key is looked at this often; after keys that do not open not before an hour."""
WATCH_FIRST_S, WATCH_EVERY_S, WATCH_AGAIN_S = 5.0, 60.0, 10.0
"""The canary is sent at first, while all is well, and while it is not."""
RETIRED_LOOK_S = 30.0
FORGET_EVERY_S = 60.0
FORGET_AT_ONCE = 500
_BACKOFF_S = (0.1, 0.5, 2.0, 5.0)
_ROUNDS_AT_MOST = 64


@dataclass(frozen=True, slots=True)
class Bells:
    """By which use cases wake the worker; made before the world, which holds their `ring`s."""

    publisher: asyncio.Event = field(default_factory=asyncio.Event)
    worker: asyncio.Event = field(default_factory=asyncio.Event)


class Worker:
    """The loops of one process; `pace` is how many seconds of the clock pass in a real one."""

    def __init__(self, world: World, bells: Bells, telemetry: Telemetry, *, pace: float = 1.0) -> None:
        self._world = world
        self._bells = bells
        self._telemetry = telemetry
        self._pace = pace
        # What one turn has claimed has no task yet: without these, catch_up() would take it for done.
        self._claiming, self._publishing = asyncio.Lock(), asyncio.Lock()
        self._checks: set[asyncio.Task[None]] = set()
        self._mails: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._until_canary_s = WATCH_FIRST_S
        self._published: list[asyncio.Event] = []

    def start(self) -> None:
        """Begins to work; everything that was left undone is looked at first."""
        self._bells.publisher.set()
        self._bells.worker.set()
        loops = (
            self._publish,
            self._work,
            self._fill_stock,
            self._forget_answers,
            self._move_keys,
            self._watch,
            self._publish_retired,
        )
        self._loops = [asyncio.create_task(self._forever(loop), name=loop.__name__) for loop in loops]
        for server in self._world.name_servers.names:
            bell = asyncio.Event()
            self._published.append(bell)
            follow = partial(self._follow, following.Follower(server), bell)
            self._loops.append(asyncio.create_task(self._forever(follow, "_follow"), name=f"follow {server}"))

    async def close(self) -> None:
        """Ends the loops and the checks that are on their way; the next start takes up what they leave."""
        tasks = [*self._loops, *self._checks, *self._mails]
        while pending := [task for task in tasks if not task.done()]:
            for task in pending:
                task.cancel()
            # More than once: before Python 3.12 wait_for() loses a cancellation that meets its answer.
            await asyncio.wait(pending, timeout=1)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loops = []

    async def catch_up(self) -> None:
        """Does all that is due at this moment of the clock, and what follows from it, and returns."""
        for _ in range(_ROUNDS_AT_MOST):
            await self._publish_all()
            await self._begin()
            await self._publish_all()
            if self._checks | self._mails:
                await asyncio.wait(self._checks | self._mails)
            await disclose.tick(self._world)
            due = await self._next_due_at()
            if due is None or due > self._world.clock.now():
                return

    async def _forever(self, once: Callable[[], Awaitable[None]], name: str = "") -> None:
        """Runs one turn after the other; after a fault it waits, longer each time."""
        failures = 0
        while True:
            with self._telemetry.surviving(f"worker{name or once.__name__}") as turn:
                await once()
            if not turn.failed:
                failures = 0
                continue
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _publish(self) -> None:
        await _rung(self._bells.publisher, LOOK_AGAIN_S)
        await self._publish_all()
        await asyncio.sleep(PUBLISH_APART_S)

    async def _publish_all(self) -> None:
        async with self._publishing:
            while changed := await publish.publish(self._world):
                self._telemetry.count("mailseal_published_names_total", changed)
                for bell in self._published:
                    bell.set()

    async def _follow(self, follower: following.Follower, bell: asyncio.Event) -> None:
        """One turn with one server that carries our zones: it is told what it lacks, and asked."""
        pause = await following.follow(self._world, follower)
        now = asyncio.get_running_loop().time()
        for zone in follower.unseen:
            lag = follower.lag(zone, now)
            self._telemetry.level("mailseal_server_lag_seconds", lag, server=follower.name, zone=zone)
        await _rung(bell, pause)

    async def _work(self) -> None:
        """One turn: what is due is begun, then it sleeps until something is due or somebody rings."""
        self._bells.worker.clear()
        if not await self._begin():
            await _rung(self._bells.worker, await self._pause())

    async def _begin(self) -> bool:
        """Begins all that is due, turns the slots that are; whether there was anything."""
        async with self._claiming:
            begun = await self._claim() + await self._claim_addresses()
            turned = await rotate.tick(self._world)
        return bool(begun or turned)

    async def _pause(self) -> float:
        """Real seconds until something is due."""
        if len(self._checks) >= CHECKS_AT_ONCE:
            return LOOK_AGAIN_S
        due = await self._next_due_at()
        if due is None:
            return LOOK_AGAIN_S
        wait = (due - self._world.clock.now()).total_seconds() / self._pace
        # A row that is due and cannot be claimed must not make this loop a busy one.
        return min(max(wait, 0.05), LOOK_AGAIN_S)

    async def _next_due_at(self) -> datetime | None:
        """The earliest moment at which there is something to do."""
        has_room = len(self._mails) < MAILS_AT_ONCE
        return await self._world.store.read(lambda tx: next_work_at(tx, mails=has_room))

    async def _claim(self) -> int:
        """Begins the checks that are due, as many as there is room for; one slow domain holds up no other."""
        room = CHECKS_AT_ONCE - len(self._checks)
        due: tuple[DueCheck | DueMailFrom, ...] = await verify.claim(self._world, room) if room else ()
        if room > len(due):
            due += await mailfrom.claim(self._world, room - len(due))
        for one in due:
            task = asyncio.create_task(self._check(one))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)
        return len(due)

    async def _check(self, due: DueCheck | DueMailFrom) -> None:
        """One check; where it fails it is made again when its lease has run out."""
        checked = None
        with self._telemetry.surviving("check"):
            if isinstance(due, DueMailFrom):
                checked = await mailfrom.check(self._world, due)
            else:
                checked = await verify.check(self._world, due)
        # Its next due time is known only now: until then the row's lease stood in the way.
        self._bells.worker.set()
        if checked is not None:
            self._telemetry.count("mailseal_checks_total", status=checked.after, found=checked.evidence)
            if checked.changed:
                text = f"{checked.before} → {checked.after}"
                self._telemetry.say("check", identity=checked.name, text=text)

    async def _claim_addresses(self) -> int:
        """Begins what is due about addresses: mails that were not taken, and links that nobody used."""
        room = MAILS_AT_ONCE - len(self._mails)
        due = await linking.claim(self._world, room) if room else ()
        for one in due:
            task = asyncio.create_task(self._attend(one))
            self._mails.add(task)
            task.add_done_callback(self._mails.discard)
        return len(due)

    async def _attend(self, address: AddressIdentity) -> None:
        with self._telemetry.surviving("address"):
            await linking.attend(self._world, address)
        self._bells.worker.set()

    async def _fill_stock(self) -> None:
        bits = await stock.stock_missing(self._world)
        if bits is None:
            await asyncio.sleep(STOCK_LOOK_S)
            return
        began = asyncio.get_running_loop().time()
        await stock.add_to_stock(self._world, bits, self._world.clock.now())
        if self._world.refill_per_minute:
            took = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, 60 / self._world.refill_per_minute - took))

    async def _move_keys(self) -> None:
        """Goes on with a change of the master key that nobody watches any more."""
        await asyncio.sleep(MOVE_LOOK_S)
        while self._world.keyring.older_key_id is not None:
            moving = await rewrap.go_on(self._world, self._world.clock.now())
            if moving.broken:
                await asyncio.sleep(MOVE_AGAIN_S)

    async def _watch(self) -> None:
        """Sends the canary, more often while it does not come back."""
        await asyncio.sleep(self._until_canary_s)
        self._until_canary_s = WATCH_AGAIN_S
        if await watch.watch(self._world):
            self._until_canary_s = WATCH_EVERY_S

    async def _publish_retired(self) -> None:
        """Looks whether the records of retired keys are gone, where such keys are published."""
        if not await disclose.tick(self._world):
            await asyncio.sleep(RETIRED_LOOK_S)

    async def _forget_answers(self) -> None:
        """Drops the answers to calls whose time is over, some at a time, so that nobody waits long for it."""
        await asyncio.sleep(FORGET_EVERY_S)
        while await self._world.store.write(
            lambda tx: tx.answers.forget_before(self._world.clock.real_now(), FORGET_AT_ONCE)
        ):
            pass


async def _rung(bell: asyncio.Event, at_most: float) -> None:
    """Returns when the bell was rung, or after that many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most):
            await bell.wait()
    bell.clear()
