"""Use cases: what owners have to publish, of one identity or of all of an account's, page by page.

Rule: the zone that records go into is the one that the last check found to be in charge of the domain; before
the first check it is the domain that can be registered.
References: AWS SESv2 DkimAttributes.Tokens, AWS SESv2 MailFromAttributes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Identity
from mailseal.core.mailfrom import expected_mail_from_records
from mailseal.core.names import is_within
from mailseal.core.verification import ExpectedRecord, ed25519_records, expected_records
from mailseal.service import configure, paging
from mailseal.service.world import IdentityQuery, Tx, World

RECORD_TTL = 1800
"""Seconds that we propose for every record: short enough to repair a mistake within the half hour."""


@dataclass(frozen=True, slots=True)
class ToPublish:
    """What one identity has to publish, and the zone of the owner that it goes into."""

    identity: Identity
    zone: str
    records: tuple[ExpectedRecord, ...]


@dataclass(frozen=True, slots=True)
class PublishPage:
    """Some of an account's identities in the order of their names, and the token of what follows."""

    items: tuple[ToPublish, ...]
    next_token: str | None


async def to_publish(world: World, who: Principal, name: str, now: datetime) -> ToPublish:
    """What the owner of one identity has to publish; raises NotFound."""
    found = await configure.get_identity(world, who, name, now)
    return await world.store.read(lambda tx: _sheet(tx, world, found, now))


async def all_to_publish(
    world: World, who: Principal, token: str | None, limit: int, now: datetime
) -> PublishPage:
    """The same for the next domains of the account; raises BadRequest for a bad token."""
    bound = hashlib.sha256(f"records\0{who.account_id}\0{who.region}".encode()).digest()
    after = paging.opened(world, bound, token) if token else ""
    if after is None:
        raise BadRequest("next is not valid.", hint="Send it back as it was given.")
    query = IdentityQuery(who.account_id, who.region, after=after, limit=limit + 1)

    def unit(tx: Tx) -> tuple[tuple[ToPublish, ...], str | None]:
        names = [row.name for row in tx.identities.list(query)]
        kept = [tx.identities.load(who.account_id, who.region, name) for name in names[:limit]]
        sheets = tuple(_sheet(tx, world, found, now) for found in kept if found is not None)
        return sheets, names[limit - 1] if len(names) > limit else None

    items, last = await world.store.read(unit)
    return PublishPage(items, paging.sealed(world, bound, last) if last else None)


def _sheet(tx: Tx, world: World, found: Identity, now: datetime) -> ToPublish:
    expected = expected_records(found, found.newest, now, world.policy)
    expected += ed25519_records(found, now, world.policy)
    mail_from = tx.mail_from.load(found.account_id, found.region, found.name)
    if mail_from is not None:
        expected += expected_mail_from_records(mail_from, world.mail_from_hosts)
    return ToPublish(found, _zone(tx, world, found), expected)


def _zone(tx: Tx, world: World, found: Identity) -> str:
    own = world.suffixes.registrable(found.name)
    kept = tx.evidence.latest(found.newest.setting_id)
    seen = str(json.loads(kept[1]).get("zone") or "") if kept else ""
    # Of a domain that nobody has registered, the zone above it was found: that is nobody's to publish in.
    is_own = is_within(seen, own) and is_within(found.name, seen)
    return seen if is_own else own
