"""The mail with the link that proves an address: written, signed, handed over, and offered again if need be.

Rule: each mail has a link of its own, 256 bits of chance of which only the hash is kept; all links of an
address are worth the same until one is used or the address's time is over.
References: RFC 5322 §3.6, RFC 3834 §5; AWS SESv2 CreateEmailIdentity.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from mailseal.core import addressid
from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import AddressChange, AddressIdentity
from mailseal.core.compose import complete_raw
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.stored import SealBroken
from mailseal.dkim.message import parse_message
from mailseal.service.composing import stamp_of
from mailseal.service.signing import find_signature, sign_message
from mailseal.service.world import Busy, Declined, Envelope, HandedOver, MailAnswer, NoAnswer, Tx, World

LEASE = timedelta(seconds=90)
"""Longer than handing over may take."""
PATIENCE_S = 10.0
"""For the next hop's answer: a caller waits for it, and the worker tries again."""

LINK_PATH = "/mailseal/verify/"
_SAME = timedelta(milliseconds=1)
"""What a time may lose by being stored."""

# Kept in one line and as it is, the link can be read also where nobody decodes the mail.
_MAIL = """\
From: {sender}
To: {address}
Subject: Confirm {address} for sending mail
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

Somebody asked to send mail from this address:

    {address}

through the mail service {service}. If that was you,
open this page and confirm it:

{link}

The link works once, until {until} UTC. If it was not you,
do nothing: without the confirmation no mail is sent from your address.
"""


async def claim(world: World, at_most: int) -> tuple[AddressIdentity, ...]:
    """Addresses for which a mail is due, or whose time is over, claimed under a lease."""
    now = world.clock.now()
    due_at = await world.store.read(lambda tx: tx.addresses.next_due_at())
    if due_at is None or due_at > now:
        return ()
    return await world.store.write(lambda tx: tuple(tx.addresses.claim_due(now, now + LEASE, at_most)))


async def attend(world: World, address: AddressIdentity) -> None:
    """Does what is due about one claimed address: ends its time, or offers its mail again."""
    now = world.clock.now()
    if now < address.link_ends_at and address.mail_due_at is not None and address.mail_due_at <= now:
        await send_link(world, address)
        return
    await _note(world, address, lambda current: addressid.after_time(current, now), now)


async def send_link(world: World, address: AddressIdentity) -> None:
    """Offers a mail with a new link to the next hop, and notes what came of it."""
    token = world.new_id() + world.new_id()
    hashed = link_hash(token)

    def unit(tx: Tx) -> bool:
        if _waiting(tx, address) is None:
            return False
        tx.addresses.add_link(hashed, address)
        return True

    if not await world.store.write(unit):
        return
    answer = await _handed_over(world, address, await _signed(world, address, token))
    now = world.clock.now()
    await _note(world, address, lambda current: _after_mail(current, answer, now), now)


def _after_mail(address: AddressIdentity, answer: MailAnswer, now: datetime) -> AddressChange:
    match answer:
        case HandedOver(answer=text):
            return addressid.after_mail_taken(address, text)
        case Declined(permanent=permanent, answer=text):
            return addressid.after_mail_failed(address, text, now, for_good=permanent)
        case NoAnswer(detail=text):
            return addressid.after_mail_failed(address, text, now, for_good=False)
        case Busy():
            text = "the mail server behind this service has too much to do"
            return addressid.after_mail_failed(address, text, now, for_good=False)


def link_hash(token: str) -> bytes:
    """What is stored of a link's secret."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def _handed_over(world: World, address: AddressIdentity, message: bytes) -> MailAnswer:
    envelope = Envelope(world.links.mail_from, (address.name,))
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await world.next_hop.hand_over(envelope, message)
    except TimeoutError:
        return NoAnswer(f"no answer within {PATIENCE_S:.0f} s")


async def _signed(world: World, address: AddressIdentity, token: str) -> bytes:
    """The mail, signed where the operator's own domain is an identity of the operator's account."""
    at = world.clock.real_now()
    links = world.links
    text = _MAIL.format(
        sender=links.mail_from,
        address=address.name,
        service=world.hosted_zone,
        link=f"{links.public_url}{LINK_PATH}{token}",
        until=f"{at + (address.link_ends_at - world.clock.now()):%Y-%m-%d %H:%M}",
    )
    _, stamp = stamp_of(at, world.new_id(), world.hosted_zone)
    raw = complete_raw(text.encode("ascii"), date=stamp.date, message_id=stamp.message_id)
    local, _, domain = links.mail_from.rpartition("@")
    for region in world.regions:
        signature = await find_signature(world, links.operator_account, region, Mailbox(local, domain))
        if signature is None:
            continue
        try:
            return await sign_message(world, signature, parse_message(raw), at)
        except SealBroken:
            # The alarm is raised; the address's owner, maybe another tenant, is not to wait for its end.
            return raw
    return raw


def _waiting(tx: Tx, address: AddressIdentity) -> AddressIdentity | None:
    """The address as it stands, if it still waits for what was asked for it then; else None."""
    current = tx.addresses.load(address.account_id, address.region, address.name)
    if current is None or current.status is not DkimStatus.PENDING:
        return None
    return current if abs(current.link_at - address.link_at) < _SAME else None


async def _note(
    world: World,
    address: AddressIdentity,
    decide: Callable[[AddressIdentity], AddressChange],
    now: datetime,
) -> None:
    """Saves what a decision makes of an address, and ends the lease; nothing where it was asked for anew."""

    def unit(tx: Tx) -> None:
        current = _waiting(tx, address)
        if current is None:
            return
        change = decide(current)
        tx.addresses.save(change.address)
        tx.events.append(address.account_id, address.region, address.name, now, change.events)

    await world.store.write(unit)
