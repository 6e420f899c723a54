"""Use case: sign a message and hand it to the next hop.

Rule: exactly one From address decides who signs; every address that the message is sent as or wants bounces
at is covered by a proven identity of the account; a message is acknowledged only after the next hop has
acknowledged it.
References: RFC 6376 §5, RFC 5322 §3.6.2, RFC 5321 §4.2.5; AWS SESv2 SendEmail.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from mailseal.core.access import Principal
from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import covering_addresses
from mailseal.core.commands import SendEmail
from mailseal.core.errors import BadRequest, MessageRejected, Unavailable
from mailseal.core.mailfrom import MailFrom, envelope_sender
from mailseal.core.names import is_address
from mailseal.core.sending import (
    Covering,
    SendAs,
    check_identity_arn,
    covering_names,
    not_verified,
    send_as,
)
from mailseal.core.stored import SealBroken
from mailseal.dkim.message import Message, MessageRefused
from mailseal.dkim.sign import Signer, sign
from mailseal.service.admit import permit
from mailseal.service.alarms import raise_alarm
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
    account_id: str = ""
    region: str = ""
    mail_from: MailFrom | None = None
    """The MAIL FROM domain that is set for the identity, or for the domain of an address."""


async def send_email(world: World, who: Principal, command: SendEmail, now: datetime) -> str:
    """The id of the message that the next hop took; raises MessageRejected, BadRequest, Unavailable."""
    real = world.clock.real_now()
    message_id, stamp = stamp_of(real, world.new_id(), world.hosted_zone)
    work = partial(prepare, command, stamp, one_signature=world.policy.strict_ses_duplicate_signatures)
    prepared = await asyncio.to_thread(work) if _is_large(command) else work()
    signature = await world.store.read(lambda tx: _judged(tx, who, prepared))
    sender = _envelope_sender(prepared, signature, message_id)
    signed = await sign_message(world, signature, prepared.message, real)
    await _hand_over(world, Envelope(sender, prepared.recipients), signed)
    return message_id


def _envelope_sender(prepared: Prepared, signature: Signature, message_id: str) -> str:
    """The envelope's sender: where bounces were asked to go, else by the identity's MAIL FROM domain.

    Raises MailFromDomainNotVerified.
    """
    own = envelope_sender(signature.mail_from, message_id)
    is_default = str(prepared.mail_from) == str(prepared.author.box)
    return own if own is not None and is_default else str(prepared.mail_from)


def _is_large(command: SendEmail) -> bool:
    if command.simple is None:
        return len(command.raw or b"") > _LARGE
    return sum(len(one.content) for one in command.simple.attachments) > _LARGE


def _judged(tx: Tx, who: Principal, prepared: Prepared) -> Signature:
    """Who signs, after every address was found covered; raises MessageRejected, AccessDenied, NotFound."""
    if prepared.configuration_set:
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
    if not prepared.configuration_set:
        default = tx.attributes.load(who.account_id, who.region, author.name).configuration_set
        check_sending_with(tx, who, default)
    return replace(_signature(tx, who, author), mail_from=_mail_from(tx, who, author.name))


def _mail_from(tx: Tx, who: Principal, name: str) -> MailFrom | None:
    """The identity's own MAIL FROM domain; for an address without one that of its domain."""
    own = tx.mail_from.load(who.account_id, who.region, name)
    if own is not None or not is_address(name):
        return own
    return tx.mail_from.load(who.account_id, who.region, name.rpartition("@")[2])


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


def _signature(tx: Tx, who: Principal, chosen: SendAs) -> Signature:
    if chosen.key is None:
        return Signature(chosen.name)
    key = tx.keys.load(chosen.key.key_id)
    if key is None:
        raise RuntimeError(f"key {chosen.key.key_id} of {chosen.key.sdid} is not stored")
    return Signature(
        chosen.name, key, chosen.key.sdid, chosen.key.selector, account_id=who.account_id, region=who.region
    )


async def find_signature(world: World, who: Principal, sender: Mailbox) -> Signature | None:
    """Who signs for a sender, decided and read in one snapshot; None where nobody may send as it."""

    def unit(tx: Tx) -> Signature | None:
        chosen = _send_as(tx, who, Claimed(sender))
        return None if chosen is None else _signature(tx, who, chosen)

    return await world.store.read(unit)


async def sign_message(world: World, signature: Signature, message: Message, at: datetime) -> bytes:
    """The message as it goes out, its signature on top; large ones are signed off the event loop.

    Raises SealBroken, after an alarm, where the key does not open for this signature.
    """
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
        _check_place(signature, key)
        if len(message.raw) > _LARGE:
            fields = await asyncio.to_thread(sign, message, [signer], stamp)
        else:
            fields = sign(message, [signer], stamp)
    except MessageRefused as refused:
        raise BadRequest(str(refused)) from None
    except SealBroken as broken:
        place = (signature.account_id, signature.region, signature.sdid)
        await raise_alarm(world, *place, broken, world.clock.now())
        raise
    return fields + bytes(message.raw)


def _check_place(signature: Signature, key: SealedKey) -> None:
    """Raises SealBroken where a row leads to another owner's key, which would open in its own place."""
    own = (signature.account_id, signature.sdid, signature.selector)
    place = key.place
    if place is None or (place.account_id, place.domain, place.selector) != own:
        raise SealBroken(f"key {key.ref.key_id} does not belong to {signature.selector} of {signature.sdid}")


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
