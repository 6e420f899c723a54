"""What stands beside an identity, inside a transaction: read, begun, ended; and whether there is one.

Rule: for units of every use case about identities, of whatever kind; `require_identity` alone knows where
identities are kept.
References: AWS SESv2 CreateEmailIdentityRequest, AWS SESv2 GetEmailIdentityResponse.
"""

from __future__ import annotations

from mailseal.core import tagging
from mailseal.core.access import Principal
from mailseal.core.attributes import Attributes, Neighbours
from mailseal.core.commands import CreateIdentity
from mailseal.core.configsets import no_such_set
from mailseal.core.errors import Refusal
from mailseal.core.names import stored_name
from mailseal.service.world import Tx

Place = tuple[str, str, str]
"""Account, region, and a name as it is stored."""


def place(who: Principal, name: str) -> Place:
    """Where what belongs to the identity of that name is kept."""
    return who.account_id, who.region, stored_name(name)


def neighbours(tx: Tx, who: Principal, name: str) -> Neighbours:
    """What stands beside the identity of that name, of whatever kind it is."""
    at = place(who, name)
    return Neighbours(tx.attributes.load(*at), tx.mail_from.load(*at), tx.policies.load(*at))


def check_new_attributes(tx: Tx, who: Principal, command: CreateIdentity) -> None:
    """Raises BadRequest, NotFound unless an identity may be created with these tags and configuration set."""
    tagging.check_tags(command.tags)
    if command.configuration_set:
        require_set(tx, who, command.configuration_set)


def save_new_attributes(tx: Tx, who: Principal, command: CreateIdentity) -> None:
    """Keeps the tags and the configuration set that an identity was created with."""
    wanted = Attributes(configuration_set=command.configuration_set or None, tags=command.tags)
    tx.attributes.save(*place(who, command.name), wanted)


def forget_neighbours(tx: Tx, who: Principal, name: str) -> None:
    """Forgets everything beside an identity, which is being deleted."""
    at = place(who, name)
    tx.attributes.delete(*at)
    tx.mail_from.delete(*at)
    tx.policies.delete_all(*at)
    tx.share_links.delete_all(*at)


def require_identity(tx: Tx, who: Principal, name: str, refusal: Refusal) -> None:
    """Raises `refusal` unless there is an identity of that name, of whatever kind."""
    at = place(who, name)
    if tx.identities.load(*at) is None and tx.addresses.load(*at) is None:
        raise refusal


def require_set(tx: Tx, who: Principal, configuration_set: str) -> None:
    """Raises NotFound unless there is a configuration set of that name."""
    if tx.configuration_sets.load(who.account_id, who.region, configuration_set) is None:
        raise no_such_set(configuration_set)
