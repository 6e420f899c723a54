"""The scenario that every client plays: each operation that Mailseal serves, with what SES answers to it.

Rule: data only. What is expected is from docs/divergences.md and the golden answers; a step's name is a
sentence of the table in docs/clients.md.
"""

from __future__ import annotations

from tests.clients.attributes import ATTRIBUTES
from tests.clients.older import OLDER
from tests.clients.sending import SENDING
from tests.clients.story import ABSENT, MOMENT, TOKENS, Has, Like, Refused, Scene, Step, Tokens, proven

ELSEWHERE = "eu-west-1"
NAME = {"EmailIdentity": "$domain"}
EASY_LENGTHS = {
    "SigningAttributesOrigin": "AWS_SES",
    "NextSigningKeyLength": "RSA_2048_BIT",
    "CurrentSigningKeyLength": "RSA_2048_BIT",
    "LastKeyGenerationTimestamp": MOMENT,
    "SigningHostedZone": "$zone",
}
NO_LENGTHS = {
    "NextSigningKeyLength": ABSENT,
    "CurrentSigningKeyLength": ABSENT,
    "LastKeyGenerationTimestamp": ABSENT,
    "SigningHostedZone": ABSENT,
}
KEPT = Tokens("tokens")

EASY: tuple[Scene, ...] = (
    Step(
        "a domain is created with Easy DKIM",
        "CreateEmailIdentity",
        {**NAME, "Tags": [{"Key": "team", "Value": "a"}]},
        {
            "IdentityType": "DOMAIN",
            "VerifiedForSendingStatus": False,
            "DkimAttributes": {
                "SigningEnabled": True,
                "Status": "NOT_STARTED",
                "Tokens": TOKENS,
                **EASY_LENGTHS,
            },
        },
        keep={"tokens": "DkimAttributes.Tokens"},
    ),
    Step(
        "it is there at once, PENDING",
        "GetEmailIdentity",
        NAME,
        {
            "IdentityType": "DOMAIN",
            "VerifiedForSendingStatus": False,
            "FeedbackForwardingStatus": True,
            "DkimAttributes": {"SigningEnabled": True, "Status": "PENDING", "Tokens": KEPT, **EASY_LENGTHS},
            "MailFromAttributes": {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE", "MailFromDomain": ABSENT},
            "Policies": {},
            "Tags": [{"Key": "team", "Value": "a"}],
            "VerificationStatus": "PENDING",
            "ConfigurationSetName": ABSENT,
        },
    ),
    Step(
        "creating it again is refused",
        "CreateEmailIdentity",
        NAME,
        Refused("AlreadyExistsException", "Email identity $domain already exist."),
    ),
    Step(
        "an unknown identity is not found",
        "GetEmailIdentity",
        {"EmailIdentity": "nobody.$domain"},
        Refused("NotFoundException", "Email identity nobody.$domain does not exist.", 404),
    ),
    Step(
        "a name with a slash in it is one name",
        "GetEmailIdentity",
        {"EmailIdentity": "a/b+c@$domain"},
        Refused("BadRequestException", Like(".*slash.*")),
    ),
    *proven("$domain"),
    Step(
        "its records are seen: SUCCESS",
        "GetEmailIdentity",
        NAME,
        {
            "VerifiedForSendingStatus": True,
            "DkimAttributes": {"Status": "SUCCESS", "Tokens": KEPT},
            "VerificationStatus": "SUCCESS",
            "VerificationInfo": {
                "LastCheckedTimestamp": MOMENT,
                "LastSuccessTimestamp": MOMENT,
                "ErrorType": ABSENT,
            },
        },
    ),
    Step("signing is switched off", "PutEmailIdentityDkimAttributes", {**NAME, "SigningEnabled": False}),
    Step(
        "off is not unverified",
        "GetEmailIdentity",
        NAME,
        {"DkimAttributes": {"SigningEnabled": False, "Status": "SUCCESS"}},
    ),
    Step("and on again", "PutEmailIdentityDkimAttributes", {**NAME, "SigningEnabled": True}),
    Step(
        "the switch of an unknown domain is refused",
        "PutEmailIdentityDkimAttributes",
        {"EmailIdentity": "nobody.$domain", "SigningEnabled": True},
        Refused("BadRequestException", "Domain nobody.$domain is not verified for DKIM signing."),
    ),
)

SIGNING = "PutEmailIdentityDkimSigningAttributes"
OWN = {"DomainSigningSelector": "mine", "DomainSigningPrivateKey": "$own_key"}
KEYS: tuple[Scene, ...] = (
    Step(
        "the key length in use is refused",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "AWS_SES",
            "SigningAttributes": {"NextSigningKeyLength": "RSA_2048_BIT"},
        },
        Refused("BadRequestException", Like(".*")),
    ),
    Step(
        "1024 bits instead of 2048, the tokens stay",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "AWS_SES",
            "SigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"},
        },
        {"DkimStatus": "PENDING", "DkimTokens": KEPT, "SigningHostedZone": "$zone"},
    ),
    Step(
        "2048 bits again on the same day is refused",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "AWS_SES",
            "SigningAttributes": {"NextSigningKeyLength": "RSA_2048_BIT"},
        },
        Refused("BadRequestException", Like(".*")),
    ),
    Step(
        "the coming length is told",
        "GetEmailIdentity",
        NAME,
        {"DkimAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}, "VerificationStatus": "SUCCESS"},
    ),
    Step(
        "an own key",
        SIGNING,
        {**NAME, "SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": OWN},
        {"DkimStatus": "PENDING", "DkimTokens": ["mine"], "SigningHostedZone": ABSENT},
    ),
    Step(
        "no key length and no hosted zone are told of it",
        "GetEmailIdentity",
        NAME,
        {
            "DkimAttributes": {
                "SigningAttributesOrigin": "EXTERNAL",
                "Tokens": ["mine"],
                "Status": "PENDING",
                **NO_LENGTHS,
            },
            "VerifiedForSendingStatus": True,
        },
    ),
    Step(
        "PEM lines are refused, and the sentence says what to send",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "EXTERNAL",
            "SigningAttributes": {**OWN, "DomainSigningPrivateKey": "$pem_lines"},
        },
        Refused("BadRequestException", Like("1 validation error detected: .*regular expression.*")),
    ),
    Step(
        "a key of 3072 bits is refused",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "EXTERNAL",
            "SigningAttributes": {**OWN, "DomainSigningPrivateKey": "$long_key"},
        },
        Refused("BadRequestException", Like(".*2048.*")),
    ),
    Step(
        "a selector of two labels is refused",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "EXTERNAL",
            "SigningAttributes": {**OWN, "DomainSigningSelector": "a.b"},
        },
        Refused("BadRequestException", Like(".*'signingAttributes.domainSigningSelector'.*")),
    ),
    Step(
        "a selector without its key is refused",
        SIGNING,
        {
            **NAME,
            "SigningAttributesOrigin": "EXTERNAL",
            "SigningAttributes": {"DomainSigningSelector": "mine"},
        },
        Refused("BadRequestException", Like(".*")),
    ),
    Step(
        "an address has no signing setting of its own",
        SIGNING,
        {"EmailIdentity": "someone@$domain", "SigningAttributesOrigin": "AWS_SES"},
        Refused("BadRequestException", "The EmailIdentity value must be a valid domain."),
    ),
    Step(
        "back to Easy DKIM, the tokens are the same",
        SIGNING,
        {**NAME, "SigningAttributesOrigin": "AWS_SES"},
        {"DkimTokens": KEPT, "SigningHostedZone": "$zone"},
    ),
    Step(
        "a domain is created with an own key, PKCS#1",
        "CreateEmailIdentity",
        {
            "EmailIdentity": "$other",
            "DkimSigningAttributes": {
                "DomainSigningSelector": "own-1",
                "DomainSigningPrivateKey": "$own_key_1",
            },
        },
        {
            "DkimAttributes": {
                "Status": "NOT_STARTED",
                "Tokens": ["own-1"],
                "SigningAttributesOrigin": "EXTERNAL",
                **NO_LENGTHS,
            }
        },
    ),
)

