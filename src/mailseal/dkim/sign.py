"""sign(message, signers, at): the DKIM-Signature fields to put on top of a message.

Rule: exactly one From or nothing is signed; one body hash and one canonical header serve all signers, and
neither depends on how the message came in.
References: RFC 6376 §5.4, RFC 6376 §5.4.2, RFC 6376 §5.5, RFC 6376 §3.7, RFC 6376 §8.15,
RFC 8463 §3.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mailseal.dkim.canonicalization import Canonicalization, body_hash, relaxed_fields
from mailseal.dkim.message import HeaderField, Message, MessageRefused
from mailseal.dkim.reader import ReadMessage
from mailseal.dkim.signature import (
    canonical_unsigned,
    format_head,
    format_names,
    format_unsigned,
    format_value,
)

# What SES signs where it is present.
SIGNED = frozenset(
    (
        b"from", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"mime-version",
        b"content-type", b"content-transfer-encoding", b"in-reply-to", b"references",
        b"list-unsubscribe", b"list-unsubscribe-post", b"list-help",
    )
)  # fmt: skip

# Departs from SES: listed once more than they occur, so that a second one breaks the signature.
OVERSIGNED = (
    b"From", b"To", b"Cc", b"Subject", b"Date", b"Reply-To", b"MIME-Version", b"Content-Type", b"Message-ID",
)  # fmt: skip

_ALL_OVERSIGNED = format_names(OVERSIGNED)

_Signed = tuple[bytes, bytes, bytes]  # a whole field, its name in lower case, its name as it stands

EIGHT_DAYS = 8 * 24 * 3600

_DNS_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: `sign_digest` makes a signature, so long, of a SHA-256 digest, by the algorithm of a=."""

    sdid: str
    selector: str
    sign_digest: Callable[[bytes], bytes] = field(repr=False)
    signature_bytes: int
    algorithm: str = "rsa-sha256"

    def __post_init__(self) -> None:
        if not (_DNS_NAME.match(self.sdid) and _DNS_NAME.match(self.selector)):
            raise ValueError("the signing domain or the selector is not a DNS name")


@dataclass(frozen=True, slots=True)
class SignOptions:
    """How to sign. `signed` are names in lower case that are signed where they are present; `oversigned` are
    listed once more, save those of `added_later` that are absent: an MTA may add them behind the signature.
    `lifetime_seconds=None` leaves x= out."""

    header: Canonicalization = Canonicalization.RELAXED
    body: Canonicalization = Canonicalization.SIMPLE
    lifetime_seconds: int | None = EIGHT_DAYS
    signed: frozenset[bytes] = SIGNED
    oversigned: tuple[bytes, ...] = OVERSIGNED
    added_later: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        lowered = {name.lower() for name in self.oversigned}
        if b"from" not in self.signed or b"from" not in lowered or not lowered <= self.signed:
            raise ValueError("From is always signed and oversigned, and what is oversigned is signed")


DEFAULT = SignOptions()


class Unsigned(NamedTuple):
    """A DKIM-Signature field that lacks its signature only, and the digest that has to be signed for it."""

    signer: Signer
    unsigned: bytes
    data_hash: bytes

    def signed(self, signature: bytes) -> bytes:
        """The finished field with its CRLF; raises ValueError for a signature of another length."""
        if len(signature) != self.signer.signature_bytes:
            raise ValueError("the signature is not as long as the signer's key")
        return self.unsigned + format_value(signature)


def sign(message: Message, signers: Sequence[Signer], at: int, *, options: SignOptions = DEFAULT) -> bytes:
    """The DKIM-Signature fields, one a signer in their order, each ending in CRLF; `at` is t= in seconds.

    Raises MessageRefused for a message without exactly one From field, or whose last line does not end.
    A relaxed header becomes a simple one where a signed field holds the raw octet A0.
    """
    made = prepare(message, signers, at, options=options)
    return b"".join([one.signed(one.signer.sign_digest(one.data_hash)) for one in made])


