"""The obedient customer: publishes what is asked, a while after it was asked.

Rule: it does what a person with the list of records would do and touches nothing else; each setting once, so
that a record that a developer takes away again stays away. A mistake that was made on purpose stands.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from mailseal.core.access import Principal
from mailseal.core.errors import Refusal
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.observations import RecordType
from mailseal.core.verification import ExpectedRecord
from mailseal.sandbox.customers import Customers
from mailseal.service.world import IdentityQuery, Tx, World

LOOK_EVERY_SECONDS = 0.1
_AT_MOST = 1000
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A setting, or a MAIL FROM domain, whose records somebody has been asked to publish."""

    who: Principal
    name: str
    setting_id: str
    is_mail_from: bool = False


class ObedientCustomer:
    """Watches for settings that wait for records, and publishes these `after` they were first seen."""

    def __init__(
        self, world: World, customers: Customers, after: timedelta, say: Callable[[str, str], None]
    ) -> None:
        self._world = world
        self._customers = customers
        self._after = after.total_seconds()
        self._say = say
        self._waiting: dict[Asked, float] = {}
        self._done: set[str] = set()
        self._named: set[tuple[str, ...]] = set()
        self._asked = asyncio.Event()
        self._asked.set()

    def ask(self, named: tuple[str, ...] = ()) -> None:
        """Something may have been asked for: look soon; `named` is the account, region and name of what is
        not new, and so does not show in a list of those that wait."""
        if named and len(self._named) < _AT_MOST:
            self._named.add(named)
        self._asked.set()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            if not self._waiting:
                await self._asked.wait()
            await self.look()
            await asyncio.sleep(min(LOOK_EVERY_SECONDS, max(self._after, 0.01)))

    async def look(self) -> None:
        """Notes what is asked for and publishes what has been asked for long enough."""
        now = monotonic()
        if self._asked.is_set():
            self._asked.clear()
            named, self._named = self._named | {_key(asked) for asked in self._waiting}, set()
            pending = await self._world.store.read(lambda tx: _pending(tx, self._world.regions, named))
            if len(self._done) > _MOST_REMEMBERED:
                self._done.clear()
            fresh = (asked for asked in pending if asked.setting_id not in self._done)
            self._waiting = {asked: self._waiting.get(asked, now) for asked in fresh}
        for asked in [one for one, since in self._waiting.items() if now - since >= self._after]:
            await self._publish(asked)

    async def _publish(self, asked: Asked) -> None:
        del self._waiting[asked]
        self._done.add(asked.setting_id)
        if asked.name in self._customers.mistaken:
            return
        try:
            records = await self._customers.publish(
                self._world, asked.who, asked.name, dkim=not asked.is_mail_from, mail_from=asked.is_mail_from
            )
        except Refusal:
            return  # deleted at this very moment
        self._say(asked.name, f"{count_of(records)} published")
        self._world.wake_worker()


def count_of(records: tuple[ExpectedRecord, ...]) -> str:
    """How many records of which type: `3 CNAME`."""
    types = [record.type for record in records]
    return ", ".join(f"{types.count(one)} {one.value}" for one in RecordType if one in types)


def _pending(tx: Tx, regions: tuple[str, ...], named: Iterable[tuple[str, ...]]) -> tuple[Asked, ...]:
    """What waits for records: new identities, and those that were named."""
    keys = dict.fromkeys(named)
    for account_id in tx.access_keys.accounts():
        for region in regions:
            query = IdentityQuery(account_id, region, limit=_AT_MOST, status=DkimStatus.PENDING)
            keys |= dict.fromkeys((account_id, region, row.name) for row in tx.identities.list(query))
    loaded = (tx.identities.load(*key) for key in keys)
    settings = tuple(_asked(identity) for identity in loaded if identity is not None and _waits(identity))
    return settings + tuple(asked for key in keys for asked in _mail_from(tx, *key))


def _mail_from(tx: Tx, account_id: str, region: str, name: str) -> tuple[Asked, ...]:
    """The MAIL FROM domain of an identity where it waits for its records."""
    found = tx.mail_from.load(account_id, region, name)
    if found is None or found.proof.status is not DkimStatus.PENDING:
        return ()
    who = Principal(account_id, region, "customers' DNS")
    search = f"{account_id} {region} {name} {found.domain} {found.proof.searching_since}"
    return (Asked(who, name, search, is_mail_from=True),)


def _key(asked: Asked) -> tuple[str, ...]:
    return (asked.who.account_id, asked.who.region, asked.name)


def _waits(identity: Identity) -> bool:
    # The newest setting's own status: a list shows that of the one which signs.
    return identity.newest.proof.status is DkimStatus.PENDING


def _asked(identity: Identity) -> Asked:
    who = Principal(identity.account_id, identity.region, "customers' DNS")
    return Asked(who, identity.name, identity.newest.setting_id)
