"""The parts of the scenario about what stands beside an identity's DKIM, and about addresses."""

from __future__ import annotations

from tests.clients.story import ABSENT, Has, Like, Refused, Scene, Step, Tokens, World

NAME = {"EmailIdentity": "$domain"}
NOBODY = {"EmailIdentity": "nobody.$domain"}
ARN = "arn:aws:ses:us-east-1:$account:identity/$domain"
DEFAULT_MAIL_FROM = {
    "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
    "MailFromDomain": ABSENT,
    "MailFromDomainStatus": ABSENT,
}

FEEDBACK: tuple[Scene, ...] = (
    Step(
        "bounces are not forwarded any more",
        "PutEmailIdentityFeedbackAttributes",
        {**NAME, "EmailForwardingEnabled": False},
    ),
    Step("that is told", "GetEmailIdentity", NAME, {"FeedbackForwardingStatus": False}),
    Step(
        "and they are again",
        "PutEmailIdentityFeedbackAttributes",
        {**NAME, "EmailForwardingEnabled": True},
    ),
    Step(
        "feedback of an unknown identity is refused",
        "PutEmailIdentityFeedbackAttributes",
        {**NOBODY, "EmailForwardingEnabled": True},
        Refused(
            "BadRequestException",
            "Identity nobody.$domain is invalid. Must be a verified email address or domain.",
        ),
    ),
)

MAIL_FROM: tuple[Scene, ...] = (
    Step(
        "a MAIL FROM domain is set",
        "PutEmailIdentityMailFromAttributes",
        {**NAME, "MailFromDomain": "bounce.$domain", "BehaviorOnMxFailure": "REJECT_MESSAGE"},
    ),
    Step(
        "it is PENDING",
        "GetEmailIdentity",
        NAME,
        {
            "MailFromAttributes": {
                "MailFromDomain": "bounce.$domain",
                "MailFromDomainStatus": "PENDING",
                "BehaviorOnMxFailure": "REJECT_MESSAGE",
            }
        },
    ),
    Step(
        "a behaviour that does not exist is refused",
        "PutEmailIdentityMailFromAttributes",
        {**NAME, "MailFromDomain": "bounce.$domain", "BehaviorOnMxFailure": "SHRUG"},
        Refused(
            "BadRequestException",
            "1 validation error detected: Value at 'behaviorOnMxFailure' failed to satisfy constraint: "
            "Member must satisfy enum value set: [REJECT_MESSAGE, USE_DEFAULT_VALUE]",
        ),
    ),
    Step(
        "of an unknown identity it is refused",
        "PutEmailIdentityMailFromAttributes",
        {**NOBODY, "MailFromDomain": "bounce.nobody.$domain"},
        Refused("BadRequestException", "Identity <nobody.$domain> does not exist."),
    ),
    Step("it is taken away", "PutEmailIdentityMailFromAttributes", NAME),
    Step("and nothing of it is left", "GetEmailIdentity", NAME, {"MailFromAttributes": DEFAULT_MAIL_FROM}),
)

