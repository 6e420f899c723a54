"""The sandbox's world: customers' DNS to edit, a clock to move.

Rule: everything is asked of the sandbox's own application, so that the command line and the page do the same.
References: docs/operating.md.
"""

from __future__ import annotations

from starlette.responses import Response

from mailseal.console.mailbox import empty_query
from mailseal.console.sentences import SAY
from mailseal.console.visit import Visit
from mailseal.core.advice import Code
from mailseal.core.errors import BadRequest, Refusal
from mailseal.core.observations import printable
from mailseal.core.stored import IdentityQuery

DOMAINS_SHOWN = 100
RECORDS_SHOWN = 300
JOURNEYS = ("10m", "1h", "24h", "72h", "9d", "180d")
_NOT_PLAYED = frozenset({Code.OUR_ZONE, Code.PARENT_MISMATCH, Code.SPLIT_HORIZON, Code.KEY_PASTED})


async def dns(visit: Visit) -> Response:
    """The records of the customers, and what may be done to them."""
    return await _dns(visit)


async def change_dns(visit: Visit) -> Response:
    """Back to the records, changed; the page again where that is refused."""
    domain = visit.said("domain")
    try:
        match visit.said("do"):
            case "publish" | "repair" as what:
                await _ask(visit, "POST", f"dns/{what}", domain=domain)
            case "mistake":
                await _ask(visit, "POST", "dns/mistake", domain=domain, mistake=visit.said("mistake"))
            case "set":
                values = [line for line in visit.form.get("values", "").splitlines() if line.strip()]
                body = {"name": visit.said("name"), "type": visit.said("type"), "values": values}
                await visit.playing.ask(visit.who, "PUT", "dns", body=body)
            case "delete":
                query = {"name": visit.said("name"), "type": visit.said("type")}
                await visit.playing.ask(visit.who, "DELETE", "dns", query=query)
            case _:
                raise BadRequest("Say what is to be done.")
    except Refusal as refused:
        return await _dns(visit, refused)
    return visit.go("sandbox", "dns", domain=domain)


async def _dns(visit: Visit, refused: Refusal | None = None) -> Response:
    domain = visit.query.get("domain", "") or visit.said("domain")
    found = await visit.playing.ask(visit.who, "GET", "dns", query=empty_query(domain=domain))
    queries = await visit.playing.ask(visit.who, "GET", "dns/queries", query=empty_query(domain=domain))
    query = IdentityQuery(visit.who.account_id, visit.who.region, limit=DOMAINS_SHOWN)
    rows = await visit.world.store.read(lambda tx: tuple(tx.identities.list(query)))
    return await visit.page(
        "sandbox_dns.html",
        here="dns",
        status=200 if refused is None else 400,
        refused=refused,
        domain=domain,
        domains=[row.name for row in rows],
        records=found["items"][:RECORDS_SHOWN],
        outages=found["outages"],
        queries=list(reversed(queries["items"]))[:12],
        mistakes=[(code.value, SAY[code].many) for code in Code if code in SAY and code not in _NOT_PLAYED],
    )


async def clock(visit: Visit) -> Response:
    """The sandbox's time, and where it can be moved to."""
    return await _clock(visit)


async def move_clock(visit: Visit) -> Response:
    """The clock, moved, and what that changed."""
    try:
        journey = await _ask(visit, "POST", "clock/advance", by=visit.said("by"))
    except Refusal as refused:
        return await _clock(visit, refused=refused)
    return await _clock(visit, journey=journey)


async def _clock(
    visit: Visit, *, refused: Refusal | None = None, journey: dict[str, object] | None = None
) -> Response:
    told = await visit.playing.ask(visit.who, "GET", "clock")
    return await visit.page(
        "sandbox_clock.html",
        here="clock",
        status=200 if refused is None else 400,
        refused=refused,
        clock=told,
        journey=journey,
        journeys=JOURNEYS,
    )


async def _ask(visit: Visit, method: str, path: str, **body: str) -> dict[str, object]:
    """The members of the sandbox's answer; raises Refusal."""
    shown = {name: printable(value, at_most=400) for name, value in body.items()}
    return await visit.playing.ask(visit.who, method, path, body=shown)
