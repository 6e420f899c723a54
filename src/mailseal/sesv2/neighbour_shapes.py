"""What the operations on an identity's neighbours take: members described, and the commands that they make.

Rule: as in `shapes`. What a tag may be is judged by the core, in the order that SES has.
References: AWS SESv2 PutEmailIdentityFeedbackAttributesRequest,
AWS SESv2 PutEmailIdentityMailFromAttributesRequest,
AWS SESv2 PutEmailIdentityConfigurationSetAttributesRequest, AWS SESv2 CreateEmailIdentityPolicyRequest,
AWS SESv2 TagResourceRequest, AWS SESv2 UntagResourceRequest, AWS SESv2 CreateConfigurationSetRequest,
AWS SESv2 ListConfigurationSetsRequest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailseal.core.attributes import PutConfigurationSet, PutFeedback
from mailseal.core.configsets import ConfigurationSet, ListConfigurationSets
from mailseal.core.mailfrom import MxFailure, PutMailFrom
from mailseal.core.policies import PutPolicy
from mailseal.core.tagging import TagResource, UntagResource
from mailseal.sesv2.members import Choice, Flag, ListOf, MapOf, Member, Structure, Text, Whole, parser
from mailseal.sesv2.shapes import TAG, tags_of, whole_of_query

_ON_OFF = Choice(("ENABLED", "DISABLED"))
_RESOURCE_ARN = Member("ResourceArn", Text(shortest=1), required=True)

PUT_FEEDBACK = Structure((Member("EmailForwardingEnabled", Flag()),))
# SES's own text names the two in the order of the alphabet.
PUT_MAIL_FROM = Structure(
    (
        Member("MailFromDomain", Text()),
        Member("BehaviorOnMxFailure", Choice(("REJECT_MESSAGE", "USE_DEFAULT_VALUE"))),
    )
)
PUT_CONFIGURATION_SET = Structure((Member("ConfigurationSetName", Text()),))
_POLICY_NAME = Member("PolicyName", Text(1, 64), required=True)
PUT_POLICY = Structure((_POLICY_NAME, Member("Policy", Text(shortest=1), required=True)))
DELETE_POLICY = Structure((_POLICY_NAME,))
TAG_RESOURCE = Structure((_RESOURCE_ARN, Member("Tags", ListOf(TAG), required=True)))
UNTAG_RESOURCE = Structure((_RESOURCE_ARN, Member("TagKeys", ListOf(Text()), required=True)))
LIST_TAGS = Structure((_RESOURCE_ARN,))
_ARCHIVE = (
    "arn:(aws|aws-[a-z-]+):ses:[a-z]{2,4}-[a-z-]+-[0-9]:[0-9]{1,20}:mailmanager-archive/a-[a-z0-9]{24,62}"
)
_VERDICT = Member("ConfidenceVerdictThreshold", Choice(("MEDIUM", "HIGH", "MANAGED")), required=True)
_THRESHOLD = Structure(
    (
        Member("ConditionThresholdEnabled", _ON_OFF, required=True),
        Member("OverallConfidenceThreshold", Structure((_VERDICT,))),
    )
)
_SIGNING_SCHEME = Structure(
    (
        Member("DefaultScheme", Structure(())),
        Member("SmimeScheme", Structure((Member("SignatureFormat", Choice(("DETACHED",))),))),
    )
)
_OPTIONS = (
    Member(
        "TrackingOptions",
        Structure(
            (
                Member("CustomRedirectDomain", Text(), required=True),
                Member("HttpsPolicy", Choice(("REQUIRE", "REQUIRE_OPEN_ONLY", "OPTIONAL"))),
            )
        ),
    ),
    Member(
        "DeliveryOptions",
        Structure(
            (
                Member("TlsPolicy", Choice(("REQUIRE", "OPTIONAL"))),
                Member("SendingPoolName", Text()),
                Member("MaxDeliverySeconds", Whole(300, 50400)),
            )
        ),
    ),
    Member("ReputationOptions", Structure((Member("ReputationMetricsEnabled", Flag()),))),
    Member("SendingOptions", Structure((Member("SendingEnabled", Flag()),))),
    Member(
        "SuppressionOptions",
        Structure(
            (
                Member("SuppressedReasons", ListOf(Choice(("BOUNCE", "COMPLAINT")))),
                Member("SuppressionScope", Choice(("ACCOUNT", "TENANT"))),
                Member("ValidationOptions", Structure((Member("ConditionThreshold", _THRESHOLD, True),))),
            )
        ),
    ),
    Member(
        "VdmOptions",
        Structure(
            (
                Member("DashboardOptions", Structure((Member("EngagementMetrics", _ON_OFF),))),
                Member("GuardianOptions", Structure((Member("OptimizedSharedDelivery", _ON_OFF),))),
            )
        ),
    ),
    Member("ArchivingOptions", Structure((Member("ArchiveArn", Text(20, 1011, _ARCHIVE)),))),
    Member("MessageSecurityOptions", Structure((Member("SigningScheme", _SIGNING_SCHEME),))),
)
CREATE_CONFIGURATION_SET = Structure(
    (Member("ConfigurationSetName", Text(), required=True), *_OPTIONS, Member("Tags", ListOf(TAG)))
)
LIST_CONFIGURATION_SETS = Structure(
    (
        Member("Filter", MapOf(Choice(("CONFIGURATION_SET_NAME_CONTAINS",)), Text(shortest=1))),
        Member("NextToken", Text()),
        Member("PageSize", Whole()),
    )
)

_parse_feedback = parser(PUT_FEEDBACK)
_parse_mail_from = parser(PUT_MAIL_FROM)
_parse_configuration_set = parser(PUT_CONFIGURATION_SET)
_parse_policy = parser(PUT_POLICY)
_parse_policy_name = parser(DELETE_POLICY)
_parse_tag = parser(TAG_RESOURCE)
_parse_untag = parser(UNTAG_RESOURCE)
_parse_list_tags = parser(LIST_TAGS)
_parse_create_set = parser(CREATE_CONFIGURATION_SET)
_parse_list_sets = parser(LIST_CONFIGURATION_SETS)


def put_feedback(name: str, value: object) -> PutFeedback:
    """The command of a PutEmailIdentityFeedbackAttributes body; an absent member is false, as with SES."""
    return PutFeedback(name, _parse_feedback(value).get("EmailForwardingEnabled", False))


def put_mail_from(name: str, value: object) -> PutMailFrom:
    """The command of a PutEmailIdentityMailFromAttributes body."""
    given = _parse_mail_from(value)
    wish = given.get("BehaviorOnMxFailure")
    return PutMailFrom(name, given.get("MailFromDomain"), None if wish is None else MxFailure(wish))


def put_configuration_set(name: str, value: object) -> PutConfigurationSet:
    """The command of a PutEmailIdentityConfigurationSetAttributes body."""
    return PutConfigurationSet(name, _parse_configuration_set(value).get("ConfigurationSetName"))


def put_policy(name: str, policy_name: str, value: object) -> PutPolicy:
    """The command of a CreateEmailIdentityPolicy or UpdateEmailIdentityPolicy body."""
    members = value | {"PolicyName": policy_name} if isinstance(value, dict) else value
    return PutPolicy(name, policy_name, _parse_policy(members)["Policy"])


def policy_name(text: str) -> str:
    """The policy's name in a path, its length checked."""
    return str(_parse_policy_name({"PolicyName": text})["PolicyName"])


