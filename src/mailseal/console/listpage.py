"""The list of identities: counts that filter, a search, and one line each about what is going on.

Rule: those that need somebody come first; a page goes on behind its last row and has no number.
References: docs/glossary.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from mailseal.console import times
from mailseal.console.evidence import summary_of
from mailseal.console.visit import Visit
from mailseal.console.words import STATUS, Sign
from mailseal.core.addressid import AddressStanding
from mailseal.core.identity import ByoDkim, EasyDkim, Identity, Replica
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.rotation import upcoming
from mailseal.service.survey import Cursor, Row, Survey, Wanted, counts, survey

_ORDER = (
    DkimStatus.SUCCESS,
    DkimStatus.PENDING,
    DkimStatus.TEMPORARY_FAILURE,
    DkimStatus.FAILED,
    DkimStatus.NOT_STARTED,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One row as it is shown."""

    name: str
    sign: Sign
    what: str
    detail: str
    matters: bool
    """Whether somebody may have to do something about it."""
    method: str
    keys: str
    checked: str
    since: str


async def show(visit: Visit) -> Response:
    """The page; where there is nothing yet, the one that shows how to begin."""
    wanted = _wanted(visit)
    counted = await counts(visit.world, visit.who)
    if not counted[None] and not wanted.contains:
        return await visit.page("empty.html", here="identities", **_beginning(visit))
    found = await survey(visit.world, visit.who, wanted)
    cells = [(None, None, counted[None]), *((s, STATUS[s], counted[s]) for s in _ORDER)]
    return await visit.page(
        "identities.html",
        here="identities",
        cells=cells,
        wanted=wanted,
        lines=[line_of(row, visit.now) for row in found.rows],
        following=_following(visit, wanted, found),
        is_first=wanted.after == Cursor(),
        is_cut=found.is_cut,
        first=_url(visit, wanted, Cursor()),
    )


def _beginning(visit: Visit) -> dict[str, Any]:
    links = visit.world.links
    return {"api_url": links.public_url, "zone": visit.world.hosted_zone}


def _wanted(visit: Visit) -> Wanted:
    """What the URL asks for; what is in it and no status is no filter."""
    query = visit.query
    status = query.get("status", "")
    after, at = query.get("after", ""), query.get("at", "")
    return Wanted(
        contains=query.get("q", "").strip()[:255],
        status=DkimStatus(status) if status in DkimStatus.__members__ else None,
        by_name=query.get("order") == "name",
        after=Cursor(after[:320], DkimStatus(at) if at in DkimStatus.__members__ else None),
    )


def _following(visit: Visit, wanted: Wanted, found: Survey) -> str | None:
    return None if found.following is None else _url(visit, wanted, found.following)


def _url(visit: Visit, wanted: Wanted, after: Cursor) -> str:
    return visit.url(
        "identities",
        q=wanted.contains,
        status=wanted.status or "",
        order="name" if wanted.by_name else "",
        after=after.name,
        at=after.status or "",
    )


def line_of(row: Row, now: datetime) -> Line:
    """A row as it is shown."""
    sign = STATUS[row.status]
    match row.found:
        case Identity() as identity:
            return _domain(row, identity, sign, now)
        case AddressStanding() as standing:
            return _address(row, standing, sign, now)
        case None:
            return Line(row.name, sign, "It was deleted a moment ago", "", False, "", "", "", "")


def _domain(row: Row, identity: Identity, sign: Sign, now: datetime) -> Line:
    report = json.loads(row.report) if row.report else None
    told = summary_of(identity, report)
    if row.status is DkimStatus.SUCCESS and not told.matters and upcoming(identity.slots):
        what, detail, matters = "A new key is being introduced", "Mail is signed with the current key", True
    else:
        what, detail, matters = told.what, told.detail, told.matters
    method, keys = method_of(identity)
    proof = identity.newest.proof
    since = f"since {times.day(proof.since, now)}"
    return Line(
        row.name, sign, what, detail, matters, method, keys, times.ago(proof.last_checked_at, now), since
    )


def _address(row: Row, standing: AddressStanding, sign: Sign, now: datetime) -> Line:
    address, domain = standing.address, standing.domain
    if address.is_proven:
        what, matters = "Proven by the link in a mail", False
    elif row.status is DkimStatus.PENDING:
        what, matters = "The link in its mail was not opened yet", True
    else:
        what, matters = "The link ran out before it was opened", True
    method = ("Inherits", f"from {domain.name}") if domain else ("None", "its domain is no identity")
    since = f"since {times.day(address.link_at, now)}"
    return Line(row.name, sign, what, "", matters, *method, times.ago(address.proven_at, now), since)


def method_of(identity: Identity) -> tuple[str, str]:
    """Who makes the keys, and what they are, in two or three words each."""
    match identity.newest.method:
        case EasyDkim(bits=bits):
            return "Easy DKIM", f"{bits} bits"
        case ByoDkim(selector=selector):
            return "Own key", f"selector {selector}"
        case Replica(region=region):
            return "Replica", f"of {region}"
