"""Who may send as whom, and which key signs a message.

Rule: only the domain of the one From address decides, and only identities of the asking account count.
References: RFC 6376 §3.11 (d= and i=), RFC 5322 §3.6.2; AWS SESv2 SendEmailRequest,
AWS SESv2 MessageRejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.core import rotation
from mailseal.core.errors import MessageRejected
from mailseal.core.identity import ByoDkim, EasyDkim, Identity, Replica
from mailseal.core.rotation import Slots


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs for an identity: SDID, selector, and the id under which the keyring has it."""

    sdid: str
    selector: str
    key_id: str
    bits: int


def covering_names(domain: str) -> tuple[str, ...]:
    """The identities that could cover mail from a domain, most specific first: it and its parents.

    >>> covering_names("news.example.com")
    ('news.example.com', 'example.com')
    """
    labels = domain.lower().split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels) - 1))


def identity_to_send_as(candidates: Sequence[Identity], address: str, region: str) -> Identity:
    """The most specific of the identities that is proven; raises MessageRejected where none is."""
    for identity in sorted(candidates, key=lambda one: len(one.name), reverse=True):
        if identity.signing is not None:
            return identity
    raise MessageRejected(
        "Email address is not verified. The following identities failed the check in region "
        f"{region.upper()}: {address}"
    )


def signing_key(identity: Identity) -> SigningKey | None:
    """The key by which an identity's mail is signed now; None where signing is switched off or nothing is
    proven."""
    if not identity.signing_enabled or identity.signing is None:
        return None
    match identity.signing.method:
        case ByoDkim(selector=selector, key=key):
            return SigningKey(identity.name, selector, key.key_id, key.bits)
        case EasyDkim():
            return _of_slots(identity, identity.slots)
        case Replica(parent=parent):
            return _of_slots(identity, parent.slots)


def _of_slots(identity: Identity, slots: Slots) -> SigningKey | None:
    slot = rotation.active(slots)
    if slot is None or slot.key is None:
        return None
    return SigningKey(identity.name, slot.token, slot.key.key_id, slot.key.bits)
