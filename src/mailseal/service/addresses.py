"""Use cases about identities of e-mail addresses: create, ask again, get, delete, prove, switch signing.

Rule: what is said for an address never changes its domain. The mail with the link is written down before it
is sent, so that a next hop that does not answer delays the proof and loses nothing.
References: AWS SESv2 CreateEmailIdentity, AWS SESv2 GetEmailIdentity, AWS SESv2 DeleteEmailIdentity,
AWS SESv2 PutEmailIdentityDkimAttributes; docs/divergences.md.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.core import addressid
from mailseal.core.access import Principal
from mailseal.core.addressid import AddressChange, AddressIdentity, AddressStanding, parse_address
from mailseal.core.commands import CreateIdentity, PutDkimAttributes
from mailseal.core.errors import AlreadyExists, BadRequest, NotFound
from mailseal.core.identity import Event
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.names import stored_name
from mailseal.service.admit import give_place_back, take_place
from mailseal.service.beside import check_new_attributes, forget_neighbours, save_new_attributes
from mailseal.service.linking import LEASE, link_hash, send_link
from mailseal.service.world import Tx, World

_NOT_A_DOMAIN = "The EmailIdentity value must be a valid domain."


async def create_address(
    world: World, who: Principal, command: CreateIdentity, now: datetime
) -> AddressStanding:
    """The address identity that was created, its mail on the way; raises AlreadyExists, BadRequest.

    One that FAILED is begun again: there is no other call of SES for that.
    """
    name = parse_address(command.name)
    if command.dkim is not None:
        raise BadRequest(_NOT_A_DOMAIN, hint="An address has no DKIM of its own; leave the attributes out.")

    def unit(tx: Tx) -> AddressIdentity:
        existing = tx.addresses.load(who.account_id, who.region, str(name))
        if existing is not None and existing.status is not DkimStatus.FAILED:
            raise AlreadyExists(f"Email identity {command.name} already exist.")
        check_new_attributes(tx, who, command)
        if existing is None:
            take_place(tx, who)
        save_new_attributes(tx, who, command)
        return _apply(tx, addressid.created(who.account_id, who.region, name, now), now)

    return await _asked(world, who, await world.store.write(unit), now)


async def ask_again(world: World, who: Principal, name: str, now: datetime) -> AddressStanding:
    """The address with a new link on its way; a proven one stays as it is. Raises NotFound."""

    def unit(tx: Tx) -> AddressIdentity:
        address = load_address(tx, who, name)
        return _apply(tx, addressid.with_link_wanted(address, now), now)

    return await _asked(world, who, await world.store.write(unit), now)


async def verify_address(world: World, who: Principal, name: str, now: datetime) -> AddressStanding:
    """The address with a link on its way, created where it was not there; a proven one stays as it is."""
    try:
        return await ask_again(world, who, str(parse_address(name)), now)
    except NotFound:
        return await create_address(world, who, CreateIdentity(name), now)


async def get_address(world: World, who: Principal, name: str, now: datetime) -> AddressStanding:
    """The address identity with what it inherits of its domain; raises NotFound."""
    return await world.store.read(lambda tx: standing_of(tx, load_address(tx, who, name)))


async def delete_address(world: World, who: Principal, name: str, now: datetime) -> None:
    """Removes an address identity, its links and its signing switch; raises NotFound."""

    def unit(tx: Tx) -> None:
        address = load_address(tx, who, name)
        tx.addresses.delete(address.account_id, address.region, address.name)
        give_place_back(tx, who)
        forget_neighbours(tx, who, address.name)
        told = (Event("deleted", "identity deleted"),)
        tx.events.append(address.account_id, address.region, address.name, now, told)

    await world.store.write(unit)


async def put_address_signing(
    world: World, who: Principal, command: PutDkimAttributes, now: datetime
) -> None:
    """Says for one address whether its mail is signed; its domain stays as it is.

    The domain has to be an identity, the address need not be one. Raises BadRequest.
    """
    try:
        name = parse_address(command.name)
    except BadRequest:
        raise _not_for_signing(command.name.rpartition("@")[2]) from None

    def unit(tx: Tx) -> None:
        if tx.identities.load(who.account_id, who.region, name.domain) is None:
            raise _not_for_signing(name.domain)
        if tx.addresses.overridden(who.account_id, who.region, str(name)) == command.signing_enabled:
            return
        tx.addresses.override(who.account_id, who.region, str(name), command.signing_enabled)
        word = "on" if command.signing_enabled else "off"
        told = (Event("signing", f"signing switched {word} for this address"),)
        tx.events.append(who.account_id, who.region, str(name), now, told)

    await world.store.write(unit)


async def address_of_link(world: World, token: str, now: datetime) -> AddressIdentity | None:
    """The address that a link would prove; None where the link is unknown, used or too old."""
    token_hash = link_hash(token)
    return await world.store.read(lambda tx: tx.addresses.by_link(token_hash, now))


async def use_link(world: World, token: str, now: datetime) -> AddressIdentity | None:
    """The address that the link has proven; None where the link is unknown, used or too old."""
    token_hash = link_hash(token)

    def unit(tx: Tx) -> AddressIdentity | None:
        address = tx.addresses.by_link(token_hash, now)
        change = addressid.after_link(address, now) if address is not None else None
        return None if change is None else _apply(tx, change, now)

    return await world.store.write(unit)


def load_address(tx: Tx, who: Principal, name: str) -> AddressIdentity:
    """The stored address identity; raises NotFound in SES's words."""
    address = tx.addresses.load(who.account_id, who.region, stored_name(name))
    if address is None:
        raise NotFound(f"Email identity {name} does not exist.")
    return address


def standing_of(tx: Tx, address: AddressIdentity) -> AddressStanding:
    """The address with its exact domain and its own signing switch, as they are at this moment."""
    place = (address.account_id, address.region)
    domain = tx.identities.load(*place, address.domain)
    return AddressStanding(address, domain, tx.addresses.overridden(*place, address.name))


def _not_for_signing(domain: str) -> BadRequest:
    return BadRequest(f"Domain {domain} is not verified for DKIM signing.")


def _apply(tx: Tx, change: AddressChange, now: datetime) -> AddressIdentity:
    address = change.address
    tx.addresses.save(address)
    if address.mail_due_at == now:
        tx.addresses.hold(address, now + LEASE)
    if change.events:
        tx.events.append(address.account_id, address.region, address.name, now, change.events)
    return address


async def _asked(world: World, who: Principal, address: AddressIdentity, now: datetime) -> AddressStanding:
    """The address after its mail was offered to the next hop once, if one was due."""
    if address.mail_due_at is not None:
        await send_link(world, address)
    return await get_address(world, who, address.name, now)