SET = "$slug-set"
SETS: tuple[Scene, ...] = (
    Step(
        "a configuration set is created",
        "CreateConfigurationSet",
        {
            "ConfigurationSetName": SET,
            "SendingOptions": {"SendingEnabled": True},
            "Tags": [{"Key": "team", "Value": "a"}],
        },
    ),
    Step(
        "it is there",
        "GetConfigurationSet",
        {"ConfigurationSetName": SET},
        {
            "ConfigurationSetName": SET,
            "SendingOptions": {"SendingEnabled": True},
            "Tags": [{"Key": "team", "Value": "a"}],
        },
    ),
    Step(
        "creating the set again is refused",
        "CreateConfigurationSet",
        {"ConfigurationSetName": SET},
        Refused("AlreadyExistsException", Like(".*$slug-set.*")),
    ),
    Step("the sets are listed", "ListConfigurationSets", {}, {"ConfigurationSets": [SET]}),
    Step(
        "the identity uses it",
        "PutEmailIdentityConfigurationSetAttributes",
        {**NAME, "ConfigurationSetName": SET},
    ),
    Step("that the set is used is told", "GetEmailIdentity", NAME, {"ConfigurationSetName": SET}),
    Step(
        "an unknown set is refused",
        "PutEmailIdentityConfigurationSetAttributes",
        {**NAME, "ConfigurationSetName": "none"},
        Refused("NotFoundException", "Configuration set <none> does not exist.", 404),
    ),
    Step(
        "an identity with an unknown set is not created",
        "CreateEmailIdentity",
        {"EmailIdentity": "third.$domain", "ConfigurationSetName": "none"},
        Refused("NotFoundException", "Configuration set <none> does not exist.", 404),
    ),
    Step("the set is taken away", "PutEmailIdentityConfigurationSetAttributes", NAME),
    Step("that no set is used is told", "GetEmailIdentity", NAME, {"ConfigurationSetName": ABSENT}),
    Step("the set is deleted", "DeleteConfigurationSet", {"ConfigurationSetName": SET}),
    Step(
        "the set is gone",
        "GetConfigurationSet",
        {"ConfigurationSetName": SET},
        Refused("NotFoundException", Like("Configuration set <$slug-set> does not exist.*"), 404),
    ),
)

POLICY = {**NAME, "PolicyName": "partner"}
STATEMENT = '{"Version":"2012-10-17","Statement":[]}'
POLICIES: tuple[Scene, ...] = (
    Step(
        "a policy is added",
        "CreateEmailIdentityPolicy",
        {**POLICY, "Policy": '{ "Version": "2012-10-17", "Statement": [] }'},
    ),
    Step(
        "it is told, without its blanks",
        "GetEmailIdentityPolicies",
        NAME,
        {"Policies": {"partner": STATEMENT}},
    ),
    Step("and with the identity", "GetEmailIdentity", NAME, {"Policies": {"partner": STATEMENT}}),
    Step(
        "adding the policy again is refused",
        "CreateEmailIdentityPolicy",
        {**POLICY, "Policy": STATEMENT},
        Refused("AlreadyExistsException", "Policy <partner> already exists"),
    ),
    Step(
        "a policy is changed",
        "UpdateEmailIdentityPolicy",
        {**POLICY, "Policy": '{"Version":"2008-10-17","Statement":[]}'},
    ),
    Step(
        "a policy that is no JSON is refused",
        "UpdateEmailIdentityPolicy",
        {**POLICY, "Policy": "{"},
        Refused("BadRequestException", Like(".+")),
    ),
    Step("a policy is deleted", "DeleteEmailIdentityPolicy", POLICY),
    Step(
        "deleting the policy again is not found",
        "DeleteEmailIdentityPolicy",
        POLICY,
        Refused("NotFoundException", "Policy <partner> does not exist", 404),
    ),
)

TAGS: tuple[Scene, ...] = (
    Step(
        "tags are added",
        "TagResource",
        {"ResourceArn": ARN, "Tags": [{"Key": "team", "Value": "b"}, {"Key": "cost/centre", "Value": ""}]},
    ),
    Step(
        "they are listed",
        "ListTagsForResource",
        {"ResourceArn": ARN},
        {"Tags": Has(({"Key": "team", "Value": "b"}, {"Key": "cost/centre", "Value": ""}), alone=True)},
    ),
    Step("two are removed", "UntagResource", {"ResourceArn": ARN, "TagKeys": ["cost/centre", "team"]}),
    Step("none is left", "ListTagsForResource", {"ResourceArn": ARN}, {"Tags": []}),
    Step(
        "a tag of AWS's own is refused",
        "TagResource",
        {"ResourceArn": ARN, "Tags": [{"Key": "aws:x", "Value": "y"}]},
        Refused("BadRequestException", Like(".+")),
    ),
    Step(
        "the ARN of another region is refused",
        "TagResource",
        {"ResourceArn": ARN.replace("us-east-1", "eu-west-1"), "Tags": [{"Key": "a", "Value": "b"}]},
        Refused("BadRequestException", Like("Failed to tag resource.*")),
    ),
    Step(
        "the tags of an unknown identity are not found",
        "ListTagsForResource",
        {"ResourceArn": ARN.replace("$domain", "nobody.$domain")},
        Refused("NotFoundException", Like(".*"), 404),
    ),
)

