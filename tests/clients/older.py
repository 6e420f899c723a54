"""The part of the scenario in SES's older query API, for the clients that have it; one state behind both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.clients.story import TOKENS, V1, Like, Refused, Scene, Step, Tokens, World, proven

ANYTHING: Mapping[str, Any] = {}
NAMED = {"Identities": ["$old"]}
KEPT = Tokens("old_tokens")
RAW = "From: news@$old\r\nTo: you@example.net\r\nSubject: old raw of $slug\r\n\r\nhello\r\n"


def _step(
    name: str,
    operation: str,
    given: Mapping[str, Any],
    expect: Mapping[str, Any] | Refused = ANYTHING,
    keep: Mapping[str, str] = ANYTHING,
) -> Step:
    return Step(name, operation, given, expect, service=V1, keep=keep)


OLDER: tuple[Scene, ...] = (
    _step(
        "VerifyDomainIdentity",
        "VerifyDomainIdentity",
        {"Domain": "$old"},
        {"VerificationToken": Like(".{20,}")},
    ),
    _step(
        "VerifyDomainDkim",
        "VerifyDomainDkim",
        {"Domain": "$old"},
        {"DkimTokens": TOKENS},
        keep={"old_tokens": "DkimTokens"},
    ),
    _step("the same tokens when asked again", "VerifyDomainDkim", {"Domain": "$old"}, {"DkimTokens": KEPT}),
    _step(
        "GetIdentityDkimAttributes: Pending",
        "GetIdentityDkimAttributes",
        NAMED,
        {
            "DkimAttributes": {
                "$old": {"DkimEnabled": True, "DkimVerificationStatus": "Pending", "DkimTokens": KEPT}
            }
        },
    ),
    *proven("$old"),
    _step(
        "GetIdentityVerificationAttributes: Success",
        "GetIdentityVerificationAttributes",
        NAMED,
        {"VerificationAttributes": {"$old": {"VerificationStatus": "Success"}}},
    ),
    Step(
        "the newer API sees the same",
        "GetEmailIdentity",
        {"EmailIdentity": "$old"},
        {"DkimAttributes": {"Status": "SUCCESS", "Tokens": KEPT}},
    ),
    _step(
        "SendEmail",
        "SendEmail",
        {
            "Source": "news@$old",
            "Destination": {"ToAddresses": ["you@example.net"]},
            "Message": {"Subject": {"Data": "old of $slug"}, "Body": {"Text": {"Data": "Grüße"}}},
        },
        {"MessageId": Like(".+")},
    ),
    World("mail", {"subject": "old of $slug", "domain": "$old"}),
    _step("SendRawEmail", "SendRawEmail", {"RawMessage": {"Data": RAW}}, {"MessageId": Like(".+")}),
    World("mail", {"subject": "old raw of $slug", "domain": "$old"}),
    _step("SetIdentityDkimEnabled", "SetIdentityDkimEnabled", {"Identity": "$old", "DkimEnabled": False}),
    _step(
        "GetIdentityDkimAttributes: not enabled, yet Success",
        "GetIdentityDkimAttributes",
        NAMED,
        {"DkimAttributes": {"$old": {"DkimEnabled": False, "DkimVerificationStatus": "Success"}}},
    ),
    _step(
        "SetIdentityMailFromDomain",
        "SetIdentityMailFromDomain",
        {"Identity": "$old", "MailFromDomain": "bounce.$old", "BehaviorOnMXFailure": "UseDefaultValue"},
    ),
    _step(
        "GetIdentityMailFromDomainAttributes: Pending",
        "GetIdentityMailFromDomainAttributes",
        NAMED,
        {
            "MailFromDomainAttributes": {
                "$old": {"MailFromDomain": "bounce.$old", "MailFromDomainStatus": "Pending"}
            }
        },
    ),
    _step("VerifyEmailIdentity", "VerifyEmailIdentity", {"EmailAddress": "someone@$slug.example.org"}),
    _step("VerifyEmailAddress", "VerifyEmailAddress", {"EmailAddress": "other@$slug.example.org"}),
    _step("ListIdentities", "ListIdentities", {"IdentityType": "Domain"}, {"Identities": ["$old"]}),
    _step("GetSendQuota", "GetSendQuota", {}),
    _step(
        "an action that is not served says so",
        "CreateTemplate",
        {"Template": {"TemplateName": "t"}},
        Refused("InvalidAction", "Mailseal does not serve CreateTemplate."),
    ),
    _step("DeleteIdentity", "DeleteIdentity", {"Identity": "$old"}),
    _step("deleting what is gone succeeds, as with SES", "DeleteIdentity", {"Identity": "$old"}),
    _step("DeleteIdentity of an address", "DeleteIdentity", {"Identity": "someone@$slug.example.org"}),
    _step("and of the other", "DeleteIdentity", {"Identity": "other@$slug.example.org"}),
)
