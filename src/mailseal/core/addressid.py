"""An e-mail address as an identity: how it is written, how it is proven, and what it inherits of its domain.

Rule: an address is proven by whoever opens the link that was mailed to it, and by nothing else; it is signed
for by its domain's settings, and has only one of its own: whether its mail is signed.
References: AWS SESv2 CreateEmailIdentity, AWS SESv2 IdentityType, AWS SESv2 DkimAttributes,
RFC 5322 §3.4.1; docs/divergences.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailseal.core.errors import BadRequest
from mailseal.core.identity import DkimAttributes, Event, Identity, Verification, dkim_attributes
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.names import parse_domain

LINK_LASTS = timedelta(hours=24)
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 480))
"""Pauses before a verification mail that was not taken is offered again; after the last it is given up."""

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_MAX_LOCAL, _MAX_ADDRESS = 64, 254
# What the SES of the old days would have made of an address that had DKIM of its own.
_ADDRESS_BITS = 1024


@dataclass(frozen=True, slots=True)
class AddressName:
    """One canonical address: the local part as written, the domain in lower case."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> AddressName:
    """The address that an identity is named by; raises BadRequest for whatever is not local@domain.

    Display names, comments and quoted local parts are refused; the case of the local part is kept.
    """
    local, _, domain = text.rpartition("@")
    if not _DOT_ATOM.match(local) or len(local) > _MAX_LOCAL or len(text) > _MAX_ADDRESS:
        raise BadRequest(
            f"Invalid email address {_shown(text)}.",
            hint="Write local@domain, without a display name, quotation marks and blanks.",
        )
    return AddressName(local, parse_domain(domain))


def covering_addresses(local: str, domain: str) -> tuple[str, ...]:
    """The address identities that could cover mail from an address, most specific first.

    >>> covering_addresses("me+news", "example.com")
    ('me+news@example.com', 'me@example.com')
    """
    names = [f"{local}@{domain}"]
    bare = local.partition("+")[0]
    if bare and bare != local:
        names.append(f"{bare}@{domain}")
    return tuple(names)


@dataclass(frozen=True, slots=True)
class AddressIdentity:
    """An address that an account may send as, in one region, or wants to.

    `link_at` is when it was last asked for; `mail_due_at` is when the mail with the link is to be offered to
    the next hop (again), None where that is done or given up.
    """

    account_id: str
    region: str
    name: str
    created_at: datetime
    status: DkimStatus
    link_at: datetime
    proven_at: datetime | None = None
    mail_due_at: datetime | None = None
    mails_tried: int = 0

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.name.rpartition("@")[2]

    @property
    def link_ends_at(self) -> datetime:
        """From when on the newest link is worth nothing."""
        return self.link_at + LINK_LASTS

    @property
    def is_proven(self) -> bool:
        """Whether mail may be sent as it."""
        return self.status is DkimStatus.SUCCESS

    @property
    def due_at(self) -> datetime | None:
        """When something has to be done about it by itself."""
        if self.status is not DkimStatus.PENDING:
            return None
        return min(self.link_ends_at, self.mail_due_at) if self.mail_due_at else self.link_ends_at


@dataclass(frozen=True, slots=True)
class AddressChange:
    """What a decision makes of an address, and what is to be told of it."""

    address: AddressIdentity
    events: tuple[Event, ...] = ()


def created(account_id: str, region: str, name: AddressName, now: datetime) -> AddressChange:
    """A new address identity, PENDING, its mail to be sent at once."""
    address = AddressIdentity(
        account_id, region, str(name), now, DkimStatus.PENDING, link_at=now, mail_due_at=now
    )
    return AddressChange(address, (Event("created", "address; a link proves it"),))


def with_link_wanted(address: AddressIdentity, now: datetime) -> AddressChange:
    """The address with a new link to be mailed and 24 hours from now; a proven one stays as it is."""
    if address.is_proven:
        return AddressChange(address)
    asked = replace(address, status=DkimStatus.PENDING, link_at=now, mail_due_at=now, mails_tried=0)
    return AddressChange(asked, (Event("restart", "a new link asked for"),))


def after_link(address: AddressIdentity, now: datetime) -> AddressChange | None:
    """The address after its link was used; None where the link came too late or nothing was asked."""
    if address.status is not DkimStatus.PENDING or now >= address.link_ends_at:
        return None
    proven = replace(address, status=DkimStatus.SUCCESS, proven_at=now, mail_due_at=None)
    return AddressChange(proven, (Event("status", "PENDING → SUCCESS; the link was used"),))


def after_time(address: AddressIdentity, now: datetime) -> AddressChange:
    """The address FAILED where nobody used its link in time, else as it is."""
    if address.status is not DkimStatus.PENDING or now < address.link_ends_at:
        return AddressChange(address)
    failed = replace(address, status=DkimStatus.FAILED, mail_due_at=None)
    return AddressChange(failed, (Event("status", "PENDING → FAILED; nobody used the link in 24 hours"),))


def after_mail_taken(address: AddressIdentity, answer: str) -> AddressChange:
    """The address whose mail the next hop has taken."""
    done = replace(address, mail_due_at=None, mails_tried=address.mails_tried + 1)
    return AddressChange(done, (Event("mail", f"mail with the link handed over: {answer}"),))


def after_mail_failed(address: AddressIdentity, why: str, now: datetime, *, for_good: bool) -> AddressChange:
    """The address whose mail was not taken: it is offered again later, but not for ever."""
    tried = address.mails_tried + 1
    due = None if for_good or tried > len(RETRY_AFTER) else now + RETRY_AFTER[tried - 1]
    if due is not None and due >= address.link_ends_at:
        due = None
    end = "given up" if due is None else f"again at {due:%Y-%m-%d %H:%M} UTC"
    told = Event("mail", f"mail with the link not taken: {why}; {end}")
    return AddressChange(replace(address, mail_due_at=due, mails_tried=tried), (told,))


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """An address identity with what its domain gives it: the exact domain, never one above."""

    address: AddressIdentity
    domain: Identity | None = None
    signing_override: bool | None = None
    """What PutEmailIdentityDkimAttributes said for this address; None where it was never asked."""

    @property
    def signing_enabled(self) -> bool:
        """Whether mail from the address is to be signed; without its domain there is nothing to sign by."""
        if self.domain is None:
            return False
        return self.domain.signing_enabled if self.signing_override is None else self.signing_override


def address_dkim_attributes(standing: AddressStanding) -> DkimAttributes:
    """What SES tells of an address's DKIM: switch, status and tokens of its domain, no key of its own."""
    status, tokens = DkimStatus.NOT_STARTED, tuple[str, ...]()
    if standing.domain is not None:
        inherited = dkim_attributes(standing.domain)
        status, tokens = inherited.status, inherited.tokens
    return DkimAttributes(standing.signing_enabled, status, tokens, "AWS_SES", next_bits=_ADDRESS_BITS)


def address_verification(address: AddressIdentity) -> Verification:
    """Whether the account may send as the address; AWS SESv2 VerificationInfo stays empty."""
    return Verification(address.status, address.is_proven, None, None, None, None)


def _shown(text: str) -> str:
    """The text as far as it may stand in an answer."""
    return "".join(char if char.isprintable() else "?" for char in text[:_MAX_ADDRESS])