def tag_resource(value: object) -> TagResource:
    """The command of a TagResource body."""
    given = _parse_tag(value)
    return TagResource(given["ResourceArn"], tags_of(given))


def untag_resource(pairs: Sequence[tuple[str, str]]) -> UntagResource:
    """The command of an UntagResource query, in which each key is a parameter of its own."""
    keys = [value for name, value in pairs if name == "TagKeys"]
    given = _parse_untag(_of_query(pairs) | ({"TagKeys": keys} if keys else {}))
    return UntagResource(given["ResourceArn"], given["TagKeys"])


def list_tags(pairs: Sequence[tuple[str, str]]) -> str:
    """The ARN of a ListTagsForResource query."""
    return str(_parse_list_tags(_of_query(pairs))["ResourceArn"])


def _of_query(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {name: value for name, value in reversed(pairs) if name == "ResourceArn"}


def create_configuration_set(value: object) -> ConfigurationSet:
    """The configuration set that a CreateConfigurationSet body asks for."""
    given = _parse_create_set(value)
    options = {member.name: given[member.name] for member in _OPTIONS if member.name in given}
    return ConfigurationSet(given["ConfigurationSetName"], options, tags_of(given))


def list_configuration_sets(value: object) -> ListConfigurationSets:
    """The command of a ListConfigurationSets body."""
    given = _parse_list_sets(value)
    contains = given.get("Filter", {}).get("CONFIGURATION_SET_NAME_CONTAINS")
    return ListConfigurationSets(given.get("PageSize"), given.get("NextToken") or None, contains)


def list_configuration_sets_by_query(parameters: dict[str, str]) -> ListConfigurationSets:
    """The command of the older form, whose members stand in the query."""
    return list_configuration_sets(whole_of_query(parameters))
