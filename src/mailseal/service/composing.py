"""From a SendEmail command to the RFC 5322 bytes that are to be signed.

Rule: what the caller sent as Raw keeps its bytes; only missing Date and Message-ID are added and Bcc removed.
References: RFC 5322 §3.6, AWS SESv2 EmailContent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.core.addresses import parse_mailbox_list
from mailseal.core.commands import Recipients, SendEmail
from mailseal.core.compose import complete_raw, compose_simple, with_crlf
from mailseal.core.errors import BadRequest
from mailseal.dkim.message import parse_message

_ADDRESSED = frozenset((b"to", b"cc", b"bcc"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a composed message unique, given from outside so that composing stays pure."""

    date: str
    message_id: str
    boundary: str


def message_bytes(command: SendEmail, stamp: Stamp) -> bytes:
    """The message to be signed; raises BadRequest where the command names no content or two."""
    if command.raw is not None and command.simple is None:
        return complete_raw(command.raw, date=stamp.date, message_id=stamp.message_id)
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


def envelope_recipients(command: SendEmail) -> tuple[str, ...]:
    """The recipients in the envelope's form, each once: those of Destination, else those that the raw message
    names in To, Cc and Bcc, for Bcc is gone from what is sent. Raises AddressRefused, MessageRefused.
    """
    if command.destination is not None and command.destination.all():
        written: Sequence[str | bytes] = command.destination.all()
    elif command.raw is not None:
        message = parse_message(with_crlf(command.raw))
        written = [one.value for one in message.fields if one.name.lower() in _ADDRESSED]
    else:
        written = ()
    boxes = [box for text in written for box in parse_mailbox_list(text)]
    return tuple(dict.fromkeys(str(box) for box in boxes))
