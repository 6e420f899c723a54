"""The native API's calls about bearer tokens: the operator's, as those about access keys.

Rule: a token is in the answer that made it and in no other.
References: docs/decisions/0010-access.md.
"""

from __future__ import annotations

import msgspec

from mailseal.core.access import parse_account_id, parse_label, parse_permissions
from mailseal.core.bearer import BearerToken, parse_lifetime
from mailseal.native import accessshapes
from mailseal.native.access import check_operator
from mailseal.native.calls import parsed
from mailseal.native.objects import Members, rfc3339
from mailseal.native.parameters import ACCOUNT
from mailseal.native.routes import Call, Route
from mailseal.service import bearer


class NewBearerToken(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes a token; without days it does not end by itself."""

    account: str = ""
    label: str = ""
    allow: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    days: int | None = None


async def create_token(call: Call) -> Members:
    """The token that was made, shown this once."""
    check_operator(call)
    new = parsed(call.body, NewBearerToken)
    lasts = parse_lifetime(new.days)
    wanted = BearerToken(
        "",
        parse_account_id(new.account) if new.account else call.who.account_id,
        parse_label(new.label),
        parse_permissions(new.allow, new.identities),
        expires_at=call.now + lasts if lasts else None,
    )
    made, token = await bearer.create_bearer_token(call.world, wanted, call.now)
    return _members(made) | {"token": token}


async def list_tokens(call: Call) -> Members:
    """The tokens of an account, by their ids."""
    check_operator(call)
    account_id = call.query.get("account") or call.who.account_id
    found = await bearer.list_bearer_tokens(call.world, account_id)
    return {"account": account_id, "items": [_members(one) for one in found], "next": None}


async def delete_token(call: Call) -> Members:
    """Nothing but the id of the token that opens nothing any more."""
    check_operator(call)
    await bearer.delete_bearer_token(call.world, call.name)
    return {"token_id": call.name, "deleted": True}


ROUTES = (
    Route(
        "GET",
        "access-tokens",
        "ListAccessTokens",
        list_tokens,
        accessshapes.BearerTokenPage,
        query=(ACCOUNT,),
    ),
    Route(
        "POST", "access-tokens", "CreateAccessToken", create_token, accessshapes.BearerToken, NewBearerToken
    ),
    Route("DELETE", "access-tokens/{token}", "DeleteAccessToken", delete_token, accessshapes.DeletedToken),
)


def _members(token: BearerToken) -> Members:
    return {
        "token_id": token.token_id,
        "account": token.account_id,
        "label": token.label,
        "allow": list(token.permissions.actions),
        "identities": list(token.permissions.identities),
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
    }
