"""The body of a composed message as MIME parts: text, HTML, what the HTML shows, and what is attached.

Rule: an attachment arrives with the octets that it was given with, whatever encoding was asked for; a name is
written so that it can't end its parameter.
References: RFC 2045 §6, RFC 2046 §5.1, RFC 2046 §5.2.1, RFC 2183 §2, RFC 2231 §3, RFC 2231 §4, RFC 2387 §3;
AWS SESv2 Attachment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from mailseal.core.addresses import quoted_string
from mailseal.core.commands import Attachment, SimpleMessage, TextContent
from mailseal.core.encoding import (
    check_header_text,
    encode_body,
    encode_octets,
    encode_text,
    folded,
    header_field,
)
from mailseal.dkim.message import MessageRefused

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_MEDIA_TYPE = re.compile(
    rf'({_WORD})/{_WORD}(?: *; *{_WORD} *= *(?:{_WORD}|"(?:[^"\\\x00-\x1f\x7f-\uffff]|\\[ -~])*"))* *\Z'
)
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,76}\Z")
_ATTRIBUTE_CHARS = "!#$&+-.^_`{|}~"
_SHORT_NAME = 60
_TYPES = {
    "csv": "text/csv", "doc": "application/msword", "eml": "message/rfc822", "gif": "image/gif",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gz": "application/gzip", "htm": "text/html", "html": "text/html", "ics": "text/calendar",
    "jpeg": "image/jpeg", "jpg": "image/jpeg", "json": "application/json", "mp3": "audio/mpeg",
    "mp4": "video/mp4", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml",
    "txt": "text/plain", "webp": "image/webp", "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml", "zip": "application/zip",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME entity: the header fields that describe it, and its body."""

    fields: tuple[bytes, ...]
    body: bytes


def message_part(content: SimpleMessage, boundary: str) -> Part:
    """The whole content as one part, nested no deeper than it has to be.

    Text and HTML are alternatives; what is INLINE and has a Content-ID belongs to the HTML; the rest follows.
    """
    part = _alternatives(content, boundary)
    shown = [one for one in content.attachments if _belongs_to_html(one, content)]
    others = [one for one in content.attachments if not _belongs_to_html(one, content)]
    if shown:
        parameter = f' type="{"multipart/alternative" if content.text is not None else "text/html"}";'
        parts = [part, *(_attached(one, boundary) for one in shown)]
        part = _multipart("related", parts, "r", boundary, parameter)
    if others:
        part = _multipart("mixed", [part, *(_attached(one, boundary) for one in others)], "m", boundary)
    return part


def _belongs_to_html(attachment: Attachment, content: SimpleMessage) -> bool:
    return attachment.inline and attachment.content_id is not None and content.html is not None


def _alternatives(content: SimpleMessage, boundary: str) -> Part:
    given = (("plain", content.text), ("html", content.html))
    parts = [_text_part(subtype, text, boundary) for subtype, text in given if text is not None]
    if not parts:
        raise MessageRefused("no_body", "The message has neither a Text nor an Html body.")
    return parts[0] if len(parts) == 1 else _multipart("alternative", parts, "", boundary)


def _multipart(subtype: str, parts: Sequence[Part], mark: str, boundary: str, parameter: str = "") -> Part:
    """The parts between lines of their own boundary: marks differ in their first character."""
    mark += boundary
    line = b"--" + mark.encode("ascii")
    described = header_field("Content-Type", f'multipart/{subtype};{parameter} boundary="{mark}"')
    pieces: list[bytes] = []
    for part in parts:
        pieces += [line, b"\r\n", *part.fields, b"\r\n", part.body, b"\r\n"]
    return Part((described,), b"".join((*pieces, line, b"--\r\n")))


def _text_part(subtype: str, text: TextContent, boundary: str) -> Part:
    octets = encode_text(text.data, text.charset, "The body")
    encoding, body = encode_body(octets, avoid=boundary.encode("ascii"))
    described = header_field("Content-Type", f"text/{subtype}; charset={text.charset}")
    return Part((described, header_field("Content-Transfer-Encoding", encoding)), body)


def _attached(attachment: Attachment, boundary: str) -> Part:
    media_type = _media_type(attachment)
    encoding, body = encode_octets(
        attachment.content, _wanted_encoding(attachment, media_type), avoid=boundary.encode("ascii")
    )
    fields = [
        header_field("Content-Type", media_type),
        header_field("Content-Transfer-Encoding", encoding),
        _disposition(attachment),
    ]
    if attachment.content_id is not None:
        fields.append(header_field("Content-ID", f"<{_content_id(attachment.content_id)}>"))
    if attachment.description:
        fields.append(header_field("Content-Description", attachment.description))
    return Part(tuple(fields), body)


def _media_type(attachment: Attachment) -> str:
    """The Content-Type: the one given, else what the file's name says, else that nothing is known."""
    if attachment.content_type is None:
        extension = attachment.file_name.rpartition(".")[2].lower()
        return _TYPES.get(extension, "application/octet-stream")
    match = _MEDIA_TYPE.match(attachment.content_type)
    if match is None or match[1].lower() == "multipart":
        raise MessageRefused("content_type", "An attachment's ContentType is not of the form type/subtype.")
    return attachment.content_type.strip()


def _wanted_encoding(attachment: Attachment, media_type: str) -> str:
    """The encoding that was asked for; a message inside of a message may be in no other than 7bit."""
    return "SEVEN_BIT" if media_type.lower().startswith("message/") else attachment.encoding or "BASE64"


def _content_id(text: str) -> str:
    bare = text.removeprefix("<").removesuffix(">")
    if not _CONTENT_ID.match(bare):
        raise MessageRefused("content_id", "An attachment's ContentId holds a blank, a bracket or no ASCII.")
    return bare


def _disposition(attachment: Attachment) -> bytes:
    check_header_text(attachment.file_name, "An attachment's FileName")
    kind = "inline" if attachment.inline else "attachment"
    named = _parameters("filename", attachment.file_name) if attachment.file_name else []
    *before, last = [kind, *named]
    return folded("Content-Disposition", [*(f" {text};" for text in before), f" {last}"])


def _parameters(name: str, value: str) -> list[str]:
    """A parameter: quoted where it is short and ASCII, else in pieces of UTF-8, each character escaped."""
    if value.isascii() and len(value) <= _SHORT_NAME and "=?" not in value:
        return [f"{name}={quoted_string(value)}"]
    pieces = ["utf-8''"]
    for character in value:
        escaped = quote(character, safe=_ATTRIBUTE_CHARS)
        if len(pieces[-1]) + len(escaped) > _SHORT_NAME - 10:
            pieces.append("")
        pieces[-1] += escaped
    if len(pieces) == 1:
        return [f"{name}*={pieces[0]}"]
    return [f"{name}*{number}*={text}" for number, text in enumerate(pieces)]
