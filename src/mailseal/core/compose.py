"""SendEmail's content as RFC 5322 bytes, composed here or completed.

Rule: date, message id and boundary come from outside; no text of the caller's begins a header field, and the
finished header is counted to prove it.
References: RFC 5322 §3.6, RFC 2047 §5, RFC 5321 §4.4, AWS SESv2 Message, AWS SESv2 RawMessage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailseal.core.addresses import Mailbox, parse_mailbox_list, quoted_string
from mailseal.core.commands import Recipients, SimpleMessage
from mailseal.core.encoding import check_header_text, encoded_words, folded, header_field, known_charset
from mailseal.core.mimeparts import message_part
from mailseal.dkim.message import MessageRefused, parse_message, with_final_crlf

_OURS = frozenset(
    (
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "return-path",
    )
)  # fmt: skip
_NEVER_SENT = frozenset((b"bcc", b"resent-bcc", b"return-path"))
_FIELD_NAME = re.compile(r"[!-9;-~]{1,126}\Z")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")


def compose_simple(
    content: SimpleMessage,
    *,
    from_address: str,
    destination: Recipients,
    reply_to: Sequence[str],
    date: str,
    message_id: str,
    boundary: str,
) -> bytes:
    """The message, 7-bit and ending in CRLF; raises MessageRefused or AddressRefused.

    Bcc stays out of it.
    """
    fields = [
        _address_field("From", (from_address,)),
        _address_field("To", destination.to),
        _address_field("Cc", destination.cc),
        _address_field("Reply-To", reply_to),
        header_field("Subject", content.subject.data, known_charset(content.subject.charset)),
        header_field("Date", date),
        header_field("Message-ID", message_id),
        *[_custom_field(name, value) for name, value in content.headers],
        b"MIME-Version: 1.0\r\n",
    ]
    part = message_part(content, boundary)
    fields = [each for each in (*fields, *part.fields) if each]
    raw = b"".join((*fields, b"\r\n", part.body))
    if len(parse_message(raw).fields) != len(fields):
        raise MessageRefused("header_injection", "A header value would begin another header field.")
    return raw


def complete_raw(raw: bytes, *, date: str, message_id: str, from_address: str | None = None) -> bytes:
    """The caller's message with what submission owes it: Date, Message-ID, From where one was named beside it
    and, beside a Content-Type, MIME-Version where they are missing, a last line that ends, and nothing that
    was meant for us alone. Raises MessageRefused, AddressRefused.

    Line ends are taken as `with_crlf` takes them. Octets above 127 in the body stay as they are.
    """
    message = parse_message(with_crlf(raw))
    present = {field.name.lower() for field in message.fields}
    added = []
    if b"from" not in present and from_address:
        added.append(_address_field("From", (from_address,)))
    if b"date" not in present:
        added.append(header_field("Date", date))
    if b"message-id" not in present:
        added.append(header_field("Message-ID", message_id))
    if b"content-type" in present and b"mime-version" not in present:
        added.append(b"MIME-Version: 1.0\r\n")
    if not added and not any(_is_for_us(name) for name in present):
        return message.raw
    kept = [field.raw for field in message.fields if not _is_for_us(field.name.lower())]
    return b"".join((*kept, *added, b"\r\n", message.body))


def _is_for_us(name: bytes) -> bool:
    """Whether a field speaks to whoever sends the message, and to no recipient."""
    return name in _NEVER_SENT or name.startswith(b"x-ses-")


def with_crlf(raw: bytes) -> bytes:
    """The message with the line ends of the wire, the last line's too.

    One without any CR is taken for one with the line ends of Unix, as SES takes it, and each LF becomes CRLF;
    a mixture is left as it is, for `parse_message` to refuse.
    """
    return with_final_crlf(raw if b"\r" in raw else raw.replace(b"\n", b"\r\n"))


def _address_field(name: str, written: Sequence[str]) -> bytes:
    """The field with these mailboxes, or nothing where there are none."""
    for text in written:
        check_header_text(text, f"An address in {name}")
    boxes = [box for text in written for box in parse_mailbox_list(text)]
    if not boxes:
        return b""
    tokens: list[str] = []
    for box in boxes:
        tokens += [*_mailbox_tokens(box), ","]
    tokens.pop()
    return folded(name, _with_blanks(tokens))


def _mailbox_tokens(box: Mailbox) -> list[str]:
    """What stands in the field for a mailbox; lines may be broken between the tokens."""
    if not box.display:
        return [str(box)]
    check_header_text(box.display, "A display name")
    if not box.display.isascii():
        return [*encoded_words(box.display, taken=len("Reply-To: ")).split(" "), f"<{box}>"]
    if _PHRASE.match(box.display):
        return [*box.display.split(), f"<{box}>"]
    if "=?" in box.display:  # an encoded-word means nothing between quotation marks, RFC 2047 §5
        words = (word if _PHRASE.match(word) else quoted_string(word) for word in box.display.split())
        return [*words, f"<{box}>"]
    return [quoted_string(box.display), f"<{box}>"]


def _with_blanks(tokens: list[str]) -> list[str]:
    """The tokens with a blank before each, commas joined to what they follow."""
    joined: list[str] = []
    for text in tokens:
        if text == ",":
            joined[-1] += ","
        else:
            joined.append(" " + text)
    return joined


def _custom_field(name: str, value: str) -> bytes:
    if not _FIELD_NAME.match(name):
        raise MessageRefused("header_name", "The name of a header field is not one that RFC 5322 allows.")
    if name.lower() in _OURS or name.lower().startswith("content-"):
        raise MessageRefused("header_reserved", f"The header field {name} is set by SendEmail's own members.")
    return header_field(name, value)
