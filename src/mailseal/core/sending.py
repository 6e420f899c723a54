"""Who may send as whom, and which key signs a message.

Rule: only the one From address decides who signs, and only identities of the asking account count: the
address itself, then its domain, then the domains above it. An address is signed for by its domain's setting.
References: RFC 6376 §3.11 (d= and i=), RFC 5322 §3.6.2; AWS SESv2 SendEmailRequest,
AWS SESv2 MessageRejected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.core import ed25519, rotation
from mailseal.core.access import Principal
from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import AddressIdentity, covering_addresses
from mailseal.core.errors import AccessDenied, BadRequest, MessageRejected
from mailseal.core.identity import ByoDkim, EasyDkim, Identity, Replica
from mailseal.core.names import stored_name
from mailseal.core.rotation import Slots

MOST_RECIPIENTS = 50
MOST_BYTES = 40 * 1024 * 1024

_ARN = re.compile(r"arn:[a-z-]+:ses:([a-z0-9-]+):([0-9]{12}):identity/([!-~]{1,320})\Z")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs for an identity: SDID, selector, and the id under which the keyring has it."""

    sdid: str
    selector: str
    key_id: str
    bits: int


@dataclass(frozen=True, slots=True)
class Covering:
    """What an account has at this moment that could cover mail from an address."""

    domains: Sequence[Identity]
    addresses: Sequence[AddressIdentity] = ()
    signing_override: bool | None = None
    """What was said for the address alone about signing."""


@dataclass(frozen=True, slots=True)
class SendAs:
    """The identity that mail is sent as, and the key that signs it; None: the mail goes out unsigned."""

    name: str
    key: SigningKey | None
    second: SigningKey | None = None
    """The Ed25519 key that signs beside it; never alone."""


def covering_names(domain: str) -> tuple[str, ...]:
    """The identities that could cover mail from a domain, most specific first: it and its parents.

    >>> covering_names("news.example.com")
    ('news.example.com', 'example.com')
    """
    labels = domain.lower().split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels) - 1))


def send_as(covering: Covering, named: str | None = None) -> SendAs | None:
    """The most specific identity that is proven, with its key; None where none is, or not the one named."""
    domains = [one for one in covering.domains if one.signing is not None]
    domain = max(domains, key=lambda one: len(one.name), default=None)
    proven = [one for one in covering.addresses if one.is_proven]
    address = max(proven, key=lambda one: len(one.name), default=None)
    if named is not None and named not in [*(one.name for one in domains), *(one.name for one in proven)]:
        return None
    if domain is None:
        return None if address is None else SendAs(address.name, None)
    name = domain.name if address is None else address.name
    key = signing_key(domain, covering.signing_override)
    return SendAs(name, key, None if key is None else second_key(domain))


def not_verified(addresses: Sequence[str], region: str) -> MessageRejected:
    """The refusal of a message from addresses that no proven identity covers, in SES's words."""
    return MessageRejected(
        "Email address is not verified. The following identities failed the check in region "
        f"{region.upper()}: {', '.join(addresses)}"
    )


def check_identity_arn(arn: str, box: Mailbox, who: Principal) -> str:
    """The name of the identity that an IdentityArn allows a mailbox to be used by.

    Raises AccessDenied for another account's, BadRequest for one that does not cover the address.
    """
    match = _ARN.match(arn)
    if match is None:
        raise BadRequest(
            f"Invalid ARN <{arn if arn.isprintable() else '?'}>.",
            hint="The ARN of an identity is arn:aws:ses:REGION:ACCOUNT:identity/NAME.",
        )
    region, account_id, name = match.groups()
    if account_id != who.account_id:
        raise AccessDenied(
            f"User: arn:aws:iam::{who.account_id}:user/{who.access_key_id} is not authorized to perform: "
            f"ses:SendEmail on resource: {arn}"
        )
    name = stored_name(name)
    if region != who.region or name not in (
        *covering_addresses(box.local, box.domain),
        *covering_names(box.domain),
    ):
        raise BadRequest(
            f"The identity of {arn} does not cover {box}.",
            hint=f"Name an identity of this account in {who.region}: the address, its domain, or one above.",
        )
    return name


def signing_key(identity: Identity, override: bool | None = None) -> SigningKey | None:
    """The key by which an identity's mail is signed now; None where signing is switched off or nothing is
    proven. `override` is what was said for the one address that the mail is from."""
    enabled = identity.signing_enabled if override is None else override
    if not enabled or identity.signing is None:
        return None
    match identity.signing.method:
        case ByoDkim(selector=selector, key=key):
            return SigningKey(identity.name, selector, key.key_id, key.bits)
        case EasyDkim():
            return _of_slots(identity, identity.slots)
        case Replica(parent=parent):
            return _of_slots(identity, parent.slots)


def second_key(identity: Identity) -> SigningKey | None:
    """The Ed25519 key that signs beside the identity's RSA key; None where none was asked for or seen."""
    slot = ed25519.signing_slot(identity.ed25519)
    if slot is None or slot.key is None:
        return None
    return SigningKey(identity.name, slot.token, slot.key.key_id, slot.key.bits)


def _of_slots(identity: Identity, slots: Slots) -> SigningKey | None:
    slot = rotation.active(slots)
    if slot is None or slot.key is None:
        return None
    return SigningKey(identity.name, slot.token, slot.key.key_id, slot.key.bits)
