"""Use case: decide which key signs for a From address of an account, and sign the message with it.

Rule: every door comes here; who signs and with what is decided and read in one snapshot, and a key signs only
in the place it belongs to.
References: RFC 6376 §5, RFC 8463 §3, RFC 5322 §3.6.2; AWS SESv2 SendEmail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import covering_addresses
from mailseal.core.errors import BadRequest, Refusal
from mailseal.core.sending import Covering, SendAs, covering_names, send_as, signing_key
from mailseal.core.stored import SealBroken
from mailseal.dkim.keys import ED25519_BITS
from mailseal.dkim.message import Message, MessageRefused
from mailseal.dkim.sign import Signer, prepare
from mailseal.service.alarms import raise_alarm
from mailseal.service.world import SealedKey, Tx, World

_ED25519_OCTETS = 64
LARGE = 1 << 20
"""Bytes from which on a message is worked on off the event loop."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs a message: the identity it is sent as, and its key where there is one."""

    identity: str
    key: SealedKey | None = None
    sdid: str = ""
    selector: str = ""
    account_id: str = ""
    region: str = ""
    second: SealedKey | None = None
    """The Ed25519 key that signs beside the RSA key, under a selector of its own."""
    second_selector: str = ""
    operator: Signature | None = None
    """The installation's own signature, which stands below."""


def load_send_as(
    tx: Tx, account_id: str, region: str, box: Mailbox, named: str | None = None
) -> SendAs | None:
    """As whom an address is used, by what is stored at this moment; None where nothing proven covers it."""
    domains = (tx.identities.load(account_id, region, name) for name in covering_names(box.domain))
    names = covering_addresses(box.local, box.domain)
    addresses = (tx.addresses.load(account_id, region, name) for name in names)
    said = (tx.addresses.overridden(account_id, region, name) for name in names)
    covering = Covering(
        [one for one in domains if one is not None],
        [one for one in addresses if one is not None],
        next((one for one in said if one is not None), None),
    )
    return send_as(covering, named)


def load_signature(tx: Tx, world: World, account_id: str, region: str, chosen: SendAs) -> Signature:
    """What signs for an identity that was chosen in this same transaction, the operator's own included."""
    own = _held(tx, account_id, region, chosen)
    return replace(own, operator=_operator(tx, world)) if world.operator_domain else own


def _held(tx: Tx, account_id: str, region: str, chosen: SendAs) -> Signature:
    if chosen.key is None:
        return Signature(chosen.name, account_id=account_id, region=region)
    key = tx.keys.load(chosen.key.key_id)
    if key is None:
        raise RuntimeError(f"key {chosen.key.key_id} of {chosen.key.sdid} is not stored")
    found = Signature(chosen.name, key, chosen.key.sdid, chosen.key.selector, account_id, region)
    second = chosen.second
    if second is None:
        return found
    return replace(found, second=tx.keys.load(second.key_id), second_selector=second.selector)


def _operator(tx: Tx, world: World) -> Signature | None:
    """The signature of the operator's own domain, from the first region where it is proven and signs."""
    account_id, name = world.links.operator_account, world.operator_domain
    for region in world.regions:
        identity = tx.identities.load(account_id, region, name)
        signing = None if identity is None else signing_key(identity)
        if signing is not None:
            return _held(tx, account_id, region, SendAs(name, signing))
    return None


async def find_signature(world: World, account_id: str, region: str, sender: Mailbox) -> Signature | None:
    """Who signs for a sender, decided and read in one snapshot; None where nobody may send as it."""

    def unit(tx: Tx) -> Signature | None:
        chosen = load_send_as(tx, account_id, region, sender)
        return None if chosen is None else load_signature(tx, world, account_id, region, chosen)

    return await world.store.read(unit)


@contextmanager
def refusals_noted(world: World) -> Iterator[None]:
    """Where the way to a signature may end early: why is counted, and goes on up."""
    try:
        yield
    except Refusal as refusal:
        world.signing_noted(type(refusal).__name__)
        raise
    except Exception:
        world.signing_noted("fault")
        raise


async def sign_message(world: World, signature: Signature, message: Message, at: datetime) -> bytes:
    """The message as it goes out, its signature on top; raises BadRequest, and SealBroken after an alarm."""
    try:
        return await sign_fields(world, signature, message, at) + message.raw
    except MessageRefused as refused:
        raise BadRequest(str(refused)) from None


async def sign_fields(
    world: World,
    signature: Signature,
    message: Message,
    at: datetime,
    *,
    added_later: frozenset[bytes] = frozenset(),
) -> bytes:
    """The DKIM-Signature fields for the top of a message, nothing where no key signs; large messages are
    signed off the event loop. `added_later` are names that an MTA may add behind the signature.

    The RSA signature stands on top. Where the Ed25519 key does not open there is an alarm, and the signature
    without it. Raises MessageRefused, and SealBroken, after an alarm, where an RSA key does not open for it.
    """
    options = world.sign_options
    if added_later:
        options = replace(options, added_later=added_later)
    try:
        held = _signers(world, signature)
        if not held:
            world.signing_noted("unsigned")
            return b""
        signers = [signer for signer, _ in held]
        work = partial(prepare, message, signers, int(at.timestamp()), options=options)
        made = await asyncio.to_thread(work) if len(message.raw) > LARGE else work()
        finished = [
            field.signed(await world.keyring.sign_soon(key, field.data_hash))
            for field, (_, key) in zip(made, held, strict=True)
        ]
        world.signing_noted("signed")
        return b"".join(finished)
    except SealBroken as broken:
        place = (signature.account_id, signature.region, signature.sdid)
        await raise_alarm(world, *place, broken, world.clock.now())
        if signature.second is None:
            raise
    alone = replace(signature, second=None)
    return await sign_fields(world, alone, message, at, added_later=added_later)


def _signers(world: World, signature: Signature) -> list[tuple[Signer, SealedKey]]:
    """Who signs and with what, in the order of the fields; raises SealBroken for a key in a wrong place."""
    held = []
    if signature.key is not None:
        held.append((_signer(world, signature, signature.selector, signature.key), signature.key))
    if signature.second is not None:
        second = _signer(world, signature, signature.second_selector, signature.second)
        held.append((second, signature.second))
    if signature.operator is not None:
        held += _signers(world, signature.operator)
    return held


def _signer(world: World, signature: Signature, selector: str, key: SealedKey) -> Signer:
    # A row may lead to another owner's key, which would open in its own place.
    place = key.place
    own = (signature.account_id, signature.sdid, selector)
    if place is None or (place.account_id, place.domain, place.selector) != own:
        raise SealBroken(f"key {key.ref.key_id} does not belong to {selector} of {signature.sdid}")
    is_ed25519 = key.ref.bits == ED25519_BITS
    return Signer(
        sdid=signature.sdid,
        selector=selector,
        sign_digest=lambda digest: world.keyring.sign_digest(key, digest),
        signature_bytes=_ED25519_OCTETS if is_ed25519 else key.ref.bits // 8,
        algorithm="ed25519-sha256" if is_ed25519 else "rsa-sha256",
    )
