"""What the clients that are more than an SDK play: django-anymail's mails, and Terraform's resources.

Rule: data only, as scenario.py.
"""

from __future__ import annotations

from tests.clients.story import Like, Refused, Scene, Step, World, proven

MAIL = {"from_email": "News <news@$domain>", "to": ["you@example.net"], "body": "Grüße\n"}
SENT = {"MessageId": Like(".+"), "status": ["queued"]}

ANYMAIL: tuple[Scene, ...] = (
    Step("a domain is created", "CreateEmailIdentity", {"EmailIdentity": "$domain"}),
    *proven("$domain"),
    Step("a mail of text", "SendEmail", {**MAIL, "subject": "text of $slug"}, SENT),
    World("mail", {"subject": "text of $slug", "domain": "$domain", "parts": "text/plain"}),
    Step("text and HTML", "SendEmail", {**MAIL, "subject": "both of $slug", "html": "<p>Grüße</p>"}, SENT),
    World("mail", {"subject": "both of $slug", "domain": "$domain", "parts": "text/plain text/html"}),
    Step(
        "an attachment, copies, an answer address, a header",
        "SendEmail",
        {
            **MAIL,
            "subject": "all of $slug",
            "cc": ["copy@example.net"],
            "bcc": ["hidden@example.net"],
            "reply_to": ["answers@$domain"],
            "headers": {"X-Mine": "yes"},
            "attachments": [["a.csv", "a,b\n1,2\n", "text/csv"]],
        },
        SENT,
    ),
    World("mail", {"subject": "all of $slug", "domain": "$domain", "parts": "text/plain text/csv"}),
    Step(
        "tags and metadata",
        "SendEmail",
        {**MAIL, "subject": "tags of $slug", "tags": ["welcome"], "metadata": {"order": "7"}},
        SENT,
    ),
    World("mail", {"subject": "tags of $slug", "domain": "$domain"}),
    Step(
        "a domain that is not proven is rejected",
        "SendEmail",
        {**MAIL, "from_email": "news@nobody.example.net", "subject": "x"},
        Refused("MessageRejected", Like("Email address is not verified. .*")),
    ),
)


def _story(name: str, *needs: str) -> Step:
    given = {
        "slug": "$slug",
        "domain": "$domain",
        "address": "Tester+tf@$domain",
        "account": "$account",
        "key_1": "$key_as_pem_1",
        "key_2": "$key_as_pem_2",
    }
    return Step(name, name, given, needs=("ListTagsForResource", *needs))


TERRAFORM: tuple[Scene, ...] = (
    _story("EmailIdentity_basic_domain"),
    _story("EmailIdentity_basic_emailAddress"),
    _story("EmailIdentity_disappears"),
    _story("EmailIdentity_nextSigningKeyLength"),
    _story("EmailIdentity_domainSigning"),
    _story(
        "EmailIdentity_configurationSetName",
        "CreateConfigurationSet",
        "PutEmailIdentityConfigurationSetAttributes",
    ),
    _story("EmailIdentity_tags", "TagResource", "UntagResource"),
    _story("EmailIdentityFeedbackAttributes", "PutEmailIdentityFeedbackAttributes"),
    _story("EmailIdentityMailFromAttributes", "PutEmailIdentityMailFromAttributes"),
    _story("EmailIdentityPolicy", "CreateEmailIdentityPolicy"),
    _story("EmailIdentityDataSource"),
)
