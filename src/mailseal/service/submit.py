"""Use cases of mail submission: sign in, begin a message, and hand it over signed.

Rule: an SMTP password is an access key's, and its region the request's; who may send is asked of the store
for each message, in the snapshot that also gives the key. Acknowledged is what the next hop acknowledged.
References: RFC 6409 §6.1, RFC 4954 §4; AWS SESv2 SendEmail; docs/decisions/0017-smtp-passwords.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from mailseal.core.access import AccessKey, Principal
from mailseal.core.addresses import AddressRefused, Mailbox, parse_mailbox_list
from mailseal.core.errors import BadRequest, SignatureDoesNotMatch
from mailseal.core.mailfrom import envelope_sender
from mailseal.core.sending import not_verified
from mailseal.core.smtpaccess import SMTP_ACTION, region_of_password
from mailseal.service.admit import Gate, permit
from mailseal.service.composing import Stamp, prepare_submitted, stamp_of
from mailseal.service.send import judged_in, mail_from_of
from mailseal.service.signing import LARGE, load_send_as, refusals_noted, sign_message
from mailseal.service.world import HandOver, MailAnswer, Tx, World

_OPERATION = SMTP_ACTION.removeprefix("ses:")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is on a connection, and the key that proved it; None for a sandbox's guest."""

    who: Principal
    key: AccessKey | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A message that was announced and may be sent as the address in MAIL FROM."""

    message_id: str
    stamp: Stamp
    mail_from: Mailbox | None
    """None for the null reverse-path."""
    envelope_sender: str
    """What the next hop is told: the same, or an address of the identity's own MAIL FROM domain."""


async def sign_in(world: World, gate: Gate, username: str, password: str) -> SignedIn:
    """Who has this access key id and the password of one of its regions; raises SignatureDoesNotMatch."""
    key = await gate.find(world, username)
    region = ""

    def proves(secret: str) -> bool:
        nonlocal region
        region = region_of_password(secret, password, world.regions) or ""
        return bool(region)

    who = gate.admit(key, username, "", proves)
    return SignedIn(replace(who, region=region or world.regions[0]), key)


async def begin_submission(
    world: World, gate: Gate, signed_in: SignedIn, mail_from: str, now: datetime
) -> Begun:
    """The message that may be sent as this address.

    Raises SignatureDoesNotMatch where the key is gone or disabled by now, TooManyRequests, BadRequest,
    MessageRejected, AccessDenied, MailFromDomainNotVerified.
    """
    who = signed_in.who
    if signed_in.key is not None and await gate.find(world, who.access_key_id) != signed_in.key:
        raise SignatureDoesNotMatch("The access key of this connection is valid no longer.")
    gate.within_rate(signed_in.key, who.region, now)
    message_id, stamp = stamp_of(world.clock.real_now(), world.new_id(), world.hosted_zone)
    if not mail_from:
        return Begun(message_id, stamp, None, "")
    box = _mailbox(mail_from)
    own = await world.store.read(lambda tx: _own_sender(tx, who, box, message_id))
    return Begun(message_id, stamp, box, own or str(box))


async def submit(world: World, who: Principal, begun: Begun, hand_over: HandOver, raw: bytes) -> MailAnswer:
    """What the next hop said to the message, signed; raises BadRequest, MessageRejected and others like
    SendEmail, and SealBroken after an alarm. The hand-over is ended in any case."""
    try:
        real = world.clock.real_now()
        strict = world.policy.strict_ses_duplicate_signatures
        work = partial(prepare_submitted, raw, begun.mail_from, begun.stamp, one_signature=strict)
        with refusals_noted(world):
            prepared = await asyncio.to_thread(work) if len(raw) > LARGE else work()
            judged = await world.store.read(lambda tx: judged_in(tx, world, who, prepared, _OPERATION))
            signed = await sign_message(world, judged.signature, prepared.message, real)
        return await hand_over.message(signed)
    finally:
        await hand_over.abandon()


def _own_sender(tx: Tx, who: Principal, box: Mailbox, message_id: str) -> str | None:
    """The envelope sender by the MAIL FROM domain of whatever covers the address; raises MessageRejected."""
    chosen = load_send_as(tx, who.account_id, who.region, box)
    if chosen is None:
        raise not_verified([str(box)], who.region)
    permit(who, _OPERATION, chosen.name)
    return envelope_sender(mail_from_of(tx, who, chosen.name), message_id)


def _mailbox(text: str) -> Mailbox:
    try:
        boxes = parse_mailbox_list(text)
    except AddressRefused as refused:
        raise BadRequest(str(refused)) from None
    if len(boxes) != 1 or boxes[0].display:
        raise BadRequest("MAIL FROM takes one address.")
    return boxes[0]
