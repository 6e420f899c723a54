"""A customer's own key: read off the event loop, judged, and sealed in its place.

Rule: what is refused is refused at the call, with a sentence; no octet of the key is in it.
References: AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey; docs/divergences.md.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial

from mailseal.core.errors import BadRequest, TooManyRequests
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.dkim.keys import (
    KeyRefused,
    PrivateKey,
    decode_ses_private_key,
    load_private_key,
    parse_private_key_der,
)
from mailseal.dkim.keys import refused as refused_key
from mailseal.service.world import SealedKey, Tx, World


async def sealed_own_key(world: World, place: KeyPlace, text: str, now: datetime) -> SealedKey:
    """The customer's key, validated and sealed; raises BadRequest for one that cannot sign, TooManyRequests.

    Where the operator asked for SES's leniency, a text that is no usable key is taken all the same: it is
    forgotten at once, and the identity stays PENDING because no record can belong to it.
    """
    try:
        der = await asyncio.to_thread(_judged, text)
        _within_rate(world, place.account_id)
        private = await asyncio.to_thread(load_private_key, der)
        await world.store.read(partial(_check_free, private, place.account_id))
    except KeyRefused as refused:
        if not world.lenient_private_key:
            raise BadRequest(str(refused)) from None
        return SealedKey(KeyRef(world.new_id(), 0, b""), b"", "", now, place)
    return world.keyring.seal(private, world.new_id(), now, place)


def _check_free(private: PrivateKey, account_id: str, tx: Tx) -> None:
    """Raises KeyRefused for a key that was ours or revoked, or that another account signs with now.

    Which of them it is stays unsaid: it would tell one tenant of another.
    """
    holders = set(tx.keys.holders(private.spki)) - {account_id}
    if holders or tx.keys.is_blocked(private.spki_sha256):
        raise refused_key("blocked")


def _judged(text: str) -> bytes:
    """The key's DER, judged by all that costs little; raises KeyRefused."""
    return parse_private_key_der(decode_ses_private_key(text))


def _within_rate(world: World, account_id: str) -> None:
    """Raises TooManyRequests where an account has brought too many good keys of late, 40 ms of CPU each."""
    try:
        world.own_keys.pass_one(account_id, "", world.own_key_rate, world.clock.real_now())
    except TooManyRequests as refusal:
        hint = "Each key of your own is checked in full; repeat the request in a second."
        raise TooManyRequests(refusal.message, hint=hint) from None
