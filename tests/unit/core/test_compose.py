"""Composed messages: what a reader gets is what was meant, and no text becomes a header field."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from mailseal.core.addresses import AddressRefused
from mailseal.core.commands import Recipients, SimpleMessage, TextContent
from mailseal.core.compose import complete_raw, compose_simple
from mailseal.dkim.message import MessageRefused, parse_message

DATE, MESSAGE_ID, BOUNDARY = "Mon, 23 Nov 2026 16:00:00 +0000", "<1@mail.example>", "=_b"
UP_TO_HERE = ["From", "To", "Subject", "Date", "Message-ID"]


def composed(
    subject: str = "Hello",
    text: str | None = "Body",
    html: str | None = None,
    charset: str = "UTF-8",
    sender: str = "a@example.com",
    to: tuple[str, ...] = ("b@example.org",),
    cc: tuple[str, ...] = (),
    reply_to: tuple[str, ...] = (),
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    content = SimpleMessage(
        subject=TextContent(subject, charset),
        text=None if text is None else TextContent(text, charset),
        html=None if html is None else TextContent(html, charset),
        headers=headers,
    )
    return compose_simple(
        content,
        from_address=sender,
        destination=Recipients(to, cc, ("hidden@example.org",)),
        reply_to=reply_to,
        date=DATE,
        message_id=MESSAGE_ID,
        boundary=BOUNDARY,
    )


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def names(raw: bytes) -> list[str]:
    return [field.name.decode() for field in parse_message(raw).fields]


def test_a_text_is_one_part_with_the_fields_in_order() -> None:
    raw = composed()
    assert names(raw) == [*UP_TO_HERE, "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
    assert raw.endswith(b"\r\n\r\nBody\r\n")
    assert read(raw)["date"] == DATE
    assert read(raw)["message-id"] == MESSAGE_ID


def test_text_and_html_are_alternatives_with_the_better_one_last() -> None:
    raw = composed(text="plain é", html="<p>ü</p>")
    assert names(raw) == [*UP_TO_HERE, "MIME-Version", "Content-Type"]
    message = read(raw)
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content() for part in parts] == ["plain é\r\n", "<p>ü</p>\r\n"]


def test_blind_copies_stay_blind() -> None:
    assert b"hidden" not in composed()


def test_a_message_to_nobody_visible_has_no_to_field() -> None:
    assert "To" not in names(composed(to=()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "one\ntwo\r\nthree\rfour",
        "From the start\nFrom again",
        ".\n..\n.hidden",
        "blank at the end \ntab at the end\t\n",
        "x" * 5000,
        "=3D=\n=",
        "é" * 1000,
        "a" * 75 + "é" + "b" * 80,
        "日本語テキスト" * 60,
        "\x01\x07 control",
        "word " * 400,
        "." * 300,
        "--=_b\n--=_b--",
    ],
)
def test_a_body_arrives_as_it_was_written(text: str) -> None:
    raw = composed(text=text)
    body = bytes(parse_message(raw).body)
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read(raw).get_content().replace("\r\n", "\n") == expected + (
        "" if expected.endswith("\n") else "\n"
    )
    assert max(len(line) for line in body.split(b"\r\n")) <= 76
    assert body.isascii()
    assert b"\0" not in raw
    for line in body.split(b"\r\n"):
        assert not line.startswith((b"From ", b".", b"--=_b"))
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize("charset", ["UTF-8", "ISO-8859-1", "windows-1252", "iso-8859-15"])
def test_each_charset_is_the_one_in_the_message(charset: str) -> None:
    raw = composed(subject="Grüße", text="Grüße", charset=charset)
    assert read(raw)["subject"] == "Grüße"
    assert read(raw).get_content() == "Grüße\r\n"
    assert read(raw).get_content_charset() == charset.lower()
    assert f"=?{charset}?B?".encode() in raw


def test_japanese_in_its_own_charset_is_readable() -> None:
    raw = composed(
        subject="日本語の件名がここにあります、とても長いので折り返します",
        charset="ISO-2022-JP",
        text="日本語",
    )
    assert read(raw)["subject"] == "日本語の件名がここにあります、とても長いので折り返します"
    assert read(raw).get_content() == "日本語\r\n"


@pytest.mark.parametrize(
    "charset", ["UTF-7", "UTF-16", "utf-16le", "rot13", "base64", "nonsense", "", "a\r\nb", "x" * 99]
)
def test_charsets_that_mail_cannot_be_written_in_are_refused(charset: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(charset=charset)
    assert refusal.value.code == "charset"


@pytest.mark.parametrize("member", ["subject", "text", "html"])
def test_a_character_that_the_charset_lacks_is_refused(member: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(**{member: "日本"}, charset="ISO-8859-1")
    assert refusal.value.code == "charset"


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "x",
        "Grüße " * 40,
        "word " * 60,
        "😀" * 50,
        "two  blanks   three",
        "x" * 950,
        "=?UTF-8?B?w6k=?= as sent",
        "a\tb",
    ],
)
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    raw = composed(subject=subject)
    header = raw.partition(b"\r\n\r\n")[0]
    assert header.isascii()
    encoded_lines = [line for line in header.split(b"\r\n") if b"=?" in line]
    assert max((len(line) for line in encoded_lines), default=0) <= 76
    read_back = read(raw)["subject"]
    expected = subject.replace("=?UTF-8?B?w6k=?=", "é").replace("\t", " ").strip()
    assert read_back == expected


@pytest.mark.parametrize(
    ("written", "display", "address"),
    [
        ("b@example.org", "", "b@example.org"),
        ("Bob <b@example.org>", "Bob", "b@example.org"),
        ('"Bob, B." <b@example.org>', "Bob, B.", "b@example.org"),
        ("Bob B. Brown <b@example.org>", "Bob B. Brown", "b@example.org"),
        ("Élise Ö <b@example.org>", "Élise Ö", "b@example.org"),
        ('"É, \\"q\\"" <b@example.org>', 'É, "q"', "b@example.org"),
        ("=?UTF-8?B?w6k=?= B. <b@example.org>", "é B.", "b@example.org"),
        ("b@example.org (a comment)", "", "b@example.org"),
        ('"b b"@example.org', "", '"b b"@example.org'),
    ],
)
def test_a_mailbox_arrives_as_it_was_written(written: str, display: str, address: str) -> None:
    raw = composed(sender=written, to=(written, "c@example.org"), cc=(written,), reply_to=(written,))
    message = read(raw)
    for name, number in (("from", 1), ("to", 2), ("cc", 1), ("reply-to", 1)):
        boxes = message[name].addresses
        assert len(boxes) == number
        assert (boxes[0].display_name, boxes[0].addr_spec) == (display, address)


def test_many_recipients_fold_between_addresses() -> None:
    to = tuple(f"recipient-number-{number}@example.org" for number in range(50))
    raw = composed(to=to)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 76
    assert [str(box.addr_spec) for box in read(raw)["to"].addresses] == list(to)


def test_custom_fields_are_written_with_their_names_case() -> None:
    raw = composed(headers=(("X-Campaign", "spring"), ("List-Unsubscribe", "<https://example.com/é>")))
    assert names(raw)[5:7] == ["X-Campaign", "List-Unsubscribe"]
    assert read(raw)["list-unsubscribe"] == "<https://example.com/é>"


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "Ü", "X\r\nY", "x" * 127])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(headers=((name, "x"),))
    assert refusal.value.code == "header_name"


@pytest.mark.parametrize("name", ["From", "TO", "bcc", "Content-Type", "content-disposition", "DATE"])
def test_fields_that_have_members_of_their_own_are_refused(name: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(headers=((name, "x"),))
    assert refusal.value.code == "header_reserved"


def test_a_message_needs_a_body() -> None:
    with pytest.raises(MessageRefused) as refusal:
        composed(text=None)
    assert refusal.value.code == "no_body"


LINE_ENDS = [
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\r\n ",
    "\n\t",
    "\x7f",
]
INJECTED = "Bcc: x@evil.example"
PAYLOADS = [
    *[f"a{end}{INJECTED}" for end in LINE_ENDS],
    *[f"a {end}{end}{INJECTED}" for end in LINE_ENDS],
    *[f"{end}{INJECTED}{end}" for end in LINE_ENDS],
    f"A =?UTF-8?Q?=0A?={INJECTED}",
    f"A =?UTF-8?Q?=0D=0A?={INJECTED}",
    f"A =?UTF-8?q?=0d?= {INJECTED}",
    f"A =?UTF-8?B?Cg==?={INJECTED}",
    f"A =?UTF-8?b?Cg?={INJECTED}",
    f"A =?UTF-8?B?DQo=?={INJECTED}",
    f"A =?UTF-8?B?C!g=?={INJECTED}",
    f"A =?UTF-8?B?AA==?={INJECTED}",
    f"A =?utf-7?Q?+AAo-?={INJECTED}",
    f"A =?utf-16?B?//4KAA==?={INJECTED}",
    f"A =?UTF-8*en?Q?=0A?={INJECTED}",
    f"A =?UTF-8?Q?=E2=80=A8?={INJECTED}",
    f"A =?nonsense?Q?=0A?={INJECTED}",
    f"=?UTF-8?Q?a?==?UTF-8?Q?=0A?={INJECTED}",
    f"é =?UTF-8?Q?=0A?={INJECTED}",
]  # fmt: skip


def injections(payload: str) -> list[dict[str, object]]:
    return [
        {"subject": payload},
        {"sender": f'"{payload}" <a@example.com>'},
        {"sender": f"{payload} <a@example.com>"},
        {"to": (f'"{payload}" <b@example.org>',)},
        {"cc": (f"b@example.org{payload}",)},
        {"reply_to": (payload,)},
        {"headers": (("X-A", payload),)},
        {"headers": ((payload, "x"),)},
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_begins_a_header_field(payload: str) -> None:
    for members in injections(payload):
        with pytest.raises((MessageRefused, AddressRefused)):
            composed(**members)


@pytest.mark.parametrize(
    "payload", [INJECTED, "\u202e" + INJECTED, "a  " + INJECTED, "=?x", "=?UTF-8?Q?=3F?=", "\\r\\n"]
)
def test_harmless_look_alikes_stay_one_field(payload: str) -> None:
    raw = composed(
        subject=payload, headers=(("X-A", payload),), sender=f'"{payload}" <a@example.com>'.replace("\\", "")
    )
    assert names(raw) == [*UP_TO_HERE, "X-A", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


# Raw


def completed(raw: bytes) -> bytes:
    return complete_raw(raw, date=DATE, message_id=MESSAGE_ID)


def test_a_complete_message_stays_as_it_is() -> None:
    raw = b"From: a@example.com\r\nDate: x\r\nmessage-id: <y>\r\n\r\nb\xe9dy\r\n"
    assert completed(raw) == raw


def test_what_is_missing_is_added_after_the_callers_fields() -> None:
    raw = completed(b"From: a@example.com\r\nContent-Type: text/plain\r\n\r\nbody")
    assert names(raw) == ["From", "Content-Type", "Date", "Message-ID", "MIME-Version"]
    assert raw.endswith(b"\r\n\r\nbody\r\n")


def test_mime_version_is_not_added_to_a_message_without_mime() -> None:
    assert names(completed(b"From: a@example.com\r\n\r\nbody")) == ["From", "Date", "Message-ID"]


def test_blind_copies_are_taken_out_whatever_their_case_and_number() -> None:
    raw = completed(
        b"Bcc: x@y\r\nFrom: a@example.com\r\nBCC: z@y,\r\n w@y\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbody\r\n"
    )
    assert raw == b"From: a@example.com\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbody\r\n"


def test_unix_line_ends_become_those_of_mail() -> None:
    raw = completed(b"From: a@example.com\nDate: x\nMessage-ID: <y>\n\nbody\n\nmore")
    assert raw == b"From: a@example.com\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbody\r\n\r\nmore\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a@example.com\r\n\r\nbody\nmore\r\n",
        b"From: a@example.com\n\nbody\r\n",
        b"From: a@example.com\r\n\r\nbo\rdy\r\n",
        b"From: a@example.com\rDate: x\r\rbody\r",
        b"From: a@example.com\n",
        b"",
        b"From: a\0b\n\nbody\n",
    ],
)
def test_a_mixture_of_line_ends_is_refused(raw: bytes) -> None:
    with pytest.raises(MessageRefused):
        completed(raw)