REPLICA = "a replica in another region has the parent's tokens"
REPLICAS: tuple[Scene, ...] = (
    Step(
        REPLICA,
        "CreateEmailIdentity",
        {**NAME, "DkimSigningAttributes": {"DomainSigningAttributesOrigin": "AWS_SES_US_EAST_1"}},
        {"DkimAttributes": {"Tokens": KEPT, "SigningAttributesOrigin": "AWS_SES_US_EAST_1"}},
        region=ELSEWHERE,
    ),
    Step(
        "a parent with a replica cannot be deleted",
        "DeleteEmailIdentity",
        NAME,
        Refused("BadRequestException", Like(".*eu-west-1.*")),
        after=(REPLICA,),
    ),
    Step("the replica is deleted", "DeleteEmailIdentity", NAME, region=ELSEWHERE, after=(REPLICA,)),
)

ROW = {"IdentityType": "DOMAIN", "IdentityName": "$domain", "SendingEnabled": True}
LISTS: tuple[Scene, ...] = (
    Step(
        "the list has both domains",
        "ListEmailIdentities",
        {},
        {
            "EmailIdentities": Has(
                (
                    {**ROW, "VerificationStatus": "SUCCESS"},
                    {"IdentityName": "$other", "SendingEnabled": False, "VerificationStatus": "PENDING"},
                )
            ),
            "NextToken": ABSENT,
        },
    ),
    Step(
        "a page of one, and the token of the next",
        "ListEmailIdentities",
        {"PageSize": 1},
        {"EmailIdentities": [{"IdentityName": "$other"}], "NextToken": Like(".+")},
        keep={"next": "NextToken"},
    ),
    Step(
        "the next page",
        "ListEmailIdentities",
        {"PageSize": 1, "NextToken": "$next"},
        {"EmailIdentities": [{"IdentityName": "$domain"}]},
    ),
    Step(
        "a token of nobody's is refused",
        "ListEmailIdentities",
        {"NextToken": "bm9ib2R5"},
        Refused("BadRequestException", Like(".*")),
    ),
    Step(
        "the list by a part of the name",
        "ListEmailIdentities",
        {"Filter": {"IDENTITY_NAME_CONTAINS": "-OTHER"}},
        {"EmailIdentities": [{"IdentityName": "$other"}]},
    ),
    Step(
        "the list by status",
        "ListEmailIdentities",
        {"Filter": {"VERIFICATION_STATUS": "SUCCESS", "IDENTITY_TYPE": "DOMAIN"}},
        {"EmailIdentities": [ROW]},
    ),
)

