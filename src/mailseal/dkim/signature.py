"""The DKIM-Signature field: build, fold, parse.

Rule: what we build has the shape of Amazon SES's signatures, plus x= after t=; l=, i= and z= are never built.
References: RFC 6376 §3.5, RFC 6376 §3.7, RFC 5322 §2.1.1, RFC 8301 §3.1, RFC 8463 §3.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.taglist import TagListError, parse_tag_list, without_blanks

FIELD_NAME = b"DKIM-Signature"
LINE_OCTETS = 78  # RFC 5322 §2.1.1 recommends it; a single long name may exceed it

_FOLD = b"\r\n\t"
_VALUE_FOLD = b"\r\n\t "
_NAMES_LINE = LINE_OCTETS - 4
_FIRST_VALUE_LINE = 64
_VALUE_LINES = re.compile(rb".{1,67}")

_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_NUMBER = re.compile(rb"[0-9]{1,76}\Z")
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\Z"
)
_HEADER_NAMES = re.compile(rb"[!-9;-~]+(?::[!-9;-~]+)*\Z")
_SIGNATURE_VALUE = re.compile(rb"(?P<before>(?:^[^:]*:|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class SignatureError(ValueError):
    """A DKIM-Signature field that cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a DKIM-Signature field says; times in seconds since 1970."""

    algorithm: str
    sdid: str
    auid: str
    selector: str
    header_names: tuple[bytes, ...]
    header_canonicalization: Canonicalization
    body_canonicalization: Canonicalization
    body_hash: bytes
    signature: bytes
    body_length: int | None
    signed_at: int | None
    expires_at: int | None


def format_head(
    selector: str,
    sdid: str,
    canonicalization: str,
    signed_at: int,
    expires_at: int | None,
    algorithm: str = "rsa-sha256",
) -> bytes:
    """The field from its name up to t= and x=, each line at most 78 octets where the names allow it."""
    terms = (algorithm.encode(), canonicalization.encode())
    lines = [b"DKIM-Signature: v=1; a=%b; q=dns/txt; c=%b;" % terms]
    line = b"s=%b;" % selector.encode()
    tags = [b"d=%b;" % sdid.encode(), b"t=%d;" % signed_at]
    if expires_at is not None:
        tags.append(b"x=%d;" % expires_at)
    for tag in tags:
        if 1 + len(line) + 1 + len(tag) > LINE_OCTETS:
            lines.append(line)
            line = tag
        else:
            line += b" " + tag
    lines.append(line)
    return _FOLD.join(lines)


def format_names(names: Sequence[bytes]) -> bytes:
    """The value of h=, folded after colons; every line has room for a TAB, the tag's name and a semicolon."""
    rest = b":".join(names)
    lines: list[bytes] = []
    while len(rest) > _NAMES_LINE:
        cut = rest.rfind(b":", 0, _NAMES_LINE + 1) + 1
        if not cut:  # no header field name that we sign is so long
            break
        lines.append(rest[:cut])
        rest = rest[cut:]
    lines.append(rest)
    return _FOLD.join(lines)


def format_unsigned(head: bytes, names: bytes, body_hash: bytes) -> bytes:
    """The field with b= empty, which is what the signature covers; no final CRLF."""
    return b"%b\r\n\th=%b;\r\n\tbh=%b;\r\n\tb=" % (head, names, binascii.b2a_base64(body_hash, newline=False))


def canonical_unsigned(unsigned: bytes, how: Canonicalization) -> bytes:
    """The canonical form of a field that `format_unsigned` made, cheaper than of any field.

    Its only blanks are single ones and folds of CRLF TAB, so one replacement is all that relaxed asks for.
    """
    if how is Canonicalization.SIMPLE:
        return unsigned
    return b"dkim-signature:" + unsigned[len(FIELD_NAME) + 2 :].replace(_FOLD, b" ")


