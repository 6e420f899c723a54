"""What can be asked of us, as values: one command a use case, free of any wire format.

Rule: a command holds what the caller said, after types and constraints were checked and before anything
was compared with what is stored. Secrets do not appear in its repr.
References: AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest, AWS SESv2 CreateEmailIdentityRequest,
AWS SESv2 SendEmailRequest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Origin(StrEnum):
    """AWS SESv2 DkimSigningAttributesOrigin, without the replicas' `AWS_SES_<REGION>` values."""

    AWS_SES = "AWS_SES"
    EXTERNAL = "EXTERNAL"


@dataclass(frozen=True, slots=True)
class DkimAttributesInput:
    """AWS SESv2 DkimSigningAttributes as the caller sent it; None is a member that was absent."""

    selector: str | None = None
    private_key: str | None = field(default=None, repr=False)
    next_key_bits: int | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """AWS SESv2 Tag."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class CreateIdentity:
    """AWS SESv2 CreateEmailIdentityRequest."""

    name: str
    dkim: DkimAttributesInput | None = None
    tags: tuple[Tag, ...] = ()
    configuration_set: str | None = None


@dataclass(frozen=True, slots=True)
class PutDkimSigning:
    """AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest."""

    name: str
    origin: str
    dkim: DkimAttributesInput | None = None


@dataclass(frozen=True, slots=True)
class PutDkimAttributes:
    """AWS SESv2 PutEmailIdentityDkimAttributesRequest."""

    name: str
    signing_enabled: bool


@dataclass(frozen=True, slots=True)
class ListIdentities:
    """AWS SESv2 ListEmailIdentitiesRequest; filters are None where absent."""

    page_size: int = 100
    next_token: str | None = None
    name_contains: str | None = None
    status: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Recipients:
    """AWS SESv2 Destination: addresses as written."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Every recipient, in the order To, Cc, Bcc."""
        return self.to + self.cc + self.bcc


@dataclass(frozen=True, slots=True)
class TextContent:
    """AWS SESv2 Content: data and its charset, UTF-8 where none was named."""

    data: str
    charset: str = "UTF-8"


@dataclass(frozen=True, slots=True)
class Attachment:
    """AWS SESv2 Attachment; None is a member that was absent."""

    content: bytes = field(repr=False)
    file_name: str
    content_type: str | None = None
    inline: bool = False
    content_id: str | None = None
    description: str | None = None
    encoding: str | None = None
    """AWS SESv2 AttachmentContentTransferEncoding."""


@dataclass(frozen=True, slots=True)
class SimpleMessage:
    """AWS SESv2 Message: what Mailseal composes into RFC 5322 bytes."""

    subject: TextContent
    text: TextContent | None = None
    html: TextContent | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class SendEmail:
    """AWS SESv2 SendEmailRequest with exactly one of `simple` and `raw`."""

    simple: SimpleMessage | None = None
    raw: bytes | None = field(default=None, repr=False)
    from_address: str | None = None
    destination: Recipients | None = None
    reply_to: tuple[str, ...] = ()
    feedback_to: str | None = None
    configuration_set: str | None = None
    from_arn: str | None = None
    feedback_arn: str | None = None
