"""Use case: sign a message and hand it to the next hop.

Rule: exactly one From address decides who signs; a message is acknowledged only after the next hop has
acknowledged it.
References: RFC 6376 §5, RFC 5322 §3.6.2, RFC 5321 §4.2.5; AWS SESv2 SendEmail.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mailseal.core.access import Principal
from mailseal.core.addresses import AddressRefused, Mailbox, from_mailbox
from mailseal.core.commands import SendEmail
from mailseal.core.errors import BadRequest, MessageRejected, Unavailable
from mailseal.core.identity import Identity
from mailseal.core.sending import covering_names, identity_to_send_as, signing_key
from mailseal.dkim.message import Message, MessageRefused, parse_message
from mailseal.dkim.sign import Signer, sign
from mailseal.service.admit import permit
from mailseal.service.composing import Stamp, envelope_recipients, message_bytes
from mailseal.service.world import Declined, Envelope, HandedOver, NoAnswer, SealedKey, Tx, World

ANSWER_WITHIN = 50.0
"""Seconds after which a silent next hop is reported as such, before the SDKs give up by themselves."""
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs a message: the identity it is sent as, and its key where there is one."""

    identity: Identity
    key: SealedKey | None
    selector: str = ""


async def send_email(world: World, who: Principal, command: SendEmail, now: datetime) -> str:
    """The id of the message that the next hop took; raises MessageRejected, BadRequest, Unavailable."""
    message_id = world.new_id()
    real = world.clock.real_now()
    stamp = Stamp(format_datetime(real), f"<{message_id}@{world.hosted_zone}>", f"=_{world.new_id()}")
    try:
        recipients = envelope_recipients(command)
        message = parse_message(message_bytes(command, stamp))
        sender = from_mailbox(message)
    except (MessageRefused, AddressRefused) as refused:
        raise BadRequest(str(refused)) from None
    if not recipients:
        raise BadRequest(
            "The message names no recipient.", hint="Name one in Destination or in To, Cc or Bcc."
        )
    signature = await find_signature(world, who, sender)
    signed = await sign_message(world, signature, message, real)
    envelope = Envelope(command.feedback_to or str(sender), recipients)
    await _hand_over(world, envelope, signed)
    return message_id


async def find_signature(world: World, who: Principal, sender: Mailbox) -> Signature:
    """Who signs for a sender, decided and read in one snapshot; raises MessageRejected."""

    def unit(tx: Tx) -> Signature:
        found = (
            tx.identities.load(who.account_id, who.region, name) for name in covering_names(sender.domain)
        )
        candidates = [identity for identity in found if identity is not None]
        identity = identity_to_send_as(candidates, str(sender), who.region)
        permit(who, "SendEmail", identity.name)
        chosen = signing_key(identity)
        if chosen is None:
            return Signature(identity, None)
        key = tx.keys.load(chosen.key_id)
        if key is None:
            raise RuntimeError(f"key {chosen.key_id} of {identity.name} is not stored")
        return Signature(identity, key, chosen.selector)

    return await world.store.read(unit)


async def sign_message(world: World, signature: Signature, message: Message, at: datetime) -> bytes:
    """The message as it goes out, its signature on top; large ones are signed off the event loop."""
    key = signature.key
    if key is None:
        return bytes(message.raw)
    signer = Signer(
        sdid=signature.identity.name,
        selector=signature.selector,
        sign_digest=lambda digest: world.keyring.sign_digest(key, digest),
        signature_bytes=key.ref.bits // 8,
    )
    stamp = int(at.timestamp())
    try:
        if len(message.raw) > _LARGE:
            fields = await asyncio.to_thread(sign, message, [signer], stamp)
        else:
            fields = sign(message, [signer], stamp)
    except MessageRefused as refused:
        raise BadRequest(str(refused)) from None
    return fields + bytes(message.raw)


async def _hand_over(world: World, envelope: Envelope, message: bytes) -> None:
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            answer = await world.next_hop.hand_over(envelope, message)
    except TimeoutError:
        answer = NoAnswer(f"no answer within {ANSWER_WITHIN:.0f} s")
    match answer:
        case HandedOver():
            return
        case Declined(permanent=True, answer=text):
            raise MessageRejected(f"The mail server behind this service refused the message: {text}")
        case Declined() | NoAnswer():
            raise Unavailable(
                "The message was not accepted: the mail server behind this service does not answer. "
                "Send it again."
            )