def format_value(signature: bytes) -> bytes:
    """The value of b=: base64 in lines as SES breaks them, with the field's final CRLF."""
    text = binascii.b2a_base64(signature, newline=False)
    lines = [text[:_FIRST_VALUE_LINE], *_VALUE_LINES.findall(text, _FIRST_VALUE_LINE)]
    return _VALUE_FOLD.join(lines) + b"\r\n"


def without_signature_value(raw: bytes) -> bytes:
    """The whole field with the value of b= taken away, every other octet kept (RFC 6376 §3.7)."""
    return _SIGNATURE_VALUE.sub(rb"\g<before>", raw.removesuffix(b"\r\n"), count=1) + b"\r\n"


def parse_signature(value: bytes) -> Signature:
    """What the value of a DKIM-Signature field says, or SignatureError (RFC 6376 §6.1.1)."""
    try:
        tags = parse_tag_list(value)
    except TagListError as error:
        raise SignatureError(str(error)) from None
    for name in _REQUIRED:
        if not tags.get(name):
            raise SignatureError(f"The required tag {name}= is missing or empty.")
    if tags["v"] != b"1":
        raise SignatureError("The version is not v=1.")
    header_c, body_c = _parse_canonicalization(tags.get("c", b"simple/simple"))
    sdid, auid = _parse_domains(tags)
    signed_at, expires_at = _parse_number(tags, "t"), _parse_number(tags, "x")
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise SignatureError("The signature expires (x=) before it was made (t=).")
    if b"dns/txt" not in without_blanks(tags.get("q", b"dns/txt")).split(b":"):
        raise SignatureError("No known way to fetch the key is named in q=.")
    return Signature(
        algorithm=tags["a"].decode(),
        sdid=sdid,
        auid=auid,
        selector=_parse_domain(tags["s"], "s"),
        header_names=_parse_names(tags["h"]),
        header_canonicalization=header_c,
        body_canonicalization=body_c,
        body_hash=_parse_base64(tags["bh"], "bh"),
        signature=_parse_base64(tags["b"], "b"),
        body_length=_parse_number(tags, "l"),
        signed_at=signed_at,
        expires_at=expires_at,
    )


def _parse_canonicalization(value: bytes) -> tuple[Canonicalization, Canonicalization]:
    header, _, body = value.decode().partition("/")
    try:
        return Canonicalization(header), Canonicalization(body or "simple")
    except ValueError:
        raise SignatureError("The canonicalization in c= is not known.") from None


def _parse_domains(tags: dict[str, bytes]) -> tuple[str, str]:
    sdid = _parse_domain(tags["d"], "d")
    auid = tags.get("i", b"@" + tags["d"]).decode()
    auid_domain = auid.rpartition("@")[2].lower()
    if "@" not in auid or not (auid_domain == sdid or auid_domain.endswith("." + sdid)):
        raise SignatureError("The domain in i= is neither the domain in d= nor below it.")
    return sdid, auid


def _parse_domain(value: bytes, name: str) -> str:
    if len(value) > 253 or _DOMAIN.match(value) is None:
        raise SignatureError(f"The value of {name}= is not a DNS name.")
    return value.decode().lower()


def _parse_names(value: bytes) -> tuple[bytes, ...]:
    bare = without_blanks(value)
    if _HEADER_NAMES.match(bare) is None:
        raise SignatureError("The value of h= is not a list of header field names.")
    names = tuple(bare.split(b":"))
    if b"from" not in {name.lower() for name in names}:
        raise SignatureError("The From field is not among those signed in h=.")
    return names


def _parse_base64(value: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(without_blanks(value), validate=True)
    except ValueError:
        raise SignatureError(f"The value of {name}= is not base64.") from None


def _parse_number(tags: dict[str, bytes], name: str) -> int | None:
    if name not in tags:
        return None
    if _NUMBER.match(tags[name]) is None:
        raise SignatureError(f"The value of {name}= is not a number.")
    return int(tags[name])
