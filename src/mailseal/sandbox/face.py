"""What a running sandbox can be asked and told, below /mailseal/v1/sandbox/: DNS, clock, mailbox, accounts.

Rule: one function a path; each takes a `Call` and gives a JSON object; whoever may ask was decided before.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest, NotFound
from mailseal.core.observations import printable
from mailseal.sandbox.accounts import accounts_of, close_account, delete_identities, fresh_key, open_account
from mailseal.sandbox.clock import SandboxClock
from mailseal.sandbox.customers import Customers
from mailseal.sandbox.mailbox import ENVELOPES, Kept, describe, find_mail, list_mail
from mailseal.sandbox.settings import DurationError, SandboxSettings, environment, parse_duration
from mailseal.sandbox.travel import Settle, travel
from mailseal.service.world import IdentityQuery, World

MOST_MAILS = 100
MOST_CHANGES = 1000
LONGEST_JOURNEY = timedelta(days=3650)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Everything the faces of a running sandbox work on."""

    world: World
    clock: SandboxClock
    customers: Customers
    settings: SandboxSettings
    api_url: str
    settle: Settle
    stop: Callable[[], None]
    travelling: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, for what, with what."""

    who: Principal
    rest: str
    query: Mapping[str, str]
    body: Json


Answer = Callable[[Sandbox, Call], Awaitable[Json | bytes]]


async def show_dns(sandbox: Sandbox, call: Call) -> Json:
    """The records and outages of one domain, or of all."""
    records = sandbox.customers.zones.records(call.query.get("domain") or None)
    items = [{"name": one.name, "type": one.type, "value": one.value, "ttl": one.ttl} for one in records]
    outages = {domain: outage.value for domain, outage in sandbox.customers.zones.outages().items()}
    return {"items": items, "outages": outages, "next": None}


async def set_dns(sandbox: Sandbox, call: Call) -> Json:
    """Replaces the records of one type at one name."""
    values = call.body.get("values")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadRequest("values is a list of texts: what the records of that name and type say.")
    ttl = call.body.get("ttl")
    if ttl is not None and (not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl < 2**31):
        raise BadRequest("ttl is a number of seconds.")
    sandbox.customers.set_record(_text(call.body, "name"), _text(call.body, "type"), values, ttl)
    sandbox.world.wake_worker()
    return {"name": call.body["name"], "type": call.body["type"], "values": values}


async def delete_dns(sandbox: Sandbox, call: Call) -> Json:
    """Removes the records at a name, or everything of a domain."""
    if "domain" in call.query:
        sandbox.customers.forget(call.query["domain"])
        return {"deleted": True}
    if not call.query.get("name"):
        raise BadRequest("Say what to remove: name, with or without type, or domain.")
    return {"deleted": sandbox.customers.delete_record(call.query["name"], call.query.get("type") or None)}


async def publish_dns(sandbox: Sandbox, call: Call) -> Json:
    """Plays the owner: what an identity's newest setting asks for stands in its DNS."""
    records = await sandbox.customers.publish(sandbox.world, call.who, _text(call.body, "domain"))
    sandbox.world.wake_worker()
    items = [{"name": one.owner, "type": one.type.value, "value": one.value} for one in records]
    return {"items": items, "next": None}


async def make_mistake(sandbox: Sandbox, call: Call) -> Json:
    """Plays an owner who got it wrong, in one of the ways that have a name."""
    domain, code = _text(call.body, "domain"), _text(call.body, "mistake").upper()
    mess = await sandbox.customers.make_mistake(sandbox.world, call.who, domain, code)
    sandbox.world.wake_worker()
    items = [{"name": one.name, "type": one.type, "value": v} for one in mess.rows for v in one.values]
    outages = {name: outage.value for name, outage in mess.outages.items()}
    return {"mistake": code, "items": items, "outages": outages, "next": None}


async def repair_dns(sandbox: Sandbox, call: Call) -> Json:
    """Plays an owner who put everything right."""
    records = await sandbox.customers.repair(sandbox.world, call.who, _text(call.body, "domain"))
    sandbox.world.wake_worker()
    items = [{"name": one.owner, "type": one.type.value, "value": one.value} for one in records]
    return {"items": items, "next": None}


