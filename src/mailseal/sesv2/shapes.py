"""What each operation takes: its members described, and the command that they make.

Rule: pure; from JSON value, path and query to a command, or BadRequest or SerializationFailed. A test holds
the descriptions against botocore's model; they are our own words, since that model is no part of Mailseal.
References: AWS SESv2 CreateEmailIdentityRequest, AWS SESv2 ListEmailIdentitiesRequest,
AWS SESv2 PutEmailIdentityDkimAttributesRequest, AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest,
AWS SESv2 SendEmailRequest.
"""

from __future__ import annotations

from typing import Any

from mailseal.core.commands import (
    Attachment,
    CreateIdentity,
    DkimAttributesInput,
    ListIdentities,
    PutDkimAttributes,
    PutDkimSigning,
    Recipients,
    SendEmail,
    SimpleMessage,
    Tag,
    TextContent,
)
from mailseal.core.errors import BadRequest
from mailseal.sesv2.errors import SerializationFailed
from mailseal.sesv2.members import Blob, Choice, Flag, ListOf, MapOf, Member, Structure, Text, Whole, parser

_REGIONS = """
AF_SOUTH_1 EU_NORTH_1 AP_SOUTH_1 EU_WEST_3 EU_WEST_2 EU_SOUTH_1 EU_WEST_1 AP_NORTHEAST_3 AP_NORTHEAST_2
ME_SOUTH_1 AP_NORTHEAST_1 IL_CENTRAL_1 SA_EAST_1 CA_CENTRAL_1 AP_SOUTHEAST_1 AP_SOUTHEAST_2 AP_SOUTHEAST_3
EU_CENTRAL_1 US_EAST_1 US_EAST_2 US_WEST_1 US_WEST_2 ME_CENTRAL_1 AP_SOUTH_2 EU_CENTRAL_2 AP_SOUTHEAST_5
CA_WEST_1 US_GOV_EAST_1 US_GOV_WEST_1
"""
DEFAULT_PAGE = 100
_FILTER_VALUES = {
    "VERIFICATION_STATUS": ("PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"),
    "IDENTITY_TYPE": ("EMAIL_ADDRESS", "DOMAIN", "MANAGED_DOMAIN"),
}
_KEY_BITS = {"RSA_1024_BIT": 1024, "RSA_2048_BIT": 2048}


def _selector_hint(value: str) -> str:
    return "A selector is one DNS label, the part before ._domainkey."


def _key_hint(value: str) -> str:
    """What to do about a private key that is not one line of base64; looks at its form, never repeats it."""
    if "-----BEGIN" in value:
        return (
            "This is PEM text: send its base64 lines joined, without BEGIN and END: "
            "openssl pkey -in FILE -outform DER | base64 -w0"
        )
    if any(blank in value for blank in " \r\n\t"):
        return "Send the base64 as one line, without blanks and line ends."
    if "-" in value or "_" in value:
        return "Use the base64 alphabet with + and /, not the one for URLs."
    return "Send the key's DER in base64: openssl pkey -in FILE -outform DER | base64 -w0"


_ADDRESS = Text()
_ADDRESSES = ListOf(_ADDRESS)
_ARN = Text(shortest=1)
_ORIGIN = Choice(("AWS_SES", "EXTERNAL", *(f"AWS_SES_{region}" for region in _REGIONS.split())))
_SIGNING_ATTRIBUTES = Structure(
    (
        Member(
            "DomainSigningSelector",
            Text(1, 63, r"^(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9]))$", _selector_hint),
        ),
        Member(
            "DomainSigningPrivateKey",
            Text(1, 20480, r"^[a-zA-Z0-9+\/]+={0,2}$", _key_hint, sensitive=True),
        ),
        Member("NextSigningKeyLength", Choice(tuple(_KEY_BITS))),
        Member("DomainSigningAttributesOrigin", _ORIGIN),
    )
)
TAG = Structure((Member("Key", Text(), required=True), Member("Value", Text(), required=True)))
_CONTENT = Structure((Member("Data", Text(), required=True), Member("Charset", Text())))
_HEADER = Structure(
    (
        Member("Name", Text(1, 126, "^[!-9;-@A-~]+$"), required=True),
        Member("Value", Text(1, 995, "[ -~]*"), required=True),
    )
)
_ENCODINGS = ("BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT")
_ATTACHMENT = Structure(
    (
        Member("RawContent", Blob(), required=True),
        Member("ContentDisposition", Choice(("ATTACHMENT", "INLINE"))),
        Member("FileName", Text(longest=255), required=True),
        Member("ContentDescription", Text(longest=1000)),
        Member("ContentId", Text(1, 78)),
        Member("ContentTransferEncoding", Choice(_ENCODINGS)),
        Member("ContentType", Text(1, 78)),
    )
)
_MESSAGE = Structure(
    (
        Member("Subject", _CONTENT, required=True),
        Member("Body", Structure((Member("Text", _CONTENT), Member("Html", _CONTENT))), required=True),
        Member("Headers", ListOf(_HEADER, 15)),
        Member("Attachments", ListOf(_ATTACHMENT)),
    )
)

