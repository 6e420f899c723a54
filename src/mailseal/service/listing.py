"""Use case: the list of an account's identities, page by page.

Rule: a page's token is sealed and bound to account, region and filter; it names the last row, never a number.
References: AWS SESv2 ListEmailIdentitiesRequest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.commands import ListIdentities
from mailseal.core.errors import BadRequest
from mailseal.core.lifecycle import DkimStatus
from mailseal.service import paging
from mailseal.service.world import IdentityQuery, IdentitySummary, World

_DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class IdentityPage:
    """One page of identities and the token of the next, None on the last."""

    items: tuple[IdentitySummary, ...]
    next_token: str | None


async def list_identities(
    world: World, who: Principal, command: ListIdentities, now: datetime
) -> IdentityPage:
    """One page of the account's identities in the order of their names; raises BadRequest for a bad token."""
    if command.kind not in (None, "DOMAIN"):
        return IdentityPage((), None)
    limit = command.page_size or _DEFAULT_PAGE
    bound = _bound_to(who, command)
    query = IdentityQuery(
        who.account_id,
        who.region,
        after=_opened(world, bound, command.next_token) if command.next_token else "",
        limit=limit + 1,
        name_contains=command.name_contains,
        status=DkimStatus(command.status) if command.status else None,
    )
    rows = await world.store.read(lambda tx: tuple(tx.identities.list(query)))
    more = len(rows) > limit
    return IdentityPage(rows[:limit], paging.sealed(world, bound, rows[limit - 1].name) if more else None)


def _bound_to(who: Principal, command: ListIdentities) -> bytes:
    parts = (
        who.account_id,
        who.region,
        command.name_contains or "",
        command.status or "",
        command.kind or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _opened(world: World, bound: bytes, token: str) -> str:
    name = paging.opened(world, bound, token)
    if name is None:
        raise BadRequest("NextToken is not valid.", hint="Send it back with the filter it was given for.")
    return name
