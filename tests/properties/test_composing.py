"""Whatever a caller puts into SendEmail comes to a message that verifiers read alike, or to a refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.commands import Attachment, Recipients, SendEmail, SimpleMessage, TextContent
from mailseal.core.errors import BadRequest
from mailseal.dkim.message import parse_message
from mailseal.service.composing import Prepared, prepare, stamp_of

STAMP = stamp_of(datetime(2026, 11, 23, 14, 0, tzinfo=UTC), "unique", "dkim.mx.example.net")[1]
NASTY = [
    "\r\nBcc: x@example.net",
    "=?utf-8?q?=0D=0ABcc:_x?=",
    "<",
    ">",
    ",",
    ";",
    '"',
    "\\",
    "(",
    "\x00",
    "é",
    "@",
    " ",
]
PIECES = ["a@example.com", "Me <me@example.com>", "example.com", "me", "x" * 80, "=_", "--", "é", "日本"]
ANYTHING = st.lists(st.sampled_from(NASTY + PIECES) | st.text(max_size=12), max_size=5).map("".join)
PLAIN = st.lists(st.sampled_from(PIECES), max_size=4).map(" ".join)
CHOICES = st.sampled_from((True,) * 12 + (False,))


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The good ones, and now and then a bad one: of all bad ones no message would come."""
    return CHOICES.flatmap(lambda chosen: good if chosen else bad)


TEXTS = mostly(PLAIN, ANYTHING)
ADDRESSES = mostly(st.sampled_from(["me@example.com", "Ich <you@example.org>"]), ANYTHING)
CHARSETS = mostly(st.just("UTF-8"), st.sampled_from(["ISO-8859-1", "us-ascii", "UTF-7", "x\r\ny", ""]))
CONTENTS = st.builds(TextContent, TEXTS, CHARSETS)
ATTACHMENTS = st.builds(
    Attachment,
    content=st.binary(max_size=60),
    file_name=TEXTS,
    content_type=mostly(st.sampled_from((None, "image/png", "message/rfc822")), ANYTHING),
    inline=st.booleans(),
    content_id=mostly(st.sampled_from((None, "a1", "<b@c>")), ANYTHING),
    description=st.none() | TEXTS,
    encoding=st.sampled_from((None, "BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT")),
)
HEADER_NAMES = mostly(st.sampled_from(["X-A", "List-Help"]), st.sampled_from(["Bcc", "a b", ""]))
SIMPLE = st.builds(
    SimpleMessage,
    subject=CONTENTS,
    text=CONTENTS,
    html=st.none() | CONTENTS,
    headers=st.lists(st.tuples(HEADER_NAMES, TEXTS), max_size=2).map(tuple),
    attachments=st.lists(ATTACHMENTS, max_size=2).map(tuple),
)
FIELDS = st.tuples(
    st.sampled_from(
        [
            "Cc",
            "Bcc",
            "Return-Path",
            "X-SES-FROM-ARN",
            "X-SES-CONFIGURATION-SET",
            "Resent-Bcc",
            "Date",
            "From",
        ]
    ),
    ADDRESSES,
    mostly(st.just("\r\n"), st.sampled_from(["\n", "\r"])),
)
GOOD_FIELDS = [("From", "me@example.com", "\r\n"), ("To", "you@example.net", "\r\n")]
RAW = mostly(
    st.builds(
        lambda fields, body: ("".join(f"{n}: {v}{e}" for n, v, e in fields) + "\r\n").encode() + body,
        st.lists(FIELDS, max_size=4).map(lambda more: GOOD_FIELDS + more),
        mostly(st.just(b"body\r\n"), st.binary(max_size=60)),
    ),
    st.binary(max_size=200),
)
PEOPLE = st.lists(ADDRESSES, max_size=2).map(tuple)
NO_ONE_OR = st.none() | st.builds(Recipients, PEOPLE, PEOPLE, PEOPLE)
COMMANDS = st.builds(
    SendEmail,
    raw=RAW,
    from_address=st.none() | ADDRESSES,
    destination=NO_ONE_OR,
    feedback_to=st.none() | ADDRESSES,
) | st.builds(
    SendEmail,
    simple=SIMPLE,
    raw=mostly(st.none(), RAW),
    from_address=ADDRESSES,
    destination=NO_ONE_OR,
    reply_to=PEOPLE,
)


def prepared(command: SendEmail) -> Prepared | None:
    try:
        return prepare(command, STAMP)
    except BadRequest:
        return None


@given(COMMANDS)
def test_a_command_is_a_message_or_a_refusal(command: SendEmail) -> None:
    made = prepared(command)
    if made is None:
        return
    message = parse_message(bytes(made.message.raw))
    names = [field.name.lower() for field in message.fields]
    assert names.count(b"from") == 1
    assert {b"date", b"message-id"} <= set(names)
    assert not [n for n in names if n.startswith(b"x-ses-") or n in (b"bcc", b"return-path")]
    assert 1 <= len(made.recipients) <= 50
    assert made.author in made.sources
    assert {str(made.author.box), str(made.mail_from)} <= {str(one.box) for one in made.sources}
    assert message.raw.endswith(b"\r\n")


@given(SIMPLE, ADDRESSES, PEOPLE)
def test_simple_content_has_the_fields_that_were_asked_for_and_no_other(
    content: SimpleMessage, sender: str, people: tuple[str, ...]
) -> None:
    command = SendEmail(simple=content, from_address=sender, destination=Recipients(people))
    made = prepared(command)
    if made is None:
        return
    assert made.message.raw.isascii()
    ours = {b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"}
    ours.add(b"content-transfer-encoding")
    names = [field.name.lower() for field in made.message.fields]
    asked = [name.lower().encode() for name, _ in content.headers]
    assert sorted(name for name in names if name not in ours) == sorted(asked)
    assert len(names) == len(set(names)) + len(asked) - len(set(asked))
