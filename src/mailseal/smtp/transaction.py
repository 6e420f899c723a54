"""One mail transaction with the next hop, step by step: begun, asked for DATA, the message, ended.

Rule: until DATA was answered with 354 nothing can have been taken, and a step may be made again on another
connection; after it never.
References: RFC 5321 §3.3, RFC 5321 §4.1.1.4, RFC 6152 §3, RFC 6531 §3.4, RFC 1870 §6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailseal.core.envelope import Declined, HandedOver
from mailseal.smtp.client import Conversation, Refused, Reply, stuffed
from mailseal.smtp.pool import Pool
from mailseal.smtp.wire import WireLost

_RCPT_TAKEN = frozenset((250, 251))


@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM, and what the message needs its server to be able to do."""

    mail_from: str
    size: int = 0
    """Octets, 0 where nobody knows."""
    is_8bit: bool = False
    needs_utf8: bool = False

    def command(self, talk: Conversation) -> bytes:
        """MAIL FROM with the parameters that this server offers; raises Refused where it lacks one."""
        words = [f"MAIL FROM:<{self.mail_from}>"]
        if self.size and talk.offers("SIZE"):
            words.append(f"SIZE={self.size}")
        if self.is_8bit:
            _need(talk, "8BITMIME", "8-bit content, and converting it would break the signature")
            words.append("BODY=8BITMIME")
        if self.needs_utf8:
            _need(talk, "SMTPUTF8", "addresses or header fields beyond ASCII")
            words.append("SMTPUTF8")
        return " ".join(words).encode() + b"\r\n"


async def begun(
    pool: Pool, sender: Sender, recipients: Sequence[str]
) -> tuple[Conversation, Declined | None]:
    """A conversation in which MAIL FROM and these recipients were said, and the first refusal if any.

    A kept connection that went stale is replaced. Raises Refused, WireLost.
    """
    talk = pool.kept()
    if talk is not None:
        try:
            return talk, await _said(talk, sender, recipients)
        except WireLost:
            talk.abort()
    talk = await pool.fresh()
    try:
        return talk, await _said(talk, sender, recipients)
    except BaseException:
        talk.abort()
        raise


async def one_more(talk: Conversation, recipient: str) -> Declined | None:
    """None where the server takes another recipient; raises WireLost."""
    [reply] = await talk.ask(_rcpt(recipient))
    return None if reply.code in _RCPT_TAKEN else declined(reply)


async def asked_for_data(talk: Conversation) -> Declined | None:
    """None where the server waits for the message; raises WireLost."""
    [reply] = await talk.ask(b"DATA\r\n")
    return None if reply.code == 354 else declined(reply)


async def delivered(pool: Pool, talk: Conversation, message: bytes) -> HandedOver | Declined:
    """The server's answer to the whole message; raises WireLost, and then it may have been taken."""
    reply = await talk.message(stuffed(message))
    if reply.code == 421:
        talk.abort()
    else:
        pool.give_back(talk)
    return HandedOver(str(reply)) if reply.code == 250 else declined(reply)


async def ended(pool: Pool, talk: Conversation) -> None:
    """Takes back what was begun; the connection is kept where the server agrees."""
    try:
        [reply] = await talk.ask(b"RSET\r\n")
    except WireLost:
        talk.abort()
        return
    except BaseException:
        talk.abort()
        raise
    if reply.code == 250:
        pool.give_back(talk)
    else:
        talk.quit()


def declined(reply: Reply) -> Declined:
    """The refusal; an answer that is none, where another was due, is one for now."""
    return Declined(permanent=reply.code >= 500, answer=str(reply))


async def _said(talk: Conversation, sender: Sender, recipients: Sequence[str]) -> Declined | None:
    commands = [sender.command(talk), *(_rcpt(recipient) for recipient in recipients)]
    replies = await talk.ask(*commands)
    if replies[0].code != 250:
        return declined(replies[0])
    refusals = (reply for reply in replies[1:] if reply.code not in _RCPT_TAKEN)
    refused = next(refusals, None)
    return None if refused is None else declined(refused)


def _rcpt(recipient: str) -> bytes:
    return f"RCPT TO:<{recipient}>\r\n".encode()


def _need(talk: Conversation, extension: str, what: str) -> None:
    if not talk.offers(extension):
        raise Refused(Reply(554, f"the next hop does not take {what}: it offers no {extension}"))
