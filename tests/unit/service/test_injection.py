"""Sixty payloads in every text that SendEmail takes: no field, part or recipient that nobody asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header

import pytest

from mailseal.core.commands import Attachment, Recipients, SendEmail, SimpleMessage, TextContent
from mailseal.core.errors import BadRequest
from mailseal.dkim.message import parse_message
from mailseal.service.composing import Prepared, prepare, stamp_of

STAMP = stamp_of(datetime(2026, 11, 23, 14, 0, tzinfo=UTC), "unique", "dkim.mx.example.net")[1]
EVIL = "Bcc: injected@evil.example"
BREAKS = [
    "\r\n", "\n", "\r", "\r\n ", "\n\t", "\r\r\n", "\n\r", "\r\n\r\n", "\n\n", "\x00", "\x0b", "\x0c", "\x1c",
    "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\u000d\u000a", "\x7f", "\x1b[2K", "\u202e", "\ufeff",
    "\u010a", "\u010d", "\u560a\u560d", "%0d%0a", "\\r\\n", "&#13;&#10;", "\ud800",
]  # fmt: skip
ENCODED = [
    "=?utf-8?q?=0D=0A?=", "=?utf-8?Q?=0A?=", "=?UTF-8?b?DQo=?=", "=?utf-8?B?Cg?=", "=?us-ascii?q?a=0Ab?=",
    "=?utf-16?b?DQAKAA==?=",
    "=?utf-7?q?+AA0ACg-?=", "=?utf-8?q?=00?=", "=?x?q?=0D=0A_?=", "=?utf-8*en?q?=0A?=",
    "=?utf-8?q?=E2=80=A8?=", "=?iso-8859-1?q?=0d=0a?=", "=?utf-8?q?a?= =?utf-8?q?=0A?=", "=?utf-8?b?=0D?=",
]  # fmt: skip
PAYLOADS = [
    *[each + EVIL for each in BREAKS],
    *[each + EVIL for each in ENCODED],
    '"\r\n' + EVIL, '"; ' + EVIL, ">\r\n" + EVIL, "--=_\r\nContent-Type: text/html\r\n\r\n" + EVIL,
    "\r\n.\r\nMAIL FROM:<injected@evil.example>", "(\r\n " + EVIL + ")", "<a@example.com>\r\n" + EVIL,
    "a" * 2000 + "\r\n" + EVIL, "\r\n" * 500 + EVIL, " \r\n \r\n" + EVIL, "utf-8\r\n" + EVIL,
    'a"; name="b\r\n' + EVIL, "x/y\r\n" + EVIL, "\r\n--" + STAMP.boundary + "\r\n" + EVIL,
    "--" + STAMP.boundary + "--", "X-A: b\r\n" + EVIL,
]  # fmt: skip

BASE = SendEmail(
    simple=SimpleMessage(
        TextContent("Hello"),
        text=TextContent("Hello you\n"),
        html=TextContent("<p>Hello</p>\n"),
        headers=(("X-Custom", "value"),),
        attachments=(
            Attachment(b"bytes", "file.txt", "text/plain", description="a file", encoding="BASE64"),
            Attachment(b"png", "picture.png", "image/png", inline=True, content_id="one"),
        ),
    ),
    from_address="Me <me@example.com>",
    destination=Recipients(("you@example.net",), ("they@example.net",), ("it@example.net",)),
    reply_to=("desk@example.com",),
    feedback_to="bounces@example.com",
    configuration_set="default",
    from_arn="arn:aws:ses:us-east-1:000000000001:identity/example.com",
    feedback_arn="arn:aws:ses:us-east-1:000000000001:identity/example.com",
)
Change = Callable[[str], SendEmail]


def simple(**members: object) -> SendEmail:
    assert BASE.simple is not None
    return replace(BASE, simple=replace(BASE.simple, **members))  # type: ignore[arg-type]


def attached(number: int, **members: object) -> SendEmail:
    assert BASE.simple is not None
    all_of_them = list(BASE.simple.attachments)
    all_of_them[number] = replace(all_of_them[number], **members)  # type: ignore[arg-type]
    return simple(attachments=tuple(all_of_them))


def to(kind: str, text: str) -> SendEmail:
    assert BASE.destination is not None
    return replace(BASE, destination=replace(BASE.destination, **{kind: (text,)}))


FIELDS: dict[str, tuple[Change, str]] = {
    "FromEmailAddress": (lambda text: replace(BASE, from_address=text), "Me <me@example.com>"),
    "Destination.ToAddresses": (lambda text: to("to", text), "you@example.net"),
    "Destination.CcAddresses": (lambda text: to("cc", text), "they@example.net"),
    "Destination.BccAddresses": (lambda text: to("bcc", text), "it@example.net"),
    "ReplyToAddresses": (lambda text: replace(BASE, reply_to=(text,)), "desk@example.com"),
    "FeedbackForwardingEmailAddress": (lambda text: replace(BASE, feedback_to=text), "bounces@example.com"),
    "FromEmailAddressIdentityArn": (lambda text: replace(BASE, from_arn=text), "arn"),
    "FeedbackForwardingEmailAddressIdentityArn": (lambda text: replace(BASE, feedback_arn=text), "arn"),
    "ConfigurationSetName": (lambda text: replace(BASE, configuration_set=text), "default"),
    "Subject.Data": (lambda text: simple(subject=TextContent(text)), "Hello"),
    "Subject.Charset": (lambda text: simple(subject=TextContent("Grüße", text)), "UTF-8"),
    "Text.Data": (lambda text: simple(text=TextContent(text)), "Hello"),
    "Text.Charset": (lambda text: simple(text=TextContent("Hello", text)), "UTF-8"),
    "Html.Data": (lambda text: simple(html=TextContent(text)), "Hello"),
    "Html.Charset": (lambda text: simple(html=TextContent("Hello", text)), "UTF-8"),
    "Headers.Name": (lambda text: simple(headers=((text, "value"),)), "X-Custom"),
    "Headers.Value": (lambda text: simple(headers=(("X-Custom", text),)), "value"),
    "Attachments.FileName": (lambda text: attached(0, file_name=text), "file.txt"),
    "Attachments.ContentType": (lambda text: attached(0, content_type=text), "text/plain"),
    "Attachments.ContentDescription": (lambda text: attached(0, description=text), "a file"),
    "Attachments.ContentTransferEncoding": (lambda text: attached(0, encoding=text), "BASE64"),
    "Attachments.ContentId": (lambda text: attached(1, content_id=text), "one"),
    "Attachments.RawContent": (
        lambda text: attached(0, content=text.encode("utf-8", "surrogatepass"), encoding="SEVEN_BIT"),
        "bytes",
    ),
}  # fmt: skip


def prepared(command: SendEmail) -> Prepared | None:
    try:
        return prepare(command, STAMP)
    except BadRequest:
        return None


def part_names(raw: bytes) -> list[Counter[str]]:
    """The names of the header fields of the message and of each part, as another reader finds them."""
    return [Counter(name.lower() for name in part) for part in message_from_bytes(raw).walk()]


def check_header_values(raw: bytes) -> None:
    for part in message_from_bytes(raw).walk():
        for value in part.values():
            try:
                pieces = decode_header(re.sub(r"\r\n[ \t]", " ", str(value)))
            except HeaderParseError:
                continue  # an encoded-word that is none, for this reader
            for piece, _ in pieces:
                octets = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogateescape")
                assert not re.search(rb"[\r\n\0]", octets), value


@pytest.mark.parametrize("name", FIELDS)
def test_no_payload_in_a_member_of_simple_content_adds_anything(name: str) -> None:
    change, good = FIELDS[name]
    base = prepared(BASE)
    assert base is not None
    assert len(part_names(base.message.raw)) == 7
    for payload in PAYLOADS:
        for text in (payload, good + payload, good[:3] + payload + good[3:], payload + good):
            made = prepared(change(text))
            if made is None:
                continue
            raw = made.message.raw
            renamed = raw.replace(text.encode() + b":", b"X-Custom:", 1) if name == "Headers.Name" else raw
            assert part_names(renamed) == part_names(base.message.raw)
            assert [one.name for one in parse_message(renamed).fields] == [
                one.name for one in base.message.fields
            ]
            assert raw.isascii()
            check_header_values(raw)
            assert not any("injected" in one or "\r" in one or "\n" in one for one in made.recipients)
            assert "injected" not in str(made.mail_from)


RAW_FIELDS = (
    "From: {}Me <me@example.com>", "From: Me <me@example.com>{}", "From: M{}e <me@example.com>",
    "To: you@example.net{}", "To: {}you@example.net", "Subject: a{}b", "Subject: {}", "X-A: {}", "X-A{}: b",
    "Return-Path: <me@example.com{}>", "X-SES-CONFIGURATION-SET: {}", "Cc: {}they@example.net",
)  # fmt: skip


@pytest.mark.parametrize("line", RAW_FIELDS)
def test_what_a_raw_message_says_is_read_once_and_by_everybody_alike(line: str) -> None:
    """A raw message may hold any field; but what we read of it is what every other reader reads."""
    others = [
        "From: Me <me@example.com>",
        "To: you@example.net",
        "Subject: x",
        "Date: x",
        "Message-ID: <1@x>",
    ]
    for payload in PAYLOADS:
        own = line.format(payload)
        kept = [one for one in others if one.partition(":")[0] != line.partition(":")[0]]
        text = "\r\n".join([own, *kept]) + "\r\n\r\nbody\r\n"
        made = prepared(SendEmail(raw=text.encode("utf-8", "surrogatepass")))
        if made is None:
            continue
        fields = [one.name.lower() for one in made.message.fields]
        assert fields.count(b"from") == 1
        assert b"bcc" not in fields
        assert b"return-path" not in fields
        theirs = [name.lower().encode() for name in message_from_bytes(made.message.raw)]
        assert Counter(theirs) == Counter(fields)
        assert (
            made.message.raw.count(b"\n") == made.message.raw.count(b"\r") == made.message.raw.count(b"\r\n")
        )


def test_there_are_sixty_payloads_and_each_is_another() -> None:
    assert len(PAYLOADS) >= 60
    assert len(set(PAYLOADS)) >= len(PAYLOADS) - 1
