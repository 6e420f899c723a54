"""From what became of a submission to the reply that its sender reads.

Rule: pure; the one place where a refusal or the next hop's answer becomes a reply code.
References: RFC 5321 §4.2.3, RFC 4954 §6; AWS SES Developer Guide, "SMTP response codes".
"""

from __future__ import annotations

import re

from mailseal.core.envelope import Busy, Declined, HandedOver, MailAnswer, NoAnswer, RecipientAnswer
from mailseal.core.errors import (
    AccessDenied,
    BadRequest,
    MailFromDomainNotVerified,
    MessageRejected,
    NotAuthenticated,
    NotFound,
    Refusal,
    SendingPaused,
    TooManyRequests,
)
from mailseal.core.observations import printable

_CODED = re.compile(r"[45][0-9][0-9] ")

BAD_CREDENTIALS = "535 Authentication Credentials Invalid"
NOT_NOW = "451 Temporary local failure; the message was not accepted, send it again"
NEXT_HOP_SILENT = "451 The mail server behind this service does not answer; send it again"
NEXT_HOP_BUSY = "451 Too much mail waits for the mail server behind this service; send it again"


def reply_to_refusal(refusal: Refusal) -> str:
    """The reply to a request that was understood and declined."""
    text = printable(" ".join(refusal.message.split()))
    match refusal:
        case TooManyRequests():
            return "454 Throttling failure: Maximum sending rate exceeded."
        case MessageRejected():
            return f"554 Message rejected: {text}"
        case MailFromDomainNotVerified() | SendingPaused() | BadRequest():
            return f"554 Transaction failed: {text}"
        case AccessDenied():
            return f"554 Access denied: {text}"
        case NotFound():
            return f"554 Transaction failed: {text}"
        case NotAuthenticated():
            return "530 Authentication required: the access key of this connection is valid no longer"
        case _:
            return f"451 {text}"


def reply_to_recipient(answer: RecipientAnswer) -> str:
    """The reply to RCPT TO."""
    match answer:
        case Declined(permanent=permanent, answer=text):
            return _relayed(permanent, text)
        case NoAnswer():
            return NEXT_HOP_SILENT
        case Busy():
            return NEXT_HOP_BUSY
        case _:
            return "250 Ok"


def reply_to_message(answer: MailAnswer, message_id: str) -> str:
    """The reply to the end of the message; 250 is the next hop's own, with our id in it as SES gives it."""
    match answer:
        case HandedOver(answer=text):
            return f"250 Ok {message_id} {printable(text.removeprefix('250 '))}".rstrip()
        case Declined(permanent=permanent, answer=text):
            return _relayed(permanent, text)
        case NoAnswer():
            return NEXT_HOP_SILENT
        case Busy():
            return NEXT_HOP_BUSY


def _relayed(permanent: bool, text: str) -> str:
    """The next hop's refusal with its code, unless that would say something about this connection."""
    shown = printable(text)
    if _CODED.match(shown) and shown.startswith("5") == permanent and not shown.startswith("421"):
        return shown
    return f"{554 if permanent else 451} {shown}"
