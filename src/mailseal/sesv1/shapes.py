"""What each action takes: its parameters described, and the commands that they make.

Rule: pure; from the form's tree to a command, or ValidationFailed or MalformedInput. A test holds the
descriptions against botocore's model; they are our own words, since that model is no part of Mailseal.
References: AWS SES API Reference (2010-12-01).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from mailseal.core.commands import (
    ListIdentities,
    PutDkimAttributes,
    Recipients,
    SendEmail,
    SimpleMessage,
    TextContent,
)
from mailseal.core.errors import BadRequest
from mailseal.core.mailfrom import PutMailFrom
from mailseal.sesv1.answers import MX_FAILURES
from mailseal.sesv1.errors import ValidationFailed
from mailseal.sesv1.forms import Tree, shaped
from mailseal.sesv2.members import Blob, Choice, Flag, ListOf, Member, Structure, Text, Whole, parser

WHOLE_LIST = 1000
"""A page where no length is asked for: callers of this API mostly know of no pages."""
_KINDS = {"EmailAddress": "EMAIL_ADDRESS", "Domain": "DOMAIN"}


class Action(StrEnum):
    """The actions that Mailseal serves, by AWS's names."""

    VERIFY_DOMAIN_DKIM = "VerifyDomainDkim"
    VERIFY_DOMAIN_IDENTITY = "VerifyDomainIdentity"
    VERIFY_EMAIL_IDENTITY = "VerifyEmailIdentity"
    VERIFY_EMAIL_ADDRESS = "VerifyEmailAddress"
    GET_DKIM_ATTRIBUTES = "GetIdentityDkimAttributes"
    GET_VERIFICATION_ATTRIBUTES = "GetIdentityVerificationAttributes"
    GET_MAIL_FROM_ATTRIBUTES = "GetIdentityMailFromDomainAttributes"
    SET_DKIM_ENABLED = "SetIdentityDkimEnabled"
    SET_MAIL_FROM_DOMAIN = "SetIdentityMailFromDomain"
    LIST_IDENTITIES = "ListIdentities"
    DELETE_IDENTITY = "DeleteIdentity"
    GET_SEND_QUOTA = "GetSendQuota"
    SEND_EMAIL = "SendEmail"
    SEND_RAW_EMAIL = "SendRawEmail"


_ADDRESSES = ListOf(Text())
_CONTENT = Structure((Member("Data", Text(), required=True), Member("Charset", Text())))
_MESSAGE = Structure(
    (
        Member("Subject", _CONTENT, required=True),
        Member("Body", Structure((Member("Text", _CONTENT), Member("Html", _CONTENT))), required=True),
    )
)
_DESTINATION = Structure(
    (
        Member("ToAddresses", _ADDRESSES),
        Member("CcAddresses", _ADDRESSES),
        Member("BccAddresses", _ADDRESSES),
    )
)
_TAGS = ListOf(
    Structure((Member("Name", Text(), required=True), Member("Value", Text(), required=True))),
)
_DOMAIN = Structure((Member("Domain", Text(shortest=1), required=True),))
_EMAIL_ADDRESS = Structure((Member("EmailAddress", Text(shortest=1), required=True),))
_IDENTITY = Structure((Member("Identity", Text(shortest=1), required=True),))
_IDENTITIES = Structure((Member("Identities", ListOf(Text(), 100), required=True),))

