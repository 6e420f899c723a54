"""What each operation answers: JSON bodies, with members left out where SES leaves them out.

Rule: pure. An EXTERNAL identity has neither key lengths nor a hosted zone: Terraform would take a length for
a wish. Times are epoch seconds with milliseconds.
References: AWS SESv2 CreateEmailIdentityResponse, AWS SESv2 GetEmailIdentityResponse,
AWS SESv2 ListEmailIdentitiesResponse, AWS SESv2 PutEmailIdentityDkimSigningAttributesResponse,
AWS SESv2 SendEmailResponse, AWS SESv2 VerificationInfo.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from mailseal.core.attributes import Neighbours
from mailseal.core.commands import Tag
from mailseal.core.identity import DkimAttributes, Identity, Verification, dkim_attributes, verification
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.mailfrom import MxFailure
from mailseal.core.stored import IdentitySummary

NOTHING = b"{}"

_encode = msgspec.json.Encoder().encode


def created(identity: Identity) -> bytes:
    """The body of CreateEmailIdentity, in which SES always says NOT_STARTED; the next Get says PENDING."""
    attributes = _dkim(dkim_attributes(identity)) | {"Status": DkimStatus.NOT_STARTED}
    return _encode(
        {
            "IdentityType": "DOMAIN",
            "VerifiedForSendingStatus": verification(identity).may_send,
            "DkimAttributes": attributes,
        }
    )


def identity(found: Identity, beside: Neighbours) -> bytes:
    """The body of GetEmailIdentity."""
    standing = verification(found)
    return _encode(
        {
            "IdentityType": "DOMAIN",
            "FeedbackForwardingStatus": beside.attributes.feedback_forwarding,
            "VerifiedForSendingStatus": standing.may_send,
            "DkimAttributes": _dkim(dkim_attributes(found)),
            **besides(beside),
            "VerificationStatus": standing.status,
            "VerificationInfo": _info(standing),
        }
    )


def besides(beside: Neighbours) -> dict[str, Any]:
    """The members of GetEmailIdentity that are the same for identities of every kind.

    AWS SESv2 MailFromAttributes names three members as required; SES leaves two out where no domain is set.
    """
    attributes, mail_from = beside.attributes, beside.mail_from
    told: dict[str, str] = {}
    if mail_from is not None:
        told = {"MailFromDomain": mail_from.domain, "MailFromDomainStatus": mail_from.proof.status}
    told["BehaviorOnMxFailure"] = mail_from.on_failure if mail_from else MxFailure.USE_DEFAULT_VALUE
    members: dict[str, Any] = {
        "MailFromAttributes": told,
        "Policies": beside.policies,
        "Tags": tags(attributes.tags),
    }
    if attributes.configuration_set is not None:
        members["ConfigurationSetName"] = attributes.configuration_set
    return members


def tags(found: Sequence[Tag]) -> list[dict[str, str]]:
    """A list of tags."""
    return [{"Key": tag.key, "Value": tag.value} for tag in found]


def dkim_signing_put(changed: Identity) -> bytes:
    """The body of PutEmailIdentityDkimSigningAttributes."""
    attributes = dkim_attributes(changed)
    body: dict[str, Any] = {"DkimStatus": attributes.status, "DkimTokens": attributes.tokens}
    if attributes.hosted_zone is not None:
        body["SigningHostedZone"] = attributes.hosted_zone
    return _encode(body)


def page(items: Sequence[IdentitySummary], next_token: str | None) -> bytes:
    """The body of ListEmailIdentities."""
    rows = [
        {
            "IdentityType": item.kind,
            "IdentityName": item.name,
            "SendingEnabled": item.may_send,
            "VerificationStatus": item.status,
        }
        for item in items
    ]
    body: dict[str, Any] = {"EmailIdentities": rows}
    if next_token is not None:
        body["NextToken"] = next_token
    return _encode(body)


def sent(message_id: str) -> bytes:
    """The body of SendEmail."""
    return _encode({"MessageId": message_id})


def _dkim(attributes: DkimAttributes) -> dict[str, Any]:
    members: dict[str, Any] = {
        "SigningEnabled": attributes.signing_enabled,
        "Status": attributes.status,
        "Tokens": attributes.tokens,
    }
    if attributes.hosted_zone is not None:
        members["SigningHostedZone"] = attributes.hosted_zone
    members["SigningAttributesOrigin"] = attributes.origin
    if attributes.next_bits is not None:
        members["NextSigningKeyLength"] = f"RSA_{attributes.next_bits}_BIT"
    if attributes.current_bits is not None:
        members["CurrentSigningKeyLength"] = f"RSA_{attributes.current_bits}_BIT"
    if attributes.last_key_at is not None:
        members["LastKeyGenerationTimestamp"] = _epoch(attributes.last_key_at)
    return members


def _info(standing: Verification) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if standing.last_checked_at is not None:
        members["LastCheckedTimestamp"] = _epoch(standing.last_checked_at)
    if standing.last_success_at is not None:
        members["LastSuccessTimestamp"] = _epoch(standing.last_success_at)
    if standing.error_type is not None:
        members["ErrorType"] = standing.error_type
    if standing.soa is not None:
        members["SOARecord"] = {
            "PrimaryNameServer": standing.soa.primary.rstrip("."),
            "AdminEmail": standing.soa.admin.rstrip("."),
            "SerialNumber": standing.soa.serial,
        }
    return members


def _epoch(at: datetime) -> float:
    return round(at.timestamp(), 3)
