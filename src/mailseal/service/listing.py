"""Use case: the list of an account's identities, page by page.

Rule: a page's token is sealed and bound to account, region and filter; it names the last row, never a number.
References: AWS SESv2 ListEmailIdentitiesRequest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.commands import ListIdentities
from mailseal.core.errors import BadRequest
from mailseal.core.lifecycle import DkimStatus
from mailseal.service.world import IdentityQuery, IdentitySummary, World

_DEFAULT_PAGE = 100
_MAC_BYTES = 16


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
    return IdentityPage(rows[:limit], _token(world, bound, rows[limit - 1].name) if more else None)


def _bound_to(who: Principal, command: ListIdentities) -> bytes:
    parts = (
        who.account_id,
        who.region,
        command.name_contains or "",
        command.status or "",
        command.kind or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _mac(world: World, bound: bytes, name: bytes) -> bytes:
    return hmac.digest(world.token_secret, b"next-token\0" + bound + name, hashlib.sha256)[:_MAC_BYTES]


def _token(world: World, bound: bytes, name: str) -> str:
    return base64.urlsafe_b64encode(_mac(world, bound, name.encode()) + name.encode()).decode()


def _opened(world: World, bound: bytes, token: str) -> str:
    refusal = BadRequest("NextToken is not valid.", hint="Send it back with the filter it was given for.")
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii"))
        name = data[_MAC_BYTES:].decode("ascii")
    except (UnicodeError, binascii.Error):
        raise refusal from None
    if not hmac.compare_digest(data[:_MAC_BYTES], _mac(world, bound, name.encode())):
        raise refusal
    return name
