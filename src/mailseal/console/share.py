"""The page behind a share link: what one domain's owner has to publish, in the words of the DNS host, and how
it stands.

Rule: the link is the only permission, and it reads one identity: the page asks for no session, gives none,
has no form, and leads nowhere but to itself. Every link that does not open gets the same page.
References: docs/decisions/0021-share-links.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mailseal.console import layout, session, times
from mailseal.console.evidence import NOT_LOOKED, Told, finding_of, told_of
from mailseal.console.words import Sign
from mailseal.core.errors import NotFound
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus, next_check_at
from mailseal.core.observations import Stage
from mailseal.core.providers import provider_of
from mailseal.core.sharing import SHARE_PATH, ShareLink
from mailseal.handoff.formats import FORMATS
from mailseal.handoff.hosts import HOSTS, USUAL, Field, Host, fields, host_of
from mailseal.handoff.records import Record, Sheet
from mailseal.service.handing import RECORD_TTL
from mailseal.service.sharing import Seen, open_share_link, seen_by
from mailseal.service.world import World

ROUTE = SHARE_PATH + "{name}/{token}"
FILE_ROUTE = ROUTE + "/{form}"
HEADERS = {**layout.HEADERS, "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}
_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven")
_AGAIN_S = 30
"""How often the page looks for news by itself while something is left to do."""


@dataclass(frozen=True, slots=True)
class Card:
    """One record as a form, with how it stands and what is wrong with it."""

    number: int
    sign: Sign
    fields: Sequence[Field]
    told: Told | None
    seen: str
    """What stands there instead of it, where that is something of its own."""


class NoSuchLink(NotFound):
    """A link that opens nothing: altered, ended, taken back, or never there."""


async def show(world: World, request: Request) -> Response:
    """The page of a link; raises NoSuchLink."""
    now = world.clock.now()
    link = await _opened(world, request, now)
    seen = await seen_by(world, link, now)
    token, wanted = request.path_params["token"], request.query_params.get("host", "")
    values = _values(world, link, seen, token, wanted, now)
    response = layout.page("share.html", theme=session.theme_of(request), **values)
    response.headers.update(HEADERS)
    if not values["is_done"]:
        # Without the script too the page keeps itself current.
        response.headers["refresh"] = str(_AGAIN_S)
    return response


async def give_file(world: World, request: Request) -> Response:
    """The records as a file in a tool's format; raises NoSuchLink."""
    now = world.clock.now()
    link = await _opened(world, request, now)
    form = FORMATS.get(request.path_params["form"])
    if form is None:
        raise NoSuchLink("There is no such format.")
    sheet = _sheet(await seen_by(world, link, now))
    kept = {"content-disposition": f'attachment; filename="{link.name}.{form.suffix}"'}
    return Response(
        form.head + form.write(sheet), headers=HEADERS | kept, media_type=f"{form.media_type}; charset=utf-8"
    )


async def _opened(world: World, request: Request, now: datetime) -> ShareLink:
    # The path holds what opens the link: no log line may name it.
    request.scope["rule"] = "share"
    params = request.path_params
    link = await open_share_link(world, params["name"], params["token"], now)
    if link is None:
        raise NoSuchLink(
            "This link does not open anything. It was copied in part, it has ended, or it was taken back.",
            hint="Whoever sent it can send another one.",
        )
    return link