ACCOUNT: tuple[Scene, ...] = (
    Step(
        "the account may send",
        "GetAccount",
        {},
        {"SendingEnabled": True, "ProductionAccessEnabled": True, "EnforcementStatus": "HEALTHY"},
    ),
)

ADDRESS = {"EmailIdentity": "Someone+x@$domain"}
LONELY = {"EmailIdentity": "lonely@$slug.example.net"}
ADDRESSES: tuple[Scene, ...] = (
    Step(
        "an address is created, and has no DKIM of its own",
        "CreateEmailIdentity",
        LONELY,
        {"IdentityType": "EMAIL_ADDRESS", "VerifiedForSendingStatus": False, "DkimAttributes": ABSENT},
    ),
    Step(
        "it waits for its owner",
        "GetEmailIdentity",
        LONELY,
        {
            "IdentityType": "EMAIL_ADDRESS",
            "VerifiedForSendingStatus": False,
            "DkimAttributes": {
                "SigningEnabled": False,
                "Status": "NOT_STARTED",
                "SigningAttributesOrigin": "AWS_SES",
                "NextSigningKeyLength": "RSA_1024_BIT",
                "CurrentSigningKeyLength": ABSENT,
                "LastKeyGenerationTimestamp": ABSENT,
            },
            "VerificationStatus": "PENDING",
            "FeedbackForwardingStatus": True,
            "MailFromAttributes": DEFAULT_MAIL_FROM,
        },
    ),
    World("follow_link", {"address": "lonely@$slug.example.net"}),
    Step(
        "its owner has pressed the button",
        "GetEmailIdentity",
        LONELY,
        {"VerifiedForSendingStatus": True, "VerificationStatus": "SUCCESS"},
    ),
    Step(
        "an address of the domain has the domain's DKIM",
        "CreateEmailIdentity",
        ADDRESS,
        {"IdentityType": "EMAIL_ADDRESS"},
    ),
    Step(
        "and its tokens",
        "GetEmailIdentity",
        ADDRESS,
        {"DkimAttributes": {"SigningEnabled": True, "Tokens": Tokens("tokens")}},
    ),
    Step(
        "signing is switched off for the address",
        "PutEmailIdentityDkimAttributes",
        {**ADDRESS, "SigningEnabled": False},
    ),
    Step("off for it", "GetEmailIdentity", ADDRESS, {"DkimAttributes": {"SigningEnabled": False}}),
    Step("and on for the domain", "GetEmailIdentity", NAME, {"DkimAttributes": {"SigningEnabled": True}}),
    Step(
        "the switch of an address without a domain is refused",
        "PutEmailIdentityDkimAttributes",
        {**LONELY, "SigningEnabled": True},
        Refused("BadRequestException", "Domain $slug.example.net is not verified for DKIM signing."),
    ),
    Step(
        "addresses and domains are in one list",
        "ListEmailIdentities",
        {},
        {
            "EmailIdentities": Has(
                (
                    {"IdentityType": "DOMAIN", "IdentityName": "$domain"},
                    {
                        "IdentityType": "EMAIL_ADDRESS",
                        "IdentityName": "lonely@$slug.example.net",
                        "SendingEnabled": True,
                    },
                )
            )
        },
    ),
    Step("an address is deleted", "DeleteEmailIdentity", LONELY),
    Step("and the other", "DeleteEmailIdentity", ADDRESS),
)

ATTRIBUTES: dict[str, tuple[Scene, ...]] = {
    "Feedback": FEEDBACK,
    "MAIL FROM": MAIL_FROM,
    "Configuration sets": SETS,
    "Policies": POLICIES,
    "Tags": TAGS,
    "The account": ACCOUNT,
    "Addresses": ADDRESSES,
}
