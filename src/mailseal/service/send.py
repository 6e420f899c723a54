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
from mailseal.core.commands import SendEmail
from mailseal.core.errors import MessageRejected, TooManyRequests, Unavailable
from mailseal.core.mailfrom import MailFrom, envelope_sender
from mailseal.core.names import is_address
from mailseal.core.sending import SendAs, check_identity_arn, not_verified
from mailseal.service.admit import permit
from mailseal.service.composing import Claimed, Prepared, prepare, stamp_of
from mailseal.service.configsets import check_sending_with
from mailseal.service.signing import (
    LARGE,
    Signature,
    load_send_as,
    load_signature,
    refusals_noted,
    sign_message,
)
from mailseal.service.world import Busy, Declined, Envelope, HandedOver, NoAnswer, Tx, World

ANSWER_WITHIN = 50.0
"""Seconds after which a silent next hop is reported as such, before the SDKs give up by themselves."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Who signs, and the MAIL FROM domain that is set for that identity, or for the domain of an address."""

    signature: Signature
    mail_from: MailFrom | None


async def send_email(world: World, who: Principal, command: SendEmail, now: datetime) -> str:
    """The id of the message that the next hop took; raises MessageRejected, BadRequest, Unavailable."""
    real = world.clock.real_now()
    message_id, stamp = stamp_of(real, world.new_id(), world.hosted_zone)
    work = partial(prepare, command, stamp, one_signature=world.policy.strict_ses_duplicate_signatures)
    with refusals_noted(world):
        prepared = await asyncio.to_thread(work) if _is_large(command) else work()
        judged = await world.store.read(lambda tx: judged_in(tx, world, who, prepared))
        sender = _envelope_sender(prepared, judged, message_id)
        signed = await sign_message(world, judged.signature, prepared.message, real)
    await _hand_over(world, Envelope(sender, prepared.recipients), signed)
    return message_id


def _envelope_sender(prepared: Prepared, judged: Judged, message_id: str) -> str:
    """The envelope's sender: where bounces were asked to go, else by the identity's MAIL FROM domain.

    Raises MailFromDomainNotVerified.
    """
    own = envelope_sender(judged.mail_from, message_id)
    is_default = str(prepared.mail_from) == str(prepared.author.box)
    return own if own is not None and is_default else str(prepared.mail_from)


def _is_large(command: SendEmail) -> bool:
    if command.simple is None:
        return len(command.raw or b"") > LARGE
    return sum(len(one.content) for one in command.simple.attachments) > LARGE


def judged_in(
    tx: Tx, world: World, who: Principal, prepared: Prepared, operation: str = "SendEmail"
) -> Judged:
    """Who signs, after every address was found covered; raises MessageRejected, AccessDenied, NotFound."""
    if prepared.configuration_set:
        check_sending_with(tx, who, prepared.configuration_set)
    found = {one: _sent_as(tx, who, one) for one in prepared.sources}
    lacking = [str(one.box) for one, chosen in found.items() if chosen is None]
    if lacking:
        raise not_verified(list(dict.fromkeys(lacking)), who.region)
    for chosen in found.values():
        if chosen is not None:
            permit(who, operation, chosen.name)
    author = found[prepared.author]
    if author is None:
        raise not_verified([str(prepared.author.box)], who.region)
    if not prepared.configuration_set:
        default = tx.attributes.load(who.account_id, who.region, author.name).configuration_set
        check_sending_with(tx, who, default)
    signature = load_signature(tx, world, who.account_id, who.region, author)
    return Judged(signature, mail_from_of(tx, who, author.name))


def mail_from_of(tx: Tx, who: Principal, name: str) -> MailFrom | None:
    """The identity's own MAIL FROM domain; for an address without one that of its domain."""
    own = tx.mail_from.load(who.account_id, who.region, name)
    if own is not None or not is_address(name):
        return own
    return tx.mail_from.load(who.account_id, who.region, name.rpartition("@")[2])


def _sent_as(tx: Tx, who: Principal, claimed: Claimed) -> SendAs | None:
    """As whom an address is used, by the identity named for it if any; None where nothing covers it."""
    named = check_identity_arn(claimed.arn, claimed.box, who) if claimed.arn else None
    return load_send_as(tx, who.account_id, who.region, claimed.box, named)


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
        case Busy():
            raise TooManyRequests("Too much mail waits for the mail server behind this service already.")
        case Declined() | NoAnswer():
            raise Unavailable(
                "The message was not accepted: the mail server behind this service does not answer. "
                "Send it again."
            )