async def show_queries(sandbox: Sandbox, call: Call) -> Json:
    """The latest questions that reached the customers' DNS."""
    queries = sandbox.customers.zones.queries(call.query.get("domain") or None)
    items = [
        {
            "at": one.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "name": printable(one.name),
            "type": one.type,
            "transport": one.transport,
            "rcode": one.rcode,
        }
        for one in queries
    ]
    return {"items": items, "next": None}


async def set_outage(sandbox: Sandbox, call: Call) -> Json:
    """Makes the servers of a domain fail in one way, or work again."""
    domain, outage = _text(call.body, "domain"), _text(call.body, "outage")
    sandbox.customers.set_outage(domain, outage)
    return {"domain": domain, "outage": outage}


async def show_clock(sandbox: Sandbox, call: Call) -> Json:
    """The sandbox's time and the machine's."""
    return {
        "now": _stamp(sandbox.clock.now()),
        "real": _stamp(sandbox.clock.real_now()),
        "ahead_seconds": round(sandbox.clock.ahead().total_seconds(), 3),
        "speed": sandbox.clock.speed,
    }


async def advance_clock(sandbox: Sandbox, call: Call) -> Json:
    """Moves the clock forward; all that would have happened meanwhile has happened when this answers."""
    by = _duration(call.body)
    before = await _statuses(sandbox.world, call.who)
    async with sandbox.travelling:
        try:
            journey = await travel(sandbox.world, sandbox.clock, by, sandbox.settle)
        finally:
            sandbox.clock.keep()
    sandbox.world.wake_worker()
    return {
        "left_at": _stamp(journey.left_at),
        "arrived_at": _stamp(journey.arrived_at),
        "steps": journey.steps,
        "changes": [
            {"identity": name, "before": before[name], "after": status}
            for name, status in (await _statuses(sandbox.world, call.who)).items()
            if name in before and before[name] != status
        ],
    }


async def _statuses(world: World, who: Principal) -> dict[str, str]:
    """The status of each of an account's identities."""
    query = IdentityQuery(who.account_id, who.region, limit=MOST_CHANGES)
    rows = await world.store.read(lambda tx: tuple(tx.identities.list(query)))
    return {row.name: row.status.value for row in rows}


async def list_mailbox(sandbox: Sandbox, call: Call) -> Json:
    """The newest messages; `after` gives those since a message, `dkim=no` leaves signatures unjudged."""
    mails = await asyncio.to_thread(list_mail, sandbox.settings.mailbox)
    after = call.query.get("after")
    if after:
        place = next((at for at, kept in enumerate(mails) if kept.name == after), None)
        if place is None:
            raise NotFound(f"There is no message {printable(after)}.")
        mails = mails[place + 1 :]
    shown = mails[-MOST_MAILS:]
    return {
        "items": [await _described(sandbox, kept, judged=call.query.get("dkim") != "no") for kept in shown],
        "count": len(mails),
        "next": None,
    }


async def show_mail(sandbox: Sandbox, call: Call) -> Json | bytes:
    """One message with the worth of its signatures; with `/raw` its bytes."""
    name, _, form = call.rest.partition("/")
    kept = await asyncio.to_thread(find_mail, sandbox.settings.mailbox, name)
    if kept is None or form not in ("", "raw"):
        raise NotFound(f"There is no message {printable(call.rest)}.")
    if form == "raw":
        return await asyncio.to_thread(kept.path.read_bytes)
    return await _described(sandbox, kept)


async def _described(sandbox: Sandbox, kept: Kept, *, judged: bool = True) -> Json:
    world = sandbox.world
    resolver = world.resolver if judged else None
    return await describe(sandbox.settings.mailbox, kept, resolver, world.clock.real_now())


