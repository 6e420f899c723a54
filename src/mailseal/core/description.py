"""What a message consists of, for people: its parts, its header fields, and its signatures in words.

Rule: pure; text from the message is escaped here; what a tag says is told, not judged.
References: RFC 2046 §5.1, RFC 6376 §3.5, RFC 6376 §3.6.1, RFC 6376 §5.4.2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from itertools import islice
from typing import Any

from mailseal.core.observations import printable
from mailseal.dkim.canonicalization import Canonicalization, canonical_field
from mailseal.dkim.der import parse_rsa_public_bits
from mailseal.dkim.keyrecord import KeyRecord
from mailseal.dkim.message import HeaderField, Message
from mailseal.dkim.signature import FIELD_NAME, Signature, SignatureError, parse_signature
from mailseal.dkim.verify import signed_body_hash, signed_fields

_DEPTH_AT_MOST = 10
_PARTS_AT_MOST = 200
_ALGORITHMS = {
    "rsa-sha256": "RSA with SHA-256",
    "ed25519-sha256": "Ed25519 with SHA-256",
    "rsa-sha1": "RSA with SHA-1, which no verifier takes any more",
}
_LONGEST_YEAR_S = 253402300800
Members = dict[str, Any]


def described(message: Message) -> Members:
    """The message: its size, header fields with the signatures that cover each, parts and signatures."""
    headers = signature_fields(message)
    signatures = [_parsed(header) for header in headers]
    fields = []
    for field in message.fields:
        by = [number for number, one in enumerate(signatures, 1) if one and _covers(message, one, field)]
        own = headers.index(field) + 1 if field in headers else None
        how = _form(signatures, by)
        name, _, value = canonical_field(field.name, field.raw, how).partition(b":")
        shown = field.name if how is Canonicalization.RELAXED else name
        fields.append({"name": shown.decode(), "value": _text(value), "signed_by": by, "signature": own})
    parts = _parts(message.raw[: -len(message.body) or None], bytes(message.body), 0)
    return {
        "octets": len(message.raw),
        "fields": fields,
        "parts": list(islice(parts, _PARTS_AT_MOST)),
        "signatures": [_signature(message, header) for header in headers],
    }


def signature_fields(message: Message) -> list[HeaderField]:
    """The DKIM-Signature fields, from the top down."""
    return [field for field in message.fields if field.name.lower() == FIELD_NAME.lower()]


def key_kind(record: KeyRecord) -> str:
    """The kind and length of a key: `RSA 2048`."""
    if not record.public_key:
        return "revoked"
    if record.key_type == "ed25519":
        return "Ed25519"
    bits = parse_rsa_public_bits(record.public_key)
    return f"RSA {bits}" if bits else "unreadable"


def key_notes(record: KeyRecord) -> list[str]:
    """What the record says besides the key, in words."""
    notes = []
    if not record.public_key:
        notes.append("p= is empty: its owner has revoked it")
    if "y" in record.flags:
        notes.append("t=y: its owner is testing, and verifiers may act as if there were no signature")
    if "s" in record.flags:
        notes.append("t=s: i= has to be of the very domain in d=")
    if record.services:
        notes.append(f"s={':'.join(record.services)}: for these services alone")
    if record.hashes:
        notes.append(f"h={':'.join(record.hashes)}: with these hashes alone")
    return notes


def _parsed(header: HeaderField) -> Signature | None:
    try:
        return parse_signature(header.value)
    except SignatureError:
        return None


def _covers(message: Message, signature: Signature, field: HeaderField) -> bool:
    return any(one is field for one in signed_fields(message.fields, signature.header_names))


def _form(signatures: list[Signature | None], by: list[int]) -> Canonicalization:
    """The form in which the topmost signature covers a field; relaxed, which is shorter, where none does."""
    first = signatures[by[0] - 1] if by else None
    return first.header_canonicalization if first else Canonicalization.RELAXED


def _signature(message: Message, header: HeaderField) -> Members:
    try:
        said = parse_signature(header.value)
    except SignatureError as error:
        return {"readable": False, "reason": str(error)}
    counted = Counter(name.lower() for name in said.header_names)
    present = Counter(field.name.lower() for field in message.fields)
    spelled: dict[bytes, str] = {}
    for name in said.header_names:
        spelled.setdefault(name.lower(), name.decode())
    hashed = signed_body_hash(message.body, said)
    return {
        "readable": True,
        "domain": said.sdid,
        "selector": said.selector,
        "key_record": f"{said.selector}._domainkey.{said.sdid}",
        "algorithm": said.algorithm,
        "algorithm_words": _ALGORITHMS.get(said.algorithm, "unknown"),
        "header_form": said.header_canonicalization.value,
        "body_form": said.body_canonicalization.value,
        "signed_at": _time(said.signed_at),
        "expires_at": _time(said.expires_at),
        "on_behalf_of": printable(said.auid),
        "body_length": said.body_length,
        "body_hash_matches": hashed == said.body_hash,
        "signature_octets": len(said.signature),
        "covered": [
            {
                "name": spelled[name],
                "in_h": counted[name],
                "in_message": present[name],
                "oversigned": counted[name] > present[name],
                "left_open": max(0, present[name] - counted[name]),
            }
            for name in spelled
        ],
    }


def _time(seconds: int | None) -> str | None:
    if seconds is None or seconds >= _LONGEST_YEAR_S:
        return None
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _parts(header: bytes, body: bytes, depth: int) -> Iterator[Members]:
    said = BytesHeaderParser().parsebytes(header)
    kind = said.get_content_type()
    charset, name = said.get_content_charset() or "", said.get_filename() or ""
    yield {
        "depth": depth,
        "type": printable(kind),
        "charset": printable(charset),
        "encoding": printable(str(said.get("content-transfer-encoding", "7bit")).strip().lower()),
        "name": printable(name),
        "octets": len(body),
    }
    if depth >= _DEPTH_AT_MOST:
        return
    if kind == "message/rfc822":
        inner, _, rest = body.partition(b"\r\n\r\n")
        yield from _parts(inner, rest, depth + 1)
        return
    boundary = said.get_boundary()
    if said.get_content_maintype() == "multipart" and boundary:
        for part in _cut(b"\r\n" + body, boundary.encode("utf-8", "surrogateescape")):
            inner, _, rest = part.partition(b"\r\n\r\n")
            yield from _parts(inner.removeprefix(b"\r\n"), rest, depth + 1)


def _cut(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the lines of a boundary, each beginning with CRLF."""
    line = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    begin = line.search(body)
    while begin and not begin[1]:
        end = line.search(body, begin.end())
        yield body[begin.end() : end.start() if end else len(body)]
        begin = end


def _text(value: bytes) -> str:
    return printable(" ".join(value.decode("utf-8", "replace").split()), at_most=1000)
