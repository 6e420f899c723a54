"""The page of one identity: how it stands, why, what to do, who sees what, and the keys behind the records.

Rule: the answer is the largest thing on the page and a full sentence; while the fault is ours, nothing is
asked of the reader.
References: docs/diagnosis.md; docs/glossary.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from mailseal.console import hero, records, times
from mailseal.console.evidence import Report, right_of
from mailseal.console.formats import tabs, written
from mailseal.console.listpage import method_of
from mailseal.console.slotpicture import picture_of
from mailseal.console.timeline import moments
from mailseal.console.visit import Visit
from mailseal.console.words import STATUS
from mailseal.core.addressid import AddressStanding
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.rotation import upcoming
from mailseal.core.stored import StoredEvent
from mailseal.core.verification import ed25519_records, expected_records
from mailseal.service.identities import get_identity
from mailseal.service.world import Tx

EVENTS_SHOWN = 8
EVENTS_AT_MOST = 500
CHECK_EVERY = timedelta(seconds=5)
"""Less than between two checks of a new domain, so that the button is not always at rest."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is kept beside an identity: the last check's report, and the newest events."""

    report: Report | None
    events: tuple[StoredEvent, ...]
    """One more than are shown, where there are more."""
    shown: int


async def show(visit: Visit) -> Response:
    """The page; raises NotFound."""
    found = await get_identity(visit.world, visit.who, visit.name, visit.now)
    if isinstance(found, AddressStanding):
        return await _address(visit, found)
    return await _domain(visit, found)


async def around(visit: Visit, name: str, setting_id: str | None) -> Around:
    """What is kept beside an identity."""
    everything = visit.query.get("events") == "all"
    limit = EVENTS_AT_MOST if everything else EVENTS_SHOWN

    def unit(tx: Tx) -> Around:
        kept = None if setting_id is None else tx.evidence.latest(setting_id)
        events = tx.events.list(visit.who.account_id, visit.who.region, name, limit + 1)
        return Around(json.loads(kept[1]) if kept else None, tuple(events), limit)

    return await visit.world.store.read(unit)


async def _domain(visit: Visit, identity: Identity) -> Response:
    world, now = visit.world, visit.now
    beside = await around(visit, identity.name, identity.newest.setting_id)
    report = beside.report
    proof = identity.newest.proof
    expected = expected_records(identity, identity.newest, now, world.policy)
    second = ed25519_records(identity, now, world.policy)
    shown = (*expected, *second)
    cards = records.cards_of(shown, report, identity.name, world.suffixes)
    form = visit.query.get("format", "")
    host = records.host_of(report)
    seen = proof.last_checked_at
    return await visit.page(
        "identity.html",
        here="identities",
        identity=identity,
        sign=STATUS[proof.status],
        facts=_facts(visit, identity, host.name if host else ""),
        hero=hero.hero_of(identity, report, cards, now, world.policy),
        cards=cards,
        boxes=records.told_boxes(host),
        standing=right_of(report),
        witnesses=records.witnesses_of(report),
        asked_at=None if seen is None else times.stamp(seen),
        picture=picture_of(identity, now, world.policy),
        moments=moments(beside.events[: beside.shown], now),
        has_more=len(beside.events) > beside.shown,
        tabs=tabs(),
        form=form,
        written=written(form, identity.name, records.zone_of(report, identity.name, world.suffixes), shown),
        is_calm=proof.status is DkimStatus.SUCCESS,
        can_rotate=_can_rotate(identity),
        rests=_rests(seen, now),
    )


def _facts(visit: Visit, identity: Identity, host: str) -> list[tuple[str, str]]:
    """What stands under the name."""
    method, keys = method_of(identity)
    now = visit.now
    mail = "signed" if identity.signing is not None else "not signed yet"
    if not identity.signing_enabled:
        mail = "not signed: paused"
    found = [("Keys", f"{method}, {keys}"), ("Created", times.ago(identity.created_at, now)), ("Mail", mail)]
    if identity.newest.proof.last_checked_at:
        found.append(("Last check", times.ago(identity.newest.proof.last_checked_at, now)))
    return [*found[:1], ("DNS at", host), *found[1:]] if host else found


def _can_rotate(identity: Identity) -> str:
    """Empty where keys can be rotated, else why not."""
    if method_of(identity)[0] != "Easy DKIM":
        return "Only with Easy DKIM"
    if identity.signing is None:
        return "Possible once the domain is verified"
    return "One is under way" if upcoming(identity.slots) else ""


def _rests(seen: datetime | None, now: datetime) -> int:
    """Seconds until a check may be asked for again, 0 for now."""
    return 0 if seen is None else max(0, round((seen + CHECK_EVERY - now).total_seconds()))


async def _address(visit: Visit, standing: AddressStanding) -> Response:
    address = standing.address
    beside = await around(visit, address.name, None)
    return await visit.page(
        "address.html",
        here="identities",
        standing=standing,
        address=address,
        sign=STATUS[address.status],
        link_ends=times.moment(address.link_ends_at, visit.now),
        proven=None if address.proven_at is None else times.moment(address.proven_at, visit.now),
        is_waiting=address.status is DkimStatus.PENDING,
        created=times.ago(address.created_at, visit.now),
        moments=moments(beside.events[: beside.shown], visit.now),
    )
