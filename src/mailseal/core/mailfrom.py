"""The custom MAIL FROM domain of an identity, what must stand in its DNS, and how far its proof has come.

Rule: its status moves by the table of `lifecycle`, like that of a DKIM setting; it decides about the envelope
sender alone, never about who may send or what is signed.
References: AWS SESv2 MailFromAttributes, AWS SESv2 PutEmailIdentityMailFromAttributesRequest,
AWS SESv2 MailFromDomainStatus; RFC 5321 §5.1 (MX), RFC 7208 §5.2 (include); docs/divergences.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mailseal.core.errors import BadRequest, MailFromDomainNotVerified
from mailseal.core.lifecycle import DkimStatus, Proof, after_check, started
from mailseal.core.names import Domain, parse_domain
from mailseal.core.observations import RecordType
from mailseal.core.policy import Policy
from mailseal.core.verification import CheckReport, ExpectedRecord

_PREFERENCE = 10


class MxFailure(StrEnum):
    """AWS SESv2 BehaviorOnMxFailure: what to do with mail while the domain is not proven."""

    USE_DEFAULT_VALUE = "USE_DEFAULT_VALUE"
    REJECT_MESSAGE = "REJECT_MESSAGE"


@dataclass(frozen=True, slots=True)
class MailFromHosts:
    """What the owners of MAIL FROM domains have to point at, both of the operator's making."""

    mx_host: str
    """Takes the bounces."""
    spf_include: str
    """Its SPF record passes the hosts that mail leaves from."""


@dataclass(frozen=True, slots=True)
class MailFrom:
    """A MAIL FROM domain that was asked for, and its proof."""

    domain: Domain
    on_failure: MxFailure
    proof: Proof


@dataclass(frozen=True, slots=True)
class PutMailFrom:
    """AWS SESv2 PutEmailIdentityMailFromAttributesRequest; None is a member that was absent."""

    name: str
    domain: str | None = None
    on_failure: MxFailure | None = None


def mail_from_domain(text: str, identity_name: str) -> Domain:
    """The MAIL FROM domain, spelt canonically; raises BadRequest unless it is below the identity's domain."""
    try:
        domain = parse_domain(text)
    except BadRequest as refused:
        raise BadRequest(f"Invalid MAIL FROM domain name {text}.", hint=refused.hint) from None
    parent = identity_name.rpartition("@")[2].lower()
    if not domain.endswith(f".{parent}"):
        raise BadRequest(
            f"Provided MAIL-FROM domain <{text}> is not subdomain of the domain of the identity "
            f"<{identity_name}>.",
            hint=f"Take a name such as bounce.{parent}.",
        )
    return domain


def with_mail_from(
    current: MailFrom | None, domain: Domain, on_failure: MxFailure | None, now: datetime
) -> MailFrom:
    """What a Put makes of a MAIL FROM domain: another one is searched for from now on, and so is one that
    FAILED; the same one keeps its proof."""
    if current is None or current.domain != domain:
        kept = current.on_failure if current is not None else MxFailure.USE_DEFAULT_VALUE
        return MailFrom(domain, on_failure or kept, started(now))
    proof = started(now) if current.proof.status is DkimStatus.FAILED else current.proof
    return MailFrom(domain, on_failure or current.on_failure, proof)


def expected_mail_from_records(mail_from: MailFrom, hosts: MailFromHosts) -> tuple[ExpectedRecord, ...]:
    """The two records that prove a MAIL FROM domain: exactly one MX, and an SPF record that includes ours."""
    owner = mail_from.domain
    return (
        ExpectedRecord(owner, RecordType.MX, f"{_PREFERENCE} {hosts.mx_host}"),
        ExpectedRecord(
            owner, RecordType.TXT, f"v=spf1 include:{hosts.spf_include} ~all", spf_include=hosts.spf_include
        ),
    )


def with_mail_from_check(mail_from: MailFrom, report: CheckReport, now: datetime, policy: Policy) -> MailFrom:
    """The MAIL FROM domain after one check of its records."""
    return replace(mail_from, proof=after_check(mail_from.proof, report.check, now, policy))


def envelope_sender(mail_from: MailFrom | None, message_id: str) -> str | None:
    """The envelope sender by the identity's MAIL FROM domain, or None where the default is to be taken.

    Raises MailFromDomainNotVerified where the owner wants no mail without it.
    """
    if mail_from is None:
        return None
    if mail_from.proof.status is DkimStatus.SUCCESS:
        return f"{message_id}@{mail_from.domain}"
    if mail_from.on_failure is MxFailure.REJECT_MESSAGE:
        raise MailFromDomainNotVerified(
            f"The MAIL FROM domain {mail_from.domain} is {mail_from.proof.status}, and "
            "BehaviorOnMxFailure is REJECT_MESSAGE.",
            hint="Publish its MX and SPF records, or set USE_DEFAULT_VALUE.",
        )
    return None