async def show_environment(sandbox: Sandbox, call: Call) -> Json:
    """Where everything is, and the variables by which an AWS client finds it."""
    settings = sandbox.settings
    return {
        "pid": os.getpid(),
        "api_url": sandbox.api_url,
        "our_dns": f"127.0.0.1:{settings.ports.our_dns}",
        "customers_dns": f"127.0.0.1:{settings.ports.customers_dns}",
        "hosted_zone": sandbox.world.hosted_zone,
        "mailbox": str(settings.mailbox),
        "data": str(settings.data),
        "environment": environment(sandbox.api_url, *settings.shown_key),
    }


async def reset(sandbox: Sandbox, call: Call) -> Json:
    """Everything gone that anybody put in: identities, records, outages, mail. The clock stays."""
    now = sandbox.clock.now()
    gone = sum([await delete_identities(sandbox.world, one, now) for one in await accounts_of(sandbox.world)])
    sandbox.customers.forget_all()
    mails = await asyncio.to_thread(_empty_mailbox, sandbox)
    return {"identities": gone, "mails": mails}


async def stop_sandbox(sandbox: Sandbox, call: Call) -> Json:
    """The sandbox ends once this is answered; its data stays."""
    sandbox.stop()
    return {"pid": os.getpid(), "data": str(sandbox.settings.data)}


def _empty_mailbox(sandbox: Sandbox) -> int:
    mails = list_mail(sandbox.settings.mailbox)
    for kept in mails:
        (sandbox.settings.mailbox / ENVELOPES / f"{kept.name}.json").unlink(missing_ok=True)
        kept.path.unlink(missing_ok=True)
    return len(mails)


async def make_account(sandbox: Sandbox, call: Call) -> Json:
    """An account of its own, with an access key; shown once."""
    key = fresh_key()
    await open_account(sandbox.world, key, sandbox.clock.now())
    return {
        "account_id": key.account_id,
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret,
        "environment": environment(sandbox.api_url, key.access_key_id, key.secret),
    }


async def end_account(sandbox: Sandbox, call: Call) -> Json:
    """Closes an account: its identities and access keys are gone."""
    if call.rest not in await accounts_of(sandbox.world):
        raise NotFound(f"There is no account {printable(call.rest)}.")
    return {"identities": await close_account(sandbox.world, call.rest, sandbox.clock.now())}


ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("GET", "dns"): show_dns,
    ("PUT", "dns"): set_dns,
    ("DELETE", "dns"): delete_dns,
    ("POST", "dns/publish"): publish_dns,
    ("POST", "dns/mistake"): make_mistake,
    ("POST", "dns/repair"): repair_dns,
    ("GET", "dns/queries"): show_queries,
    ("POST", "dns/outage"): set_outage,
    ("GET", "clock"): show_clock,
    ("POST", "clock/advance"): advance_clock,
    ("GET", "mailbox"): list_mailbox,
    ("GET", "mailbox/"): show_mail,
    ("GET", "env"): show_environment,
    ("POST", "reset"): reset,
    ("POST", "stop"): stop_sandbox,
    ("POST", "accounts"): make_account,
    ("DELETE", "accounts/"): end_account,
}
"""By method and path; a path that ends in a slash takes what follows as `Call.rest`."""


def find_answer(method: str, path: str) -> tuple[Answer, str] | None:
    """The function for a path below /mailseal/v1/sandbox/ and the rest of the path, or None."""
    exact = ANSWERS.get((method, path))
    if exact is not None:
        return exact, ""
    head, slash, rest = path.partition("/")
    found = ANSWERS.get((method, head + slash))
    return None if found is None or not rest else (found, rest)


def parse_body(content: bytes) -> Json:
    """The JSON object of a request's body, empty where there is none; raises BadRequest."""
    if not content:
        return {}
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise BadRequest("The body is not a JSON object.")
    return found


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} is missing, or not a text.")
    return value


def _duration(body: Json) -> timedelta:
    try:
        by = parse_duration(_text(body, "by"))
    except DurationError as refused:
        raise BadRequest(str(refused)) from None
    if by > LONGEST_JOURNEY:
        raise BadRequest(f"The clock goes {LONGEST_JOURNEY.days} days at a time at most.")
    return by


def _stamp(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