def _values(
    world: World, link: ShareLink, seen: Seen, token: str, wanted: str, now: datetime
) -> Mapping[str, Any]:
    found, sheet = seen.sheet.identity, _sheet(seen)
    report = json.loads(seen.report) if seen.report else None
    told = told_of(report, found.name)
    servers = _servers(report)
    detected = host_of(provider_of(servers))
    host = detected if wanted == detected.key else HOSTS.get(wanted, detected)
    cards = _cards(seen, sheet, host, told)
    left = [card for card in cards if card.sign.tone == "bad"]
    is_waiting = any(card.sign.tone != "ok" for card in cards)
    proof = found.newest.proof
    looks_at = next_check_at(proof, proof.last_checked_at or now, world.policy, 0.0)
    wait = None if looks_at is None else max(looks_at - now, timedelta(0))
    return {
        "ends": times.day(link.expires_at, now),
        "name": found.name,
        "zone": sheet.zone,
        "count": _number(len(cards)),
        "cards": cards,
        "left": left,
        "told": told,
        "heading": _heading(found, told, len(left), is_waiting=is_waiting),
        "is_done": not left and not is_waiting and proof.status is DkimStatus.SUCCESS,
        "looked_at": times.moment(proof.last_checked_at, now) if proof.last_checked_at else "",
        "wait": wait,
        "wait_text": "" if wait is None else times.span(wait),
        "servers": servers,
        "host": host,
        "is_detected": detected.title != HOSTS["other"].title,
        "detected": detected,
        "tabs": _tabs(detected),
        "chosen": wanted if wanted in {*HOSTS, "zone"} else detected.key,
        "zone_text": FORMATS["zone"].write(sheet),
        "formats": FORMATS,
        "token": token,
    }


def _heading(found: Identity, told: Sequence[Told], left: int, *, is_waiting: bool) -> tuple[str, str]:
    """What is left to do, in a few words, and the sentence that explains it."""
    status = found.newest.proof.status
    if told and told[0].is_ours:
        return "The fault is on our side.", told[0].why
    if left:
        many = "One change is left." if left == 1 else f"{_number(left)} changes are left."
        return many, told[0].what if told else ""
    if status is DkimStatus.FAILED:
        return "We stopped looking.", "Publish the records, and tell whoever sent this link to start again."
    if is_waiting:
        return "We are looking.", "Publish the records below; once they are there, we see them by ourselves."
    if status is DkimStatus.SUCCESS:
        return "Nothing is left to do.", f"Mail from {found.name} is signed. Keep the records as they are."
    return "All records are in place.", "We look once more, then mail is signed. There is nothing to do."


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _cards(seen: Seen, sheet: Sheet, host: Host, told: Sequence[Told]) -> list[Card]:
    signs = _signs(seen)
    by_number = {number: one for one in told for number in one.numbers}
    return [
        Card(
            number,
            signs.get((record.name, record.type), NOT_LOOKED),
            fields(host, record, sheet.zone),
            by_number.get(number),
            _seen_instead(record, by_number.get(number)),
        )
        for number, record in enumerate(sheet.records, 1)
    ]


def _seen_instead(record: Record, told: Told | None) -> str:
    """What was seen of this very record: the mistake may be that of several, each at a place of its own."""
    own = record.name.partition(".")[0]
    found = (compare.seen + compare.added for compare in (told.compares if told else ()))
    return next((text for text in found if own in text and "  " not in text), "")


def _signs(seen: Seen) -> dict[tuple[str, str], Sign]:
    """How each record stands, by name and type."""
    report = json.loads(seen.report) if seen.report else {}
    beside = json.loads(seen.mail_from_report) if seen.mail_from_report else {}
    found = [*report.get("records", ()), *report.get("ed25519_records", ()), *beside.get("records", ())]
    return {(one["name"], one["type"]): finding_of(one) for one in found}


def _servers(report: Mapping[str, Any] | None) -> list[str]:
    """The names of the domain's own servers, as they were asked."""
    seen = [one for record in (report or {}).get("records", ()) for one in record["seen"]]
    names = (str(one["by"]).partition(" ")[0] for one in seen if one["stage"] == Stage.AUTHORITY)
    return sorted({name for name in names if not name.replace(".", "").isdigit()})


def _tabs(detected: Host) -> list[Host]:
    """The hosts to choose from, the one that was found first."""
    others = [HOSTS[key] for key in USUAL if key != detected.key]
    return [detected, *others, *([HOSTS["other"]] if detected.key != "other" else [])]


def _sheet(seen: Seen) -> Sheet:
    records = (Record(one.owner, one.type, one.value, RECORD_TTL) for one in seen.sheet.records)
    return Sheet(seen.sheet.identity.name, seen.sheet.zone, tuple(records))
