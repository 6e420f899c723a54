"""The part of the scenario in which mail is sent; the domain has been proven."""

from __future__ import annotations

from tests.clients.story import Like, Refused, Scene, Step, World

HEAD = "From: News <news@$domain>\r\nTo: you@example.net\r\n"
RAW = f"{HEAD}Subject: raw of $slug\r\nMIME-Version: 1.0\r\n\r\nhello\r\n"
SENT = {"MessageId": Like(".+")}


def _simple(subject: str) -> dict[str, object]:
    return {
        "Subject": {"Data": subject},
        "Body": {"Text": {"Data": "Grüße\n"}, "Html": {"Data": "<p>Grüße</p>"}},
    }


SENDING: tuple[Scene, ...] = (
    Step("a raw message is sent", "SendEmail", {"Content": {"Raw": {"Data": RAW}}}, SENT),
    World("mail", {"subject": "raw of $slug", "domain": "$domain"}, after=("a raw message is sent",)),
    Step(
        "a simple message is sent, text and HTML",
        "SendEmail",
        {
            "FromEmailAddress": "news@$domain",
            "Destination": {"ToAddresses": ["you@example.net"], "BccAddresses": ["hidden@example.net"]},
            "ReplyToAddresses": ["answers@$domain"],
            "Content": {"Simple": _simple("simple of $slug")},
        },
        SENT,
    ),
    World(
        "mail",
        {"subject": "simple of $slug", "domain": "$domain", "parts": "text/plain text/html"},
        after=("a simple message is sent, text and HTML",),
    ),
    Step(
        "a header of one's own",
        "SendEmail",
        {
            "FromEmailAddress": "news@$domain",
            "Destination": {"ToAddresses": ["you@example.net"]},
            "Content": {
                "Simple": {**_simple("header of $slug"), "Headers": [{"Name": "X-Mine", "Value": "yes"}]}
            },
        },
        SENT,
    ),
    Step(
        "an attachment",
        "SendEmail",
        {
            "FromEmailAddress": "news@$domain",
            "Destination": {"ToAddresses": ["you@example.net"]},
            "Content": {
                "Simple": {
                    **_simple("attachment of $slug"),
                    "Attachments": [
                        {"FileName": "a.csv", "ContentType": "text/csv", "RawContent": "a,b\n1,2\n"}
                    ],
                }
            },
        },
        SENT,
    ),
    World(
        "mail",
        {"subject": "attachment of $slug", "domain": "$domain", "parts": "text/plain text/html text/csv"},
        after=("an attachment",),
    ),
    Step(
        "nobody sends as a domain that is not proven",
        "SendEmail",
        {
            "FromEmailAddress": "news@nobody.example.net",
            "Destination": {"ToAddresses": ["you@example.net"]},
            "Content": {"Simple": _simple("x")},
        },
        Refused(
            "MessageRejected",
            Like("Email address is not verified. The following identities failed the check in region .*"),
        ),
    ),
    Step(
        "templates are not served",
        "SendEmail",
        {
            "FromEmailAddress": "news@$domain",
            "Destination": {"ToAddresses": ["you@example.net"]},
            "Content": {"Template": {"TemplateName": "t", "TemplateData": "{}"}},
        },
        Refused("BadRequestException", Like("Mailseal does not serve templates.*")),
    ),
)
