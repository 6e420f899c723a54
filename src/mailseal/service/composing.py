"""From a SendEmail command to the RFC 5322 bytes that are to be signed, and the envelope they travel in.

Rule: what the caller sent as Raw keeps its bytes; only what is missing is added, and only what was meant for
us (Bcc, Return-Path, X-SES-…) is taken out. Nothing here asks whether anybody may send it.
References: RFC 5322 §3.6, RFC 5321 §4.4, AWS SESv2 EmailContent, AWS SESv2 SendEmailRequest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256

from mailseal.core.addresses import AddressRefused, Mailbox, from_mailbox, parse_mailbox_list
from mailseal.core.commands import Recipients, SendEmail
from mailseal.core.compose import complete_raw, compose_simple, with_crlf
from mailseal.core.errors import BadRequest
from mailseal.core.sending import MOST_BYTES, MOST_RECIPIENTS
from mailseal.dkim.message import Message, MessageRefused, parse_message

_ADDRESSED = frozenset((b"to", b"cc", b"bcc"))
_NOBODY = re.compile(r"[^:;,<>@]*:\s*;\s*\Z")
"""A group without members, as in `To: undisclosed-recipients:;` (RFC 5322 §3.4)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a composed message unique, given from outside so that composing stays pure."""

    date: str
    message_id: str
    boundary: str


def stamp_of(at: datetime, unique: str, domain: str) -> tuple[str, Stamp]:
    """The id that the caller is told, of SES's form, and the stamp of the message that bears it."""
    digits = sha256(unique.encode()).hexdigest()
    groups = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])
    told = f"0100{int(at.timestamp() * 1000):012x}-{'-'.join(groups)}-000000"
    return told, Stamp(format_datetime(at), f"<{told}@{domain}>", f"=_{digits[32:56]}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An address that the message is sent as, or wants bounces at, and the identity named for it if any."""

    box: Mailbox
    arn: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message ready to be judged and signed; `author` is its From, `sources` all that must be covered."""

    message: Message
    author: Claimed
    sources: tuple[Claimed, ...]
    mail_from: Mailbox
    recipients: tuple[str, ...]
    configuration_set: str | None = None


def prepare(command: SendEmail, stamp: Stamp, *, one_signature: bool = False) -> Prepared:
    """The message of a command with its envelope; raises BadRequest for what is no message or has no goal."""
    try:
        told = _told_in_header(command.raw) if command.raw is not None else {}
        recipients = _recipients(command, told)
        message = parse_message(_message_bytes(command, stamp))
        return _prepared(command, told, recipients, message, one_signature)
    except (MessageRefused, AddressRefused) as refused:
        raise BadRequest(str(refused)) from None


def prepare_submitted(
    raw: bytes, mail_from: Mailbox | None, stamp: Stamp, *, one_signature: bool = False
) -> Prepared:
    """The message of a submission, whose envelope stands already; raises BadRequest.

    `mail_from` is None for the null reverse-path, which is nobody's address (RFC 5321 §4.5.5).
    """
    try:
        told = _told_in_header(raw)
        message = parse_message(complete_raw(raw, date=stamp.date, message_id=stamp.message_id))
        author = from_mailbox(message)
    except (MessageRefused, AddressRefused) as refused:
        raise BadRequest(str(refused)) from None
    _check_signatures(message, one_signature)
    claimed = Claimed(author, told.get(b"x-ses-from-arn") or told.get(b"x-ses-source-arn"))
    sources = [claimed]
    bounces_named = told.get(b"x-ses-return-path-arn")
    if mail_from is not None and (str(mail_from) != str(author) or bounces_named):
        sources.append(Claimed(mail_from, bounces_named))
    asked = told.get(b"x-ses-configuration-set")
    return Prepared(message, claimed, tuple(sources), mail_from or author, (), asked)


def _check_signatures(message: Message, one_signature: bool) -> None:
    if one_signature and len(message.values(b"dkim-signature")) > 1:
        raise BadRequest("Duplicate header 'DKIM-Signature'.")


def _prepared(
    command: SendEmail,
    told: Mapping[bytes, str],
    recipients: tuple[str, ...],
    message: Message,
    one_signature: bool,
) -> Prepared:
    author = from_mailbox(message)
    source = _mailbox(command.from_address) if command.from_address else author
    bounces = command.feedback_to or told.get(b"return-path", "").strip(" \t<>")
    mail_from = _mailbox(bounces) if bounces else source
    named = command.from_arn or told.get(b"x-ses-from-arn") or told.get(b"x-ses-source-arn")
    bounces_named = command.feedback_arn or told.get(b"x-ses-return-path-arn")
    _check_signatures(message, one_signature)
    size = len(message.raw)
    if size > MOST_BYTES:
        raise BadRequest(f"Message length is more than {MOST_BYTES} bytes long: '{size}'.")
    claimed = Claimed(author, named)
    sources = [claimed]
    if str(source) != str(author):
        sources.append(Claimed(source, told.get(b"x-ses-source-arn") or command.from_arn))
    if str(mail_from) not in (str(author), str(source)) or bounces_named:
        sources.append(Claimed(mail_from, bounces_named))
    asked = command.configuration_set or told.get(b"x-ses-configuration-set")
    return Prepared(message, claimed, tuple(sources), mail_from, recipients, asked)


def _message_bytes(command: SendEmail, stamp: Stamp) -> bytes:
    """The message to be signed; raises BadRequest where the command names no content or two."""
    if command.raw is not None and command.simple is None:
        return complete_raw(
            command.raw, date=stamp.date, message_id=stamp.message_id, from_address=command.from_address
        )
    if command.simple is None or command.raw is not None:
        raise BadRequest("Exactly one of Simple, Raw and Template must be present in Content.")
    if not command.from_address:
        raise BadRequest("FromEmailAddress is required with Simple content.")
    return compose_simple(
        command.simple,
        from_address=command.from_address,
        destination=command.destination or Recipients(),
        reply_to=command.reply_to,
        date=stamp.date,
        message_id=stamp.message_id,
        boundary=stamp.boundary,
    )


def _told_in_header(raw: bytes) -> dict[bytes, str]:
    """What a raw message says to us alone in its fields, and whom it is addressed to."""
    told: dict[bytes, str] = {}
    for one in parse_message(with_crlf(raw)).fields:
        name = one.name.lower()
        if name in _ADDRESSED:
            told[name] = f"{told[name]}, " if name in told else ""
            told[name] += one.value.decode("utf-8", "surrogateescape")
        elif name == b"return-path" or name.startswith(b"x-ses-"):
            told.setdefault(name, one.value.decode("utf-8", "replace").strip())
    return told


def _recipients(command: SendEmail, told: Mapping[bytes, str]) -> tuple[str, ...]:
    """The recipients in the envelope's form, each once: those of Destination, else those that the raw message
    names in To, Cc and Bcc, for Bcc is gone from what is sent."""
    if command.destination is not None and command.destination.all():
        written: Sequence[str] = command.destination.all()
    else:
        given = (told.get(name, "") for name in (b"to", b"cc", b"bcc"))
        written = [text for text in given if text.strip() and not _NOBODY.match(text)]
    boxes = [box for text in written for box in parse_mailbox_list(text)]
    recipients = tuple(dict.fromkeys(str(box) for box in boxes))
    if not recipients:
        raise BadRequest(
            "The message names no recipient.", hint="Name one in Destination or in To, Cc or Bcc."
        )
    if len(recipients) > MOST_RECIPIENTS:
        raise BadRequest(f"Recipient count exceeds {MOST_RECIPIENTS}.")
    return recipients


def _mailbox(text: str) -> Mailbox:
    boxes = parse_mailbox_list(text)
    if len(boxes) != 1:
        raise AddressRefused(f"{len(boxes)} addresses stand where one belongs.")
    return boxes[0]
