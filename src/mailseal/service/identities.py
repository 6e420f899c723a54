"""Use cases about an identity of whichever kind its name says: a domain, or the address of one mailbox.

Rule: the @ in the name decides which use case it is, and nothing else is decided here.
References: AWS SESv2 CreateEmailIdentity, AWS SESv2 IdentityType.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.addressid import AddressStanding
from mailseal.core.commands import CreateIdentity, PutDkimAttributes
from mailseal.core.identity import Identity
from mailseal.core.names import is_address
from mailseal.service import addresses, configure
from mailseal.service.world import World

Either = Identity | AddressStanding


async def create_identity(world: World, who: Principal, command: CreateIdentity, now: datetime) -> Either:
    """The identity that was created; raises AlreadyExists, BadRequest."""
    if is_address(command.name):
        return await addresses.create_address(world, who, command, now)
    return await configure.create_identity(world, who, command, now)


async def get_identity(world: World, who: Principal, name: str, now: datetime) -> Either:
    """The identity as it stands; raises NotFound."""
    if is_address(name):
        return await addresses.get_address(world, who, name, now)
    return await configure.get_identity(world, who, name, now)


async def put_dkim_attributes(
    world: World, who: Principal, command: PutDkimAttributes, now: datetime
) -> None:
    """Switches signing on or off, for a domain or for one address of it; raises BadRequest."""
    if is_address(command.name):
        await addresses.put_address_signing(world, who, command, now)
    else:
        await configure.put_dkim_attributes(world, who, command, now)


async def restart_search(world: World, who: Principal, name: str, now: datetime) -> Either:
    """The identity with the search for its proof begun again: records looked for, or a new link mailed."""
    if is_address(name):
        return await addresses.ask_again(world, who, name, now)
    return await configure.restart_search(world, who, name, now)


async def delete_identity(world: World, who: Principal, name: str, now: datetime) -> None:
    """Removes an identity and what stands beside it; raises NotFound."""
    if is_address(name):
        await addresses.delete_address(world, who, name, now)
    else:
        await configure.delete_identity(world, who, name, now)
