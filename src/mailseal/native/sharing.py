"""The native API's calls about share links: made, listed and taken back by whoever may see the identity.

Rule: a link's URL is told to whoever makes or lists it, since it opens no more than they see themselves.
References: docs/decisions/0021-share-links.md.
"""

from __future__ import annotations

import msgspec

from mailseal.core.sharing import USUAL_DAYS
from mailseal.native import shapes
from mailseal.native.calls import parsed
from mailseal.native.objects import Members, rfc3339
from mailseal.native.routes import Call, Route
from mailseal.service import sharing
from mailseal.service.sharing import Shared


class NewShareLink(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes a link."""

    days: int = USUAL_DAYS


async def create_share_link(call: Call) -> Members:
    """A link for whoever runs the domain's DNS."""
    new = parsed(call.body, NewShareLink)
    return _members(await sharing.create_share_link(call.world, call.who, call.name, new.days, call.now))


async def list_share_links(call: Call) -> Members:
    """The links of an identity that have not ended."""
    found = await sharing.list_share_links(call.world, call.who, call.name, call.now)
    return {"identity": call.name, "items": [_members(one) for one in found], "next": None}


async def revoke_share_link(call: Call) -> Members:
    """Nothing but the id of the link that opens nothing any more."""
    await sharing.revoke_share_link(call.world, call.who, call.name, call.other, call.now)
    return {"identity": call.name, "link_id": call.other, "revoked": True}


_MAY_SEE = ("GetEmailIdentity",)
_PATH = "identities/{identity}/share-links"

ROUTES = (
    Route("GET", _PATH, "ListShareLinks", list_share_links, shapes.ShareLinkPage, actions=_MAY_SEE),
    Route(
        "POST", _PATH, "CreateShareLink", create_share_link, shapes.ShareLink, NewShareLink, actions=_MAY_SEE
    ),
    Route(
        "DELETE",
        f"{_PATH}/{{link}}",
        "RevokeShareLink",
        revoke_share_link,
        shapes.RevokedLink,
        actions=_MAY_SEE,
    ),
)


def _members(shared: Shared) -> Members:
    link = shared.link
    return {
        "identity": link.name,
        "link_id": link.link_id,
        "url": shared.url,
        "created_at": rfc3339(link.created_at),
        "expires_at": rfc3339(link.expires_at),
    }
