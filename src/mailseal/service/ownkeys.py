"""A customer's own key: read off the event loop, judged, and sealed in its place.

Rule: what is refused is refused at the call, with a sentence; no octet of the key is in it.
References: AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey; docs/divergences.md.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial

from mailseal.core.errors import BadRequest
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.dkim.keys import KeyRefused, PrivateKey, decode_ses_private_key, load_private_key
from mailseal.dkim.keys import refused as refused_key
from mailseal.service.world import SealedKey, Tx, World


async def sealed_own_key(world: World, place: KeyPlace, text: str, now: datetime) -> SealedKey:
    """The customer's key, validated and sealed; raises BadRequest for one that cannot sign.

    Where the operator asked for SES's leniency, a text that is no usable key is taken all the same: it is
    forgotten at once, and the identity stays PENDING because no record can belong to it.
    """
    try:
        private = await asyncio.to_thread(_parse, text)
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


def _parse(text: str) -> PrivateKey:
    return load_private_key(decode_ses_private_key(text))