INPUTS: dict[Action, Structure] = {
    Action.VERIFY_DOMAIN_DKIM: _DOMAIN,
    Action.VERIFY_DOMAIN_IDENTITY: _DOMAIN,
    Action.VERIFY_EMAIL_IDENTITY: _EMAIL_ADDRESS,
    Action.VERIFY_EMAIL_ADDRESS: _EMAIL_ADDRESS,
    Action.GET_DKIM_ATTRIBUTES: _IDENTITIES,
    Action.GET_VERIFICATION_ATTRIBUTES: _IDENTITIES,
    Action.GET_MAIL_FROM_ATTRIBUTES: _IDENTITIES,
    Action.DELETE_IDENTITY: _IDENTITY,
    Action.GET_SEND_QUOTA: Structure(()),
    Action.SET_DKIM_ENABLED: Structure(
        (
            Member("Identity", Text(shortest=1), required=True),
            Member("DkimEnabled", Flag(), required=True),
        )
    ),
    Action.SET_MAIL_FROM_DOMAIN: Structure(
        (
            Member("Identity", Text(shortest=1), required=True),
            Member("MailFromDomain", Text()),
            Member("BehaviorOnMXFailure", Choice(tuple(MX_FAILURES))),
        )
    ),
    Action.LIST_IDENTITIES: Structure(
        (
            Member("IdentityType", Choice(tuple(_KINDS))),
            Member("NextToken", Text()),
            Member("MaxItems", Whole(1, WHOLE_LIST)),
        )
    ),
    Action.SEND_EMAIL: Structure(
        (
            Member("Source", Text(shortest=1), required=True),
            Member("Destination", _DESTINATION, required=True),
            Member("Message", _MESSAGE, required=True),
            Member("ReplyToAddresses", _ADDRESSES),
            Member("ReturnPath", Text()),
            Member("SourceArn", Text()),
            Member("ReturnPathArn", Text()),
            Member("Tags", _TAGS),
            Member("ConfigurationSetName", Text()),
        )
    ),
    Action.SEND_RAW_EMAIL: Structure(
        (
            Member("Source", Text()),
            Member("Destinations", _ADDRESSES),
            Member("RawMessage", Structure((Member("Data", Blob(), required=True),)), required=True),
            Member("FromArn", Text()),
            Member("SourceArn", Text()),
            Member("ReturnPathArn", Text()),
            Member("Tags", _TAGS),
            Member("ConfigurationSetName", Text()),
        )
    ),
}

_PARSERS: dict[Action, Callable[[object], dict[str, Any]]] = {
    action: parser(structure) for action, structure in INPUTS.items()
}


def parameters(action: Action, tree: Tree) -> dict[str, Any]:
    """The action's parameters by their names, checked; raises ValidationFailed, MalformedInput.

    Parameters that the action does not have are ignored, as AWS does.
    """
    value = shaped(INPUTS[action], tree)
    try:
        return _PARSERS[action](value)
    except BadRequest as refused:
        raise ValidationFailed(refused.message, hint=refused.hint) from None


def put_dkim_attributes(given: dict[str, Any]) -> PutDkimAttributes:
    """The command of SetIdentityDkimEnabled."""
    return PutDkimAttributes(given["Identity"], given["DkimEnabled"])


def put_mail_from(given: dict[str, Any]) -> PutMailFrom:
    """The command of SetIdentityMailFromDomain."""
    word = given.get("BehaviorOnMXFailure")
    on_failure = None if word is None else MX_FAILURES[word]
    return PutMailFrom(given["Identity"], given.get("MailFromDomain") or None, on_failure)


def list_identities(given: dict[str, Any]) -> ListIdentities:
    """The command of ListIdentities."""
    kind = given.get("IdentityType")
    return ListIdentities(
        page_size=given.get("MaxItems", WHOLE_LIST),
        next_token=given.get("NextToken") or None,
        kind=None if kind is None else _KINDS[kind],
    )


def send_email(given: dict[str, Any]) -> SendEmail:
    """The command of SendEmail."""
    message, body = given["Message"], given["Message"]["Body"]
    to, cc, bcc = (given["Destination"].get(f"{field}Addresses", ()) for field in ("To", "Cc", "Bcc"))
    return SendEmail(
        simple=SimpleMessage(
            subject=_text(message["Subject"]),
            text=_text(body["Text"]) if "Text" in body else None,
            html=_text(body["Html"]) if "Html" in body else None,
        ),
        from_address=given["Source"],
        destination=Recipients(to, cc, bcc),
        reply_to=given.get("ReplyToAddresses", ()),
        feedback_to=given.get("ReturnPath") or None,
        configuration_set=given.get("ConfigurationSetName") or None,
        from_arn=given.get("SourceArn") or None,
        feedback_arn=given.get("ReturnPathArn") or None,
    )


def send_raw_email(given: dict[str, Any]) -> SendEmail:
    """The command of SendRawEmail, whose Source is the envelope's sender and leaves the message alone."""
    to = given.get("Destinations", ())
    return SendEmail(
        raw=given["RawMessage"]["Data"],
        destination=Recipients(to) if to else None,
        feedback_to=given.get("Source") or None,
        configuration_set=given.get("ConfigurationSetName") or None,
        from_arn=given.get("FromArn") or None,
        feedback_arn=given.get("ReturnPathArn") or given.get("SourceArn") or None,
    )


def _text(given: dict[str, Any]) -> TextContent:
    return TextContent(given["Data"], given.get("Charset") or "UTF-8")