CREATE_EMAIL_IDENTITY = Structure(
    (
        Member("EmailIdentity", Text(shortest=1), required=True),
        Member("Tags", ListOf(TAG)),
        Member("DkimSigningAttributes", _SIGNING_ATTRIBUTES),
        Member("ConfigurationSetName", Text()),
    )
)
LIST_EMAIL_IDENTITIES = Structure(
    (
        # The keys stand in the order that SES's own text has them in.
        Member(
            "Filter",
            MapOf(
                Choice(("IDENTITY_NAME_CONTAINS", "VERIFICATION_STATUS", "IDENTITY_TYPE")), Text(shortest=1)
            ),
        ),
        Member("NextToken", Text()),
        Member("PageSize", Whole(0, 1000)),
    )
)
PUT_DKIM_ATTRIBUTES = Structure((Member("SigningEnabled", Flag()),))
PUT_DKIM_SIGNING_ATTRIBUTES = Structure(
    (
        Member("SigningAttributesOrigin", _ORIGIN, required=True),
        Member("SigningAttributes", _SIGNING_ATTRIBUTES),
    )
)
SEND_EMAIL = Structure(
    (
        Member("FromEmailAddress", _ADDRESS),
        Member("FromEmailAddressIdentityArn", _ARN),
        Member(
            "Destination",
            Structure(
                (
                    Member("ToAddresses", _ADDRESSES),
                    Member("CcAddresses", _ADDRESSES),
                    Member("BccAddresses", _ADDRESSES),
                )
            ),
        ),
        Member("ReplyToAddresses", _ADDRESSES),
        Member("FeedbackForwardingEmailAddress", _ADDRESS),
        Member("FeedbackForwardingEmailAddressIdentityArn", _ARN),
        Member(
            "Content",
            Structure(
                (
                    Member("Simple", _MESSAGE),
                    Member("Raw", Structure((Member("Data", Blob(), required=True),))),
                    Member("Template", Structure(())),
                )
            ),
            required=True,
        ),
        Member("ConfigurationSetName", Text()),
        Member("ListManagementOptions", Structure(())),
    )
)

_parse_create = parser(CREATE_EMAIL_IDENTITY)
_parse_list = parser(LIST_EMAIL_IDENTITIES)
_parse_put_attributes = parser(PUT_DKIM_ATTRIBUTES)
_parse_put_signing = parser(PUT_DKIM_SIGNING_ATTRIBUTES)
_parse_send = parser(SEND_EMAIL)


def create_identity(value: object) -> CreateIdentity:
    """The command of a CreateEmailIdentity body."""
    given = _parse_create(value)
    dkim = _dkim_input(given.get("DkimSigningAttributes"))
    return CreateIdentity(given["EmailIdentity"], dkim, tags_of(given), given.get("ConfigurationSetName"))


def tags_of(given: dict[str, Any]) -> tuple[Tag, ...]:
    """The tags of a body that was parsed."""
    return tuple(Tag(tag["Key"], tag["Value"]) for tag in given.get("Tags", ()))


def put_dkim_signing(name: str, value: object) -> PutDkimSigning:
    """The command of a PutEmailIdentityDkimSigningAttributes body."""
    given = _parse_put_signing(value)
    return PutDkimSigning(name, given["SigningAttributesOrigin"], _dkim_input(given.get("SigningAttributes")))


def put_dkim_attributes(name: str, value: object) -> PutDkimAttributes:
    """The command of a PutEmailIdentityDkimAttributes body."""
    return PutDkimAttributes(name, _parse_put_attributes(value).get("SigningEnabled", False))


