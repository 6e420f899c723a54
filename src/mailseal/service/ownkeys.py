"""A customer's own key: read off the event loop, judged, and sealed in its place.

Rule: what is refused is refused at the call, with a sentence; no octet of the key is in it.
References: AWS SESv2 DkimSigningAttributes.DomainSigningPrivateKey; docs/divergences.md.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from mailseal.core.errors import BadRequest
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.dkim.keys import KeyRefused, PrivateKey, decode_ses_private_key, load_private_key
from mailseal.service.world import SealedKey, World


async def sealed_own_key(world: World, place: KeyPlace, text: str, now: datetime) -> SealedKey:
    """The customer's key, validated and sealed; raises BadRequest for one that cannot sign.

    Where the operator asked for SES's leniency, a text that is no usable key is taken all the same: it is
    forgotten at once, and the identity stays PENDING because no record can belong to it.
    """
    try:
        private = await asyncio.to_thread(_parse, text)
    except KeyRefused as refused:
        if not world.lenient_private_key:
            raise BadRequest(str(refused)) from None
        return SealedKey(KeyRef(world.new_id(), 0, b""), b"", "", now, place)
    return world.keyring.seal(private, world.new_id(), now, place)


def _parse(text: str) -> PrivateKey:
    return load_private_key(decode_ses_private_key(text))
