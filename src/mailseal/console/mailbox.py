"""The sandbox's mailbox: each message with what its signature is worth, explained part by part.

Rule: everything in a message is somebody else's text; it is shown, never obeyed.
References: RFC 6376 §3.5, RFC 6376 §6.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from mailseal.console import times
from mailseal.console.visit import Visit
from mailseal.console.words import Sign
from mailseal.core.commands import Recipients, SendEmail, SimpleMessage, TextContent
from mailseal.core.errors import Refusal
from mailseal.dkim.message import MessageRefused, parse_message
from mailseal.dkim.signature import Signature, SignatureError, parse_signature
from mailseal.service.send import send_email

_LISTED = 50
_SOURCE_AT_MOST = 64 * 1024
_VALID = Sign("ok", "ok", "Signature valid")
_UNSIGNED = Sign("none", "none", "Not signed")
_NO_KEY = Sign("none", "none", "The key could not be asked for")
_BROKEN = Sign("bad", "bad", "Signature broken")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a signature and what it says."""

    tag: str
    says: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of the verdict."""

    sign: Sign
    what: str
    detail: str


async def show(visit: Visit) -> Response:
    """The mailbox with its newest message, or the one that the path names."""
    return await _page(visit)


async def send(visit: Visit) -> Response:
    """A message on its way through SendEmail, and the mailbox with it."""
    text = TextContent(visit.said("text") or "A message from the sandbox.")
    command = SendEmail(
        simple=SimpleMessage(TextContent(visit.said("subject") or "A test"), text=text),
        from_address=visit.said("from"),
        destination=Recipients(to=(visit.said("to") or "somebody@example.com",)),
    )
    try:
        await send_email(visit.world, visit.who, command, visit.now)
    except Refusal as refused:
        return await _page(visit, refused)
    return visit.go("sandbox", "mailbox")


async def _page(visit: Visit, refused: Refusal | None = None) -> Response:
    face = visit.playing
    mails = (await face.ask(visit.who, "GET", "mailbox"))["items"][-_LISTED:][::-1]
    chosen = visit.request.path_params.get("mail") or (mails[0]["id"] if mails else None)
    one = None if chosen is None else await face.ask(visit.who, "GET", f"mailbox/{chosen}")
    raw = b"" if chosen is None else await face.raw(visit.who, "GET", f"mailbox/{chosen}/raw")
    clock = await face.ask(visit.who, "GET", "clock")
    source = raw[:_SOURCE_AT_MOST].decode("utf-8", "replace").replace("\r\n", "\n")
    field, signature = signature_of(raw)
    return await visit.page(
        "sandbox_mailbox.html",
        here="mailbox",
        status=200 if refused is None else 400,
        refused=refused,
        mails=[(mail, sign_of(mail), mail["received_at"][11:16]) for mail in mails],
        one=one,
        sign=None if one is None else sign_of(one),
        facts=() if one is None else facts_of(one, signature),
        parts=() if signature is None else parts_of(signature, len(raw)),
        field=field,
        source=_lines(source),
        view=visit.query.get("view", ""),
        ahead=clock["ahead_seconds"],
    )


def sign_of(mail: dict[str, Any]) -> Sign:
    """What a message's signatures are worth, in two words."""
    found = [one["result"] for one in mail["dkim"]]
    if not found:
        return _UNSIGNED
    if "pass" in found:
        return _VALID
    return _NO_KEY if "temperror" in found else _BROKEN


def signature_of(raw: bytes) -> tuple[str, Signature | None]:
    """The topmost DKIM-Signature as it stands, and what it says; empty and None where there is none."""
    try:
        message = parse_message(raw)
    except MessageRefused:
        return "", None
    for one in message.fields:
        if one.name.lower() == b"dkim-signature":
            text = one.raw.decode("ascii", "replace").replace("\r\n", "\n")
            try:
                return _lines(text), parse_signature(one.value)
            except SignatureError:
                return _lines(text), None
    return "", None


def facts_of(mail: dict[str, Any], signature: Signature | None) -> Sequence[Fact]:
    """The verdict in sentences."""
    sign = sign_of(mail)
    reasons = "; ".join(str(one["reason"]) for one in mail["dkim"] if one["result"] != "pass")
    if signature is None:
        return [Fact(sign, "There is no signature to judge", "Its identity is not proven, or paused")]
    sender = mail["from"].rpartition("@")[2].strip("> ").lower()
    aligned = sender == signature.sdid
    names = [name.lower() for name in signature.header_names]
    over = names.count(b"from") > 1
    return [
        Fact(sign, sign.word, reasons or "The key was found in the DNS"),
        _fact(aligned, "The sender is the signer", f"From and d= are both {signature.sdid}", sender),
        _fact(over, "Nobody can add a second From", "From is signed twice", "From is signed once"),
        _fact(True, "The signature still counts", _lasts(signature.expires_at), ""),
    ]


def _lasts(expires_at: int | None) -> str:
    """Until when a signature that a verifier took counts."""
    if expires_at is None:
        return "It has no end: no x= in it"
    return f"Until {times.stamp(datetime.fromtimestamp(min(expires_at, 2**33), UTC))}"


def _fact(good: bool, what: str, why: str, otherwise: str) -> Fact:
    if good:
        return Fact(Sign("ok", "ok", ""), what, why)
    return Fact(Sign("warn", "warn", ""), f"Not so: {what[:1].lower()}{what[1:]}", otherwise)


def parts_of(signature: Signature, size: int) -> Sequence[Part]:
    """What each part of a signature says."""
    names = b", ".join(signature.header_names).decode("ascii", "replace")
    parts = [
        Part("d=", f"Who signs: {signature.sdid}."),
        Part("s=", f"Which key: the one at {signature.selector}._domainkey.{signature.sdid}."),
        Part("a=", f"How: {signature.algorithm}."),
        Part("h=", f"What is protected of the header: {names}."),
        Part("bh=", f"The fingerprint of the text; the whole message has {size:,} bytes."),
    ]
    if signature.signed_at is not None:
        at = datetime.fromtimestamp(min(signature.signed_at, 2**33), UTC)
        parts.append(Part("t=", f"When: {times.stamp(at)}, by the real clock."))
    return parts


def empty_query(**given: str) -> dict[str, str]:
    """The members of a query that say something."""
    return {name: value for name, value in given.items() if value}


def _lines(text: str) -> str:
    """Text over several lines, each with what cannot be printed made visible."""
    return "\n".join(_visible(line) for line in text.split("\n"))


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)