def list_identities(value: object) -> ListIdentities:
    """The command of a ListEmailIdentities body; a page of 0 is a page of the usual size."""
    given = _parse_list(value)
    wanted = given.get("Filter", {})
    for name, values in _FILTER_VALUES.items():
        if wanted.get(name, values[0]) not in values:
            raise BadRequest(f"The filter {name} must have one of the values [{', '.join(values)}].")
    return ListIdentities(
        page_size=given.get("PageSize") or DEFAULT_PAGE,
        next_token=given.get("NextToken"),
        name_contains=wanted.get("IDENTITY_NAME_CONTAINS"),
        status=wanted.get("VERIFICATION_STATUS"),
        kind=wanted.get("IDENTITY_TYPE"),
    )


def list_identities_by_query(parameters: dict[str, str]) -> ListIdentities:
    """The command of the older form, whose members stand in the query."""
    return list_identities(whole_of_query(parameters))


def whole_of_query(parameters: dict[str, str]) -> dict[str, object]:
    """The value of a body whose members, NextToken and PageSize, stand in the query."""
    value: dict[str, object] = {}
    if parameters.get("NextToken"):
        value["NextToken"] = parameters["NextToken"]
    size = parameters.get("PageSize", "")
    if size:
        if not (size.isascii() and size.removeprefix("-").isdigit() and len(size) <= 10):
            raise SerializationFailed("STRING_VALUE can not be converted to an Integer")
        value["PageSize"] = int(size)
    return value


def send_email(value: object) -> SendEmail:
    """The command of a SendEmail body; raises BadRequest for content that Mailseal does not serve."""
    given = _parse_send(value)
    content = given["Content"]
    kinds = [kind for kind in ("Simple", "Raw", "Template") if kind in content]
    if len(kinds) != 1:
        raise BadRequest("Content must hold exactly one of Simple, Raw and Template.")
    if kinds == ["Template"]:
        raise BadRequest("Mailseal does not serve templates.", hint="Send Simple or Raw content.")
    if "ListManagementOptions" in given:
        raise BadRequest("Mailseal does not serve contact lists.", hint="Leave ListManagementOptions out.")
    return SendEmail(
        simple=_simple(content["Simple"]) if "Simple" in content else None,
        raw=content["Raw"]["Data"] if "Raw" in content else None,
        from_address=given.get("FromEmailAddress"),
        destination=_recipients(given.get("Destination")),
        reply_to=given.get("ReplyToAddresses", ()),
        feedback_to=given.get("FeedbackForwardingEmailAddress"),
        configuration_set=given.get("ConfigurationSetName"),
        from_arn=given.get("FromEmailAddressIdentityArn"),
        feedback_arn=given.get("FeedbackForwardingEmailAddressIdentityArn"),
    )


def _dkim_input(given: dict[str, Any] | None) -> DkimAttributesInput | None:
    if given is None:
        return None
    length = given.get("NextSigningKeyLength")
    return DkimAttributesInput(
        selector=given.get("DomainSigningSelector"),
        private_key=given.get("DomainSigningPrivateKey"),
        next_key_bits=None if length is None else _KEY_BITS[length],
        origin=given.get("DomainSigningAttributesOrigin"),
    )


def _simple(given: dict[str, Any]) -> SimpleMessage:
    body = given["Body"]
    return SimpleMessage(
        subject=_text(given["Subject"]),
        text=_text(body["Text"]) if "Text" in body else None,
        html=_text(body["Html"]) if "Html" in body else None,
        headers=tuple((header["Name"], header["Value"]) for header in given.get("Headers", ())),
        attachments=tuple(_attachment(one) for one in given.get("Attachments", ())),
    )


def _attachment(given: dict[str, Any]) -> Attachment:
    return Attachment(
        content=given["RawContent"],
        file_name=given["FileName"],
        content_type=given.get("ContentType"),
        inline=given.get("ContentDisposition") == "INLINE",
        content_id=given.get("ContentId"),
        description=given.get("ContentDescription"),
        encoding=given.get("ContentTransferEncoding"),
    )


def _text(given: dict[str, Any]) -> TextContent:
    return TextContent(given["Data"], given.get("Charset") or "UTF-8")


def _recipients(given: dict[str, Any] | None) -> Recipients | None:
    if given is None:
        return None
    return Recipients(*(given.get(f"{field}Addresses", ()) for field in ("To", "Cc", "Bcc")))
