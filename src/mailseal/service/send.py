"""Use case: sign a message and hand it to the next hop.

Rule: exactly one From address decides who signs; every address that the message is sent as or wants bounces
at is covered by a proven identity of the account; a message is acknowledged only after the next hop has
acknowledged it.
References: RFC 6376 §5, RFC 5322 §3.6.2, RFC 5321 §4.2.5; AWS SESv2 SendEmail.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mailseal.core.access import Principal
from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import covering_addresses
from mailseal.core.commands import SendEmail
from mailseal.core.errors import BadRequest, MessageRejected, Unavailable
from mailseal.core.sending import (
    Covering,
    SendAs,
    check_identity_arn,
    covering_names,
    not_verified,
    send_as,
)
from mailseal.dkim.message import Message, MessageRefused
from mailseal.dkim.sign import Signer, sign
from mailseal.service.admit import permit
from mailseal.service.composing import Claimed, Prepared, prepare, stamp_of
from mailseal.service.configsets import check_sending_with
from mailseal.service.world import Declined, Envelope, HandedOver, NoAnswer, SealedKey, Tx, World

ANSWER_WITHIN = 50.0
"""Seconds after which a silent next hop is reported as such, before the SDKs give up by themselves."""
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs a message: the identity it is sent as, and its key where there is one."""

    identity: str
    key: SealedKey | None = None
    sdid: str = ""
    selector: str = ""


async def send_email(world: World, who: Principal, command: SendEmail, now: datetime) -> str:
    """The id of the message that the next hop took; raises MessageRejected, BadRequest, Unavailable."""
    real = world.clock.real_now()
    message_id, stamp = stamp_of(real, world.new_id(), world.hosted_zone)
    work = partial(prepare, command, stamp, one_signature=world.policy.strict_ses_duplicate_signatures)
    prepared = await asyncio.to_thread(work) if _is_large(command) else work()
    signature = await world.store.read(lambda tx: _judged(tx, who, prepared))
    signed = await sign_message(world, signature, prepared.message, real)
    await _hand_over(world, Envelope(str(prepared.mail_from), prepared.recipients), signed)
    return message_id


def _is_large(command: SendEmail) -> bool:
    if command.simple is None:
        return len(command.raw or b"") > _LARGE
    return sum(len(one.content) for one in command.simple.attachments) > _LARGE


def _judged(tx: Tx, who: Principal, prepared: Prepared) -> Signature:
    """Who signs, after every address was found covered; raises MessageRejected, AccessDenied, NotFound."""
    check_sending_with(tx, who, prepared.configuration_set)
    found = {one: _send_as(tx, who, one) for one in prepared.sources}
    lacking = [str(one.box) for one, chosen in found.items() if chosen is None]
    if lacking:
        raise not_verified(list(dict.fromkeys(lacking)), who.region)
    for chosen in found.values():
        if chosen is not None:
            permit(who, "SendEmail", chosen.name)
    author = found[prepared.author]
    if author is None:
        raise not_verified([str(prepared.author.box)], who.region)
    return _signature(tx, author)


def _send_as(tx: Tx, who: Principal, claimed: Claimed) -> SendAs | None:
    """As whom an address is used, decided by what is stored at this moment; None where nothing covers it."""
    box = claimed.box
    named = check_identity_arn(claimed.arn, box, who) if claimed.arn else None
    place = (who.account_id, who.region)
    domains = (tx.identities.load(*place, name) for name in covering_names(box.domain))
    names = covering_addresses(box.local, box.domain)
    addresses = (tx.addresses.load(*place, name) for name in names)
    said = (tx.addresses.overridden(*place, name) for name in names)
    covering = Covering(
        [one for one in domains if one is not None],
        [one for one in addresses if one is not None],
        next((one for one in said if one is not None), None),
    )
    return send_as(covering, named)


def _signature(tx: Tx, chosen: SendAs) -> Signature:
    if chosen.key is None:
        return Signature(chosen.name)
    key = tx.keys.load(chosen.key.key_id)
    if key is None:
        raise RuntimeError(f"key {chosen.key.key_id} of {chosen.key.sdid} is not stored")
    return Signature(chosen.name, key, chosen.key.sdid, chosen.key.selector)


async def find_signature(world: World, who: Principal, sender: Mailbox) -> Signature | None:
    """Who signs for a sender, decided and read in one snapshot; None where nobody may send as it."""

    def unit(tx: Tx) -> Signature | None:
        chosen = _send_as(tx, who, Claimed(sender))
        return None if chosen is None else _signature(tx, chosen)

    return await world.store.read(unit)


async def sign_message(world: World, signature: Signature, message: Message, at: datetime) -> bytes:
    """The message as it goes out, its signature on top; large ones are signed off the event loop."""
    key = signature.key
    if key is None:
        return bytes(message.raw)
    signer = Signer(
        sdid=signature.sdid,
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
