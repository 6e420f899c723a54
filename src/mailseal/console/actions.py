"""What an operator can do to an identity: pages that say what it costs, and the forms that do it.

Rule: each form does what one use case does; what destroys asks for the name first.
References: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from mailseal.console import times
from mailseal.console.keyfile import base64_of
from mailseal.console.listpage import method_of
from mailseal.console.visit import Visit
from mailseal.core.addressid import AddressStanding
from mailseal.core.commands import DkimAttributesInput, PutDkimAttributes, PutDkimSigning
from mailseal.core.errors import BadRequest, NotFound, Refusal
from mailseal.core.identity import EasyDkim, Identity
from mailseal.core.names import is_address, stored_name
from mailseal.core.regions import replica_origin
from mailseal.core.rotation import active
from mailseal.service import configure, identities, mailfrom, rotate, verify

WHATS = ("rotate", "method", "length", "signing", "delete")


async def check(visit: Visit) -> Response:
    """Back to the identity, looked at anew."""
    await verify.check_now(visit.world, visit.who, visit.name, visit.now)
    await mailfrom.check_now(visit.world, visit.who, visit.name)
    return visit.go("identity", visit.name)


async def retry(visit: Visit) -> Response:
    """Back to the identity, its search begun again or another mail sent."""
    await identities.restart_search(visit.world, visit.who, visit.name, visit.now)
    return visit.go("identity", visit.name)


async def ask(visit: Visit) -> Response:
    """The page about one change: what it does, and its form."""
    return await _asked(visit)


async def change(visit: Visit) -> Response:
    """Back to the identity, changed; the page again where that is refused."""
    try:
        match _what(visit):
            case "rotate":
                revoke = visit.said("revoke") == "yes"
                await rotate.rotate_identity(visit.world, visit.who, visit.name, visit.now, revoke=revoke)
            case "signing":
                await _switch(visit)
            case "delete":
                return await _deleted(visit)
            case _:
                await configure.put_dkim_signing(visit.world, visit.who, _wanted(visit), visit.now)
    except Refusal as refused:
        if isinstance(refused, NotFound):
            raise
        return await _asked(visit, refused)
    return visit.go("identity", visit.name)


def _what(visit: Visit) -> str:
    what = str(visit.request.path_params["what"])
    if what not in WHATS:
        raise NotFound("There is no such change.")
    return what


async def _asked(visit: Visit, refused: Refusal | None = None) -> Response:
    what = _what(visit)
    found = await identities.get_identity(visit.world, visit.who, visit.name, visit.now)
    if isinstance(found, AddressStanding):
        if what != "delete":
            raise NotFound("An address has no keys of its own.")
        facts: Mapping[str, Any] = {"name": found.address.name, "is_domain": False}
    else:
        facts = _facts(visit, found)
    status = 200 if refused is None else 400
    return await visit.page(
        "change.html", here="identities", status=status, what=what, refused=refused, **facts
    )


def _facts(visit: Visit, identity: Identity) -> dict[str, Any]:
    """What the pages say of a domain."""
    policy, now = visit.world.policy, visit.now
    kept = policy.retain + timedelta(seconds=policy.key_ttl)
    bits = identity.newest.method.bits if isinstance(identity.newest.method, EasyDkim) else None
    current = active(identity.slots)
    return {
        "name": identity.name,
        "is_domain": True,
        "method": method_of(identity),
        "bits": bits,
        "current_slot": None if current is None else current.number,
        "signs": identity.signing is not None,
        "enabled": identity.signing_enabled,
        "kept_until": times.moment(now + kept, now),
        "kept_for": times.span(kept),
        "regions": [one for one in visit.world.regions if one != visit.who.region],
        "replicas": identity.replica_regions,
    }


async def _switch(visit: Visit) -> None:
    command = PutDkimAttributes(visit.name, visit.said("enabled") == "yes")
    await identities.put_dkim_attributes(visit.world, visit.who, command, visit.now)


async def _deleted(visit: Visit) -> Response:
    typed = visit.said("confirm")
    if (typed if is_address(visit.name) else stored_name(typed)) != stored_name(visit.name):
        raise BadRequest(f"The name does not match. Nothing was deleted: type {visit.name} to delete it.")
    await identities.delete_identity(visit.world, visit.who, visit.name, visit.now)
    return visit.go("identities")


def _wanted(visit: Visit) -> PutDkimSigning:
    """The setting that the form asks for; raises BadRequest."""
    return PutDkimSigning(visit.name, *origin_of(visit))


def origin_of(visit: Visit) -> tuple[str, DkimAttributesInput]:
    """Who makes the keys, as the form says it; raises BadRequest."""
    match visit.said("method"):
        case "byo":
            key = base64_of(visit.form.get("key", ""))
            return "EXTERNAL", DkimAttributesInput(visit.said("selector"), key)
        case "replica":
            region = visit.said("region")
            if region not in visit.world.regions:
                raise BadRequest("Say which region the keys are to come from.")
            return replica_origin(region), DkimAttributesInput()
    bits = visit.said("bits") or "2048"
    if bits not in ("1024", "2048"):
        raise BadRequest("A key has 1024 or 2048 bits.")
    return "AWS_SES", DkimAttributesInput(next_key_bits=int(bits))
