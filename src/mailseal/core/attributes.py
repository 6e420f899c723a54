"""What stands beside an identity, whatever its kind: attributes, MAIL FROM domain and policies.

Rule: kept under (account, region, name) and never part of the identity itself, so that domains and addresses
share them; an identity for which nothing was set has the defaults, without a row anywhere.
References: AWS SESv2 GetEmailIdentityResponse, AWS SESv2 PutEmailIdentityFeedbackAttributesRequest,
AWS SESv2 PutEmailIdentityConfigurationSetAttributesRequest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailseal.core.commands import Tag
from mailseal.core.mailfrom import MailFrom


@dataclass(frozen=True, slots=True)
class Attributes:
    """What may be set for an identity besides DKIM and MAIL FROM."""

    feedback_forwarding: bool = True
    configuration_set: str | None = None
    tags: tuple[Tag, ...] = ()


DEFAULTS = Attributes()


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Everything beside one identity; policies by their names."""

    attributes: Attributes = DEFAULTS
    mail_from: MailFrom | None = None
    policies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutFeedback:
    """AWS SESv2 PutEmailIdentityFeedbackAttributesRequest."""

    name: str
    forwarding: bool


@dataclass(frozen=True, slots=True)
class PutConfigurationSet:
    """AWS SESv2 PutEmailIdentityConfigurationSetAttributesRequest; None takes the identity's away."""

    name: str
    configuration_set: str | None