def prepare(
    message: Message, signers: Sequence[Signer], at: int, *, options: SignOptions = DEFAULT
) -> list[Unsigned]:
    """What `sign` makes before anything is signed, for those who sign digests elsewhere; raises alike."""
    if not message.raw.endswith(b"\r\n"):
        raise MessageRefused("no_final_crlf", "The last line of the message does not end in CRLF.")
    lowered = _lowered(message.fields)
    hashed_body = body_hash(message.body, options.body)
    return _prepared(message.fields, lowered, hashed_body, signers, at, options)


def prepare_read(
    read: ReadMessage, signers: Sequence[Signer], at: int, *, options: SignOptions = DEFAULT
) -> list[Unsigned]:
    """The same of a message that came in pieces, and whose body is gone; the body's form is the reader's."""
    options = options if read.body_form is options.body else replace(options, body=read.body_form)
    return _prepared(read.fields, _lowered(read.fields), read.body_hash, signers, at, options)


def _lowered(fields: Sequence[HeaderField]) -> list[bytes]:
    """The names in lower case; raises MessageRefused unless one From is among them."""
    lowered = [header.name.lower() for header in fields]
    if lowered.count(b"from") != 1:
        raise MessageRefused("from_count", "The message must have exactly one From field to be signed.")
    return lowered


def _prepared(
    fields: Sequence[HeaderField],
    lowered: list[bytes],
    hashed_body: bytes,
    signers: Sequence[Signer],
    at: int,
    options: SignOptions,
) -> list[Unsigned]:
    pairs = zip(fields, lowered, strict=True)
    signed = [(raw, lower, name) for (raw, name), lower in pairs if lower in options.signed]
    names = _names(signed, lowered, options)
    how = options.header
    prefix = _canonical_header(signed, how)
    if how is Canonicalization.RELAXED and b"\xa0" in prefix:
        # Departs from SES: mailauth takes this octet, part of many letters in UTF-8, for a blank, so that a
        # relaxed signature would fail there.
        how = Canonicalization.SIMPLE
        prefix = _canonical_header(signed, how)
    expires_at = None if options.lifetime_seconds is None else at + options.lifetime_seconds
    both = how + "/" + options.body
    result = []
    for signer in signers:
        head = format_head(signer.selector, signer.sdid, both, at, expires_at, signer.algorithm)
        unsigned = format_unsigned(head, names, hashed_body)
        data_hash = hashlib.sha256(prefix + canonical_unsigned(unsigned, how)).digest()
        result.append(Unsigned(signer, unsigned, data_hash))
    return result


def _names(signed: list[_Signed], lowered: list[bytes], options: SignOptions) -> bytes:
    """The value of h=: what is signed, in the message's order, then what is oversigned, on its own lines."""
    if options.oversigned is OVERSIGNED and not options.added_later:
        oversigned = _ALL_OVERSIGNED
    else:
        absent = options.added_later.difference(lowered)
        oversigned = format_names([name for name in options.oversigned if name.lower() not in absent])
    return format_names([name for _, _, name in signed]) + b":\r\n\t" + oversigned


def _canonical_header(signed: list[_Signed], how: Canonicalization) -> bytes:
    """The signed fields in canonical form, each ending in CRLF, in the order in which h= names them."""
    ordered = _hashed_order(signed)
    if how is Canonicalization.SIMPLE:
        return b"".join([raw for raw, _, _ in ordered])
    return b"\r\n".join(relaxed_fields(ordered)) + b"\r\n"


def _hashed_order(signed: list[_Signed]) -> list[_Signed]:
    """Of several fields with one name the last is hashed first (RFC 6376 §5.4.2)."""
    if len({lower for _, lower, _ in signed}) == len(signed):
        return signed
    stacks: dict[bytes, list[_Signed]] = {}
    for each in signed:
        stacks.setdefault(each[1], []).append(each)
    return [stacks[lower].pop() for _, lower, _ in signed]
