"""Use cases of bearer tokens: made, listed and deleted by the operator, and found for a request.

Rule: a token is given out once, by the call that made it; a request's token is looked up each time, so that a
deleted one is refused at once.
References: docs/decisions/0010-access.md; RFC 6750 §2.1.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.bearer import PREFIX, BearerToken, no_such_token, token_hash
from mailseal.core.errors import NotFound
from mailseal.service.access import show_account
from mailseal.service.admit import Gate
from mailseal.service.world import World


async def create_bearer_token(world: World, wanted: BearerToken, now: datetime) -> tuple[BearerToken, str]:
    """The token that was made, and what its program sends; raises NotFound for its account."""
    await show_account(world, wanted.account_id)
    token = PREFIX + secrets.token_urlsafe(32)
    made = replace(wanted, token_id=f"MSTK{secrets.token_hex(8).upper()}", created_at=now)
    hashed = token_hash(token)
    await world.store.write(lambda tx: tx.bearer_tokens.add(made, hashed, now))
    return made, token


async def list_bearer_tokens(world: World, account_id: str) -> Sequence[BearerToken]:
    """The tokens of an account; raises NotFound."""
    await show_account(world, account_id)
    return await world.store.read(lambda tx: tx.bearer_tokens.list(account_id))


async def delete_bearer_token(world: World, token_id: str) -> None:
    """Takes a token back; raises NotFound."""
    if not await world.store.write(lambda tx: tx.bearer_tokens.delete(token_id)):
        raise NotFound(f"Token {token_id} does not exist.", hint="mailseal access token list")


async def admit_bearer(world: World, gate: Gate, token: str, region: str, at: datetime) -> Principal:
    """Who sends a token; raises the one refusal, and TooManyRequests."""
    hashed = token_hash(token)
    found = await world.store.read(lambda tx: tx.bearer_tokens.find(hashed))
    if found is None or not found.is_good(at):
        raise no_such_token()
    gate.pass_one(found.account_id, region, found.limits.rate, at)
    return Principal(found.account_id, region, found.token_id, found.permissions)
