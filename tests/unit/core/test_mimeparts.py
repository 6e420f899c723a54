"""Attachments: what is taken out of a message is what was put into it, under the name that it was given."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.commands import Attachment, Recipients, SimpleMessage, TextContent
from mailseal.core.compose import compose_simple
from mailseal.dkim.message import MessageRefused, parse_message

HTML = TextContent('<p>see <img src="cid:logo"></p>')


def composed(*attachments: Attachment, text: str | None = "Body", html: TextContent | None = None) -> bytes:
    content = SimpleMessage(
        TextContent("s"), None if text is None else TextContent(text), html, attachments=attachments
    )
    return compose_simple(
        content,
        from_address="a@example.com",
        destination=Recipients(("b@example.org",)),
        reply_to=(),
        date="Mon, 23 Nov 2026 16:00:00 +0000",
        message_id="<1@mail.example>",
        boundary="=_b",
    )


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
    return message


def tree(message: EmailMessage) -> object:
    """The types of a message's parts, nested as they are."""
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        return message.get_content_subtype(), [tree(part) for part in message.iter_parts()]
    return message.get_content_type()


def only(raw: bytes) -> EmailMessage:
    """The one attachment."""
    (part,) = read(raw).iter_attachments()
    return part


def octets(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def test_an_attachment_stands_beside_the_text() -> None:
    raw = composed(Attachment(b"%PDF-1.7", "offer.pdf"))
    assert tree(read(raw)) == ("mixed", ["text/plain", "application/pdf"])
    part = only(raw)
    assert (part.get_filename(), part.get_content_disposition()) == ("offer.pdf", "attachment")
    assert octets(part) == b"%PDF-1.7"


def test_what_the_html_shows_belongs_to_the_html_and_the_rest_follows() -> None:
    logo = Attachment(b"\x89PNG", "logo.png", inline=True, content_id="logo")
    other = Attachment(b"x", "a.bin", inline=True)
    raw = composed(logo, other, html=HTML)
    alternatives = ("alternative", ["text/plain", "text/html"])
    related = ("related", [alternatives, "image/png"])
    assert tree(read(raw)) == ("mixed", [related, "application/octet-stream"])
    shown = next(part for part in read(raw).walk() if part.get_content_type() == "image/png")
    assert (shown["content-id"], shown.get_content_disposition()) == ("<logo>", "inline")
    assert tree(read(composed(logo, text=None, html=HTML))) == ("related", ["text/html", "image/png"])
    assert tree(read(composed(logo))) == ("mixed", ["text/plain", "image/png"])


def test_a_content_id_in_brackets_gets_no_second_pair() -> None:
    assert only(composed(Attachment(b"x", "a", content_id="<a@b>")))["content-id"] == "<a@b>"


@pytest.mark.parametrize("content_id", ["a b", "a>b", "<", "", "é", "a\r\nb"])
def test_a_content_id_that_could_end_its_brackets_is_refused(content_id: str) -> None:
    with pytest.raises(MessageRefused):
        composed(Attachment(b"x", "a", content_id=content_id))


@pytest.mark.parametrize("wanted", [None, "BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"a\nb",
        b"a\r\nb",
        b"a\rb\r",
        b"\0",
        bytes(range(256)),
        b"x" * 2000,
        b"From me\r\n.\r\n--=_b--\r\n",
        b"--m=_b\r\n",
        b"blank \r\n\t",
        b"ends\r\n\r\n",
    ],
)
def test_an_attachment_arrives_octet_for_octet(content: bytes, wanted: str | None) -> None:
    raw = composed(Attachment(content, "a", encoding=wanted), Attachment(b"next", "b"))
    first, second = read(raw).iter_attachments()
    assert octets(first) == content
    assert octets(second) == b"next"
    parse_message(raw)
    assert raw.isascii()


@given(st.binary(max_size=300), st.sampled_from((None, "QUOTED_PRINTABLE", "SEVEN_BIT")))
def test_any_octets_arrive_as_they_were(content: bytes, wanted: str | None) -> None:
    assert octets(only(composed(Attachment(content, "a", encoding=wanted)))) == content


def test_plain_lines_go_as_they_are_where_that_was_asked_for() -> None:
    raw = composed(Attachment(b"a line\r\n", "a.txt", encoding="SEVEN_BIT"))
    assert only(raw)["content-transfer-encoding"] == "7bit"
    assert b"\r\n\r\na line\r\n\r\n--m" in raw


def test_a_message_inside_is_not_encoded() -> None:
    inner = b"From: a@example.com\r\nSubject: inner\r\n\r\nbody\r\n"
    part = only(composed(Attachment(inner, "mail.eml")))
    assert (part.get_content_type(), part["content-transfer-encoding"]) == ("message/rfc822", "7bit")
    assert part.get_content()["subject"] == "inner"


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf",
        "two words.pdf",
        'quo"ted.pdf',
        "back\\slash",
        "Rechnung für März.pdf",
        "日本語のファイル名がとても長いので折り返します.pdf",
        "x" * 255,
        "a;b=c.pdf",
        "=?utf-8?q?x?=",
        "100%.txt",
        "it's.txt",
        "",
    ],
)
def test_a_file_keeps_its_name(name: str) -> None:
    raw = composed(Attachment(b"x", name))
    assert only(raw).get_filename() == (name or None)
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 100


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=255))
def test_any_name_arrives_and_begins_no_field(name: str) -> None:
    raw = composed(Attachment(b"x", name))
    # The reader takes blanks off both ends by itself.
    assert only(raw).get_filename() == name.strip()


@pytest.mark.parametrize("name", ["a\r\nX-Injected: y", "a\nb", "a\0b", "a\u2028b"])
def test_a_name_with_a_line_end_is_refused(name: str) -> None:
    with pytest.raises(MessageRefused):
        composed(Attachment(b"x", name))


@pytest.mark.parametrize(
    ("given_type", "name", "shown"),
    [
        (None, "a.PNG", "image/png"),
        (None, "a", "application/octet-stream"),
        (None, "a.exe", "application/octet-stream"),
        ("text/plain; charset=utf-8", "a", "text/plain"),
        ('application/x-y; name="a b"', "a", "application/x-y"),
    ],
)
def test_the_type_is_the_one_given_or_what_the_name_says(
    given_type: str | None, name: str, shown: str
) -> None:
    assert only(composed(Attachment(b"x", name, given_type))).get_content_type() == shown


@pytest.mark.parametrize(
    "wrong",
    ["x", "", "a/b/c", "a/b;", "a/b\r\nX: y", "a/b; c", "multipart/mixed", "text/plain; é=x", "a b/c"],
)
def test_a_type_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(Attachment(b"x", "a", wrong))
    assert refusal.value.code == "content_type"


def test_a_description_is_a_field_of_its_own() -> None:
    part = only(composed(Attachment(b"x", "a", description="Angebot für Sie")))
    assert part["content-description"] == "Angebot für Sie"
    with pytest.raises(MessageRefused):
        composed(Attachment(b"x", "a", description="a\r\nX: y"))
