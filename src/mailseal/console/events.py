"""The events of all identities of an account and region, newest first.

Rule: a page goes on behind its last line, and the log's own words stay.
References: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

from mailseal.console.timeline import moment_of
from mailseal.console.visit import Visit
from mailseal.core.stored import EventPlace

PAGE = 50


async def show(visit: Visit) -> Response:
    """The page."""
    who, before = visit.who, place_of(visit.query)
    found = await visit.world.store.read(
        lambda tx: tuple(tx.events.newest(who.account_id, who.region, before, PAGE + 1))
    )
    shown = found[:PAGE]
    following = None
    if len(found) > PAGE:
        last = shown[-1][0]
        at = str(round(last.at.timestamp() * 1000))
        following = visit.url("events", at=at, of=last.name, number=str(last.number))
    return await visit.page(
        "events.html",
        here="events",
        moments=[moment_of(event, visit.now, place.name) for place, event in shown],
        following=following,
        is_first=before is None,
    )


def place_of(query: Mapping[str, str]) -> EventPlace | None:
    """Behind which line the page begins; None for the newest, and for what is no place."""
    at, number = query.get("at", ""), query.get("number", "")
    if not (at.isascii() and at.isdigit() and len(at) < 15 and number.isascii() and number.isdigit()):
        return None
    return EventPlace(
        datetime.fromtimestamp(int(at) / 1000, UTC), query.get("of", "")[:320], int(number[:15])
    )
