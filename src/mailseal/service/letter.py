"""Use case: sign a letter that its sender keeps; it is neither stored nor sent.

Rule: whoever may send as the author may have it signed, and nobody else; decided and read in one snapshot.
References: RFC 6376 §5; AWS SESv2 SendEmail.
"""

from __future__ import annotations

import asyncio

from mailseal.core.access import Principal
from mailseal.core.addresses import AddressRefused, from_mailbox
from mailseal.core.errors import BadRequest
from mailseal.core.sending import not_verified
from mailseal.dkim.message import MessageRefused, parse_message
from mailseal.service.admit import permit
from mailseal.service.signing import LARGE, Signature, load_send_as, load_signature, sign_fields
from mailseal.service.world import Tx, World


async def sign_letter(world: World, who: Principal, raw: bytes) -> bytes:
    """The DKIM-Signature fields for its top; raises BadRequest, MessageRejected, AccessDenied."""
    try:
        message = await asyncio.to_thread(parse_message, raw) if len(raw) > LARGE else parse_message(raw)
        box = from_mailbox(message)

        def unit(tx: Tx) -> Signature:
            chosen = load_send_as(tx, who.account_id, who.region, box)
            if chosen is None:
                raise not_verified([str(box)], who.region)
            permit(who, "SendEmail", chosen.name)
            return load_signature(tx, world, who.account_id, who.region, chosen)

        signature = await world.store.read(unit)
        if signature.key is None:
            raise BadRequest(f"Nothing is signed for {box}: DKIM is off, or the address alone is proven.")
        return await sign_fields(world, signature, message, world.clock.real_now())
    except (AddressRefused, MessageRefused) as refused:
        raise BadRequest(str(refused)) from None
