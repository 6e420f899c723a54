"""A new identity in two fields: its name, and who makes the keys.

Rule: what was typed is taken as it was meant where that is certain: a web address names a domain.
References: AWS SESv2 CreateEmailIdentityRequest.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from mailseal.console.actions import origin_of
from mailseal.console.visit import Visit
from mailseal.core.addressid import AddressStanding
from mailseal.core.commands import CreateIdentity
from mailseal.core.errors import AlreadyExists, Refusal
from mailseal.core.names import is_address
from mailseal.service.identities import create_identity


async def show(visit: Visit) -> Response:
    """The form."""
    return await _form(visit, visit.query.get("identity", ""))


async def create(visit: Visit) -> Response:
    """To the identity that was created; the form again where that is refused."""
    name = meant(visit.said("identity"))
    try:
        origin, wanted = origin_of(visit)
        is_replica = origin not in ("AWS_SES", "EXTERNAL")
        dkim = replace(wanted, origin=origin) if is_replica else wanted
        command = CreateIdentity(name, dkim=None if is_address(name) else dkim)
        made = await create_identity(visit.world, visit.who, command, visit.now)
    except AlreadyExists:
        return visit.go("identity", name)
    except Refusal as refused:
        return await _form(visit, visit.said("identity"), refused)
    return visit.go("identity", made.address.name if isinstance(made, AddressStanding) else made.name)


def meant(typed: str) -> str:
    """The domain or address that was meant: a web address names its domain.

    >>> meant(" https://Fernhill.example/shop?x=1 "), meant("a@example.com")
    ('fernhill.example', 'a@example.com')
    """
    text = typed.strip()
    scheme, found, rest = text.partition("://")
    if found and scheme.lower() in ("http", "https"):
        text = rest.partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0].lower()
    return text.rstrip("/").removesuffix(".")


async def _form(visit: Visit, typed: str, refused: Refusal | None = None) -> Response:
    regions = [one for one in visit.world.regions if one != visit.who.region]
    name = meant(typed)
    return await visit.page(
        "new.html",
        here="identities",
        status=200 if refused is None else 400,
        typed=typed,
        used=name if name and name != typed.strip() else "",
        method=visit.said("method") or "easy",
        selector=visit.said("selector"),
        region=visit.said("region"),
        regions=regions,
        refused=refused,
    )