END: tuple[Scene, ...] = (
    Step(
        "an operation that is not Mailseal's business says so",
        "CreateContactList",
        {"ContactListName": "friends"},
        Refused("BadRequestException", Like("Mailseal does not serve CreateContactList.*")),
    ),
    Step("a domain is deleted", "DeleteEmailIdentity", {"EmailIdentity": "$other"}),
    Step(
        "it is gone at once",
        "GetEmailIdentity",
        {"EmailIdentity": "$other"},
        Refused("NotFoundException", "Email identity $other does not exist.", 404),
    ),
    Step(
        "deleting it again is not found",
        "DeleteEmailIdentity",
        {"EmailIdentity": "$other"},
        Refused("NotFoundException", "Email identity $other does not exist.", 404),
    ),
    Step("the first domain is deleted", "DeleteEmailIdentity", NAME),
    Step(
        "created again it has the same tokens",
        "CreateEmailIdentity",
        NAME,
        {"DkimAttributes": {"Tokens": KEPT, "Status": "NOT_STARTED"}},
    ),
    Step("and is deleted again", "DeleteEmailIdentity", NAME),
)

SECTIONS: dict[str, tuple[Scene, ...]] = {
    "Easy DKIM": EASY,
    "Sending": SENDING,
    "Keys": KEYS,
    "Replicas": REPLICAS,
    "Lists": LISTS,
    **ATTRIBUTES,
    "The end": END,
}
OLDER_TITLE = "The query API of 2010"
SCENARIO: tuple[Scene, ...] = tuple(scene for section in SECTIONS.values() for scene in section)
BOTH_APIS = (*SCENARIO, *OLDER)
"""For clients that have the older API, too."""
