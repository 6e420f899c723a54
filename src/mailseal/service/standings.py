"""Use cases of callers who ask by name alone: begin the proof of a domain, and how many identities stand.

Rule: to ask twice is to ask once: what exists is left as it is, and only a search that was given up begins
again. The names that are asked for may be no identities; those are left out.
References: AWS SES API Reference (2010-12-01), VerifyDomainIdentity, VerifyDomainDkim,
GetIdentityDkimAttributes; docs/divergences.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.addressid import address_dkim_attributes
from mailseal.core.commands import CreateIdentity, Origin, PutDkimSigning
from mailseal.core.errors import AlreadyExists, BadRequest, NotFound
from mailseal.core.identity import ByoDkim, DkimAttributes, Identity, dkim_attributes, verification
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.mailfrom import MailFrom
from mailseal.core.names import Domain, is_address, ownership_token, parse_domain, stored_name
from mailseal.service.addresses import standing_of
from mailseal.service.configure import create_identity, get_identity, put_dkim_signing, restart_search
from mailseal.service.world import Tx, World

_GIVEN_UP = frozenset({DkimStatus.FAILED, DkimStatus.NOT_STARTED})


@dataclass(frozen=True, slots=True)
class Standing:
    """How an identity stands, under the name that it was asked for by."""

    name: str
    dkim: DkimAttributes
    status: DkimStatus
    ownership_token: str | None
    """None for an address."""
    mail_from: MailFrom | None


async def standings(world: World, who: Principal, names: Sequence[str]) -> tuple[Standing, ...]:
    """How those of the names stand that are identities, each once, all at one moment."""
    asked = tuple(dict.fromkeys(names))

    def unit(tx: Tx) -> tuple[Standing, ...]:
        found = (_standing(tx, world, who, name) for name in asked)
        return tuple(standing for standing in found if standing is not None)

    return await world.store.read(unit)


async def verify_domain(world: World, who: Principal, name: str, now: datetime) -> str:
    """The ownership token of the domain, which is an identity from now on; raises BadRequest."""
    identity = await _begun(world, who, name, now)
    return ownership_token(world.token_secret, who.account_id, who.region, identity.name)


async def verify_domain_dkim(world: World, who: Principal, name: str, now: datetime) -> tuple[str, ...]:
    """The DNS tokens of the domain, which has Easy DKIM from now on; raises BadRequest.

    A domain with an own key is moved to Easy DKIM, as by PutEmailIdentityDkimSigningAttributes; a replica has
    Easy DKIM already, its parent's.
    """
    identity = await _begun(world, who, name, now)
    if isinstance(identity.newest.method, ByoDkim):
        identity = await put_dkim_signing(world, who, PutDkimSigning(identity.name, Origin.AWS_SES), now)
    return dkim_attributes(identity).tokens


async def _begun(world: World, who: Principal, name: str, now: datetime) -> Identity:
    """The identity, created where it was not there, its search begun again where it had been given up."""
    try:
        identity = await _existing(world, who, parse_domain(name), now)
    except BadRequest as refused:
        shown = "".join(char if char.isprintable() else "?" for char in name[:255])
        raise BadRequest(f"Invalid domain name {shown}.", hint=refused.hint) from None
    if identity.newest.proof.status in _GIVEN_UP:
        identity = await restart_search(world, who, identity.name, now)
    return identity


async def _existing(world: World, who: Principal, domain: Domain, now: datetime) -> Identity:
    try:
        return await get_identity(world, who, domain, now)
    except NotFound:
        try:
            return await create_identity(world, who, CreateIdentity(domain), now)
        except AlreadyExists:
            # Somebody else was faster by a moment; their identity is what was asked for.
            return await get_identity(world, who, domain, now)


def _standing(tx: Tx, world: World, who: Principal, name: str) -> Standing | None:
    place = (who.account_id, who.region, stored_name(name))
    if is_address(name):
        address = tx.addresses.load(*place)
        if address is None:
            return None
        dkim = address_dkim_attributes(standing_of(tx, address))
        return Standing(name, dkim, address.status, None, tx.mail_from.load(*place))
    identity = tx.identities.load(*place)
    if identity is None:
        return None
    token = ownership_token(world.token_secret, *place)
    status = verification(identity).status
    return Standing(name, dkim_attributes(identity), status, token, tx.mail_from.load(*place))
