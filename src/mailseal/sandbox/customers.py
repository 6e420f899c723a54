"""The customers of a sandbox: what the owners of domains do to their DNS, kept over restarts.

Rule: every change is on disk when it is acknowledged; an obedient owner publishes exactly what was asked for.
References: docs/operating.md.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.advice import Code
from mailseal.core.commands import CreateIdentity
from mailseal.core.errors import AlreadyExists, BadRequest
from mailseal.core.identity import Identity
from mailseal.core.mailfrom import expected_mail_from_records
from mailseal.core.verification import ExpectedRecord, ed25519_records, expected_records
from mailseal.sandbox.mistakes import Mess, Scene, make_mistake
from mailseal.sandbox.zones import CustomerRecord, CustomerZones, Outage
from mailseal.service.attributes import describe_identity
from mailseal.service.configure import create_identity, delete_identity, get_identity
from mailseal.service.world import World

EARLIER_OWNER = "000000000009"
"""The account that had a domain before: its tokens are known, and nobody's any more."""


class Customers:
    """The customers' zones, and the file they are kept in; None keeps nothing."""

    def __init__(self, zones: CustomerZones, kept_in: Path | None) -> None:
        self.zones = zones
        self._kept_in = kept_in
        self.mistaken: set[str] = set()
        """Domains whose owners have made a mistake and stay with it."""
        if kept_in is not None and kept_in.exists():
            _fill(zones, json.loads(kept_in.read_text(encoding="utf-8")))

    def set_record(self, name: str, rtype: str, values: Sequence[str], ttl: int | None) -> None:
        """Replaces the records of one type at a name; raises BadRequest."""
        try:
            if ttl is None:
                self.zones.set_record(name, rtype, values)
            else:
                self.zones.set_record(name, rtype, values, ttl=ttl)
        except ValueError as refused:
            raise BadRequest(str(refused)) from None
        self._keep()

    def delete_record(self, name: str, rtype: str | None) -> bool:
        """Whether there were records to remove; raises BadRequest for what is no name or type."""
        try:
            gone = self.zones.delete_record(name, rtype)
        except ValueError as refused:
            raise BadRequest(str(refused)) from None
        self._keep()
        return gone

    def forget(self, domain: str) -> None:
        """Removes everything at a domain and below it; raises BadRequest for what is no name."""
        self.mistaken.discard(domain)
        try:
            self.zones.delete_domain(domain)
        except ValueError as refused:
            raise BadRequest(str(refused)) from None
        self._keep()

    def forget_all(self) -> None:
        """Removes every record and outage."""
        self.mistaken.clear()
        for domain in {record.name for record in self.zones.records()} | set(self.zones.outages()):
            self.zones.delete_domain(domain)
        self._keep()

    def set_outage(self, domain: str, outage: str) -> None:
        """Makes a domain's servers fail in one way, `none` ends it; raises BadRequest."""
        try:
            self.zones.set_outage(domain, None if outage == "none" else Outage(outage))
        except ValueError:
            known = ", ".join([*(one.value for one in Outage), "none"])
            raise BadRequest(f"{outage!r} is not an outage; known here: {known}") from None
        self._keep()

    async def publish(
        self, world: World, who: Principal, name: str, *, dkim: bool = True, mail_from: bool = True
    ) -> tuple[ExpectedRecord, ...]:
        """The records that the identity's newest setting and its MAIL FROM domain ask for, published.

        Raises NotFound.
        """
        described = await describe_identity(world, who, name, world.clock.now())
        identity, domain = described.identity, described.beside.mail_from
        wanted: tuple[ExpectedRecord, ...] = ()
        if dkim and isinstance(identity, Identity):
            wanted = expected_records(identity, identity.newest, world.clock.now(), world.policy)
            wanted += ed25519_records(identity, world.clock.now(), world.policy)
        if mail_from and domain is not None:
            wanted += expected_mail_from_records(domain, world.mail_from_hosts)
        self.mistaken.discard(name)
        self.zones.publish(wanted)
        self._keep()
        return wanted

    async def make_mistake(self, world: World, who: Principal, name: str, code: str) -> Mess:
        """What the owner's DNS holds after a mistake by its name, with nothing else at that domain.

        Raises NotFound, and BadRequest for a mistake that can't be made there.
        """
        now = world.clock.now()
        identity = await get_identity(world, who, name, now)
        wanted = expected_records(identity, identity.newest, now, world.policy)
        old = await earlier_target(world, identity) if code == Code.OLD_TOKEN else ""
        mess = make_mistake(code, Scene(identity.name, wanted, old))
        self.mistaken.add(identity.name)
        self.zones.delete_domain(identity.name)
        for row in mess.rows:
            self.set_record(row.name, row.type, row.values, None)
        for domain, outage in mess.outages.items():
            self.zones.set_outage(domain, outage)
        self._keep()
        return mess

    async def repair(self, world: World, who: Principal, name: str) -> tuple[ExpectedRecord, ...]:
        """What was asked for, published in place of whatever stood at the domain; raises NotFound."""
        identity = await get_identity(world, who, name, world.clock.now())
        self.zones.delete_domain(identity.name)
        return await self.publish(world, who, identity.name)

    def _keep(self) -> None:
        if self._kept_in is None:
            return
        kept = {
            "records": [_written(record) for record in self.zones.records()],
            "outages": {domain: outage.value for domain, outage in self.zones.outages().items()},
        }
        written = self._kept_in.with_suffix(".new")
        written.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        written.replace(self._kept_in)


async def earlier_target(world: World, identity: Identity) -> str:
    """A name in our zone that the domain was once told to point to, for somebody who had it before."""
    now = world.clock.now()
    before = Principal(EARLIER_OWNER, identity.region, "")
    with contextlib.suppress(AlreadyExists):
        await create_identity(world, before, CreateIdentity(identity.name), now)
    old = await get_identity(world, before, identity.name, now)
    await delete_identity(world, before, identity.name, now)
    return old.slots[0].owner


def _written(record: CustomerRecord) -> dict[str, object]:
    return {"name": record.name, "type": record.type, "value": record.value, "ttl": record.ttl}


def _fill(zones: CustomerZones, kept: dict[str, Any]) -> None:
    """Puts kept records and outages back into empty zones."""
    for (name, rtype), group in groupby(kept.get("records", []), key=itemgetter("name", "type")):
        found = list(group)
        zones.set_record(name, rtype, [one["value"] for one in found], ttl=found[0]["ttl"])
    for domain, outage in kept.get("outages", {}).items():
        zones.set_outage(domain, Outage(outage))
