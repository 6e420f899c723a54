"""The mailbox that takes all mail of a sandbox, and what each message's signatures are worth.

Rule: messages are shown byte for byte as they were handed over; signatures are judged by our own verifier
with keys fetched through the sandbox's DNS.
References: RFC 6376 §6.1; https://cr.yp.to/proto/maildir.html.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailseal.core.observations import Observation, Outcome, Question, RecordType, printable
from mailseal.dkim.message import Message, MessageRefused, parse_message
from mailseal.dkim.verify import KeyAnswer, KeyFound, NoKey, Verification, verify
from mailseal.service.world import Resolver

ENVELOPES = ".envelopes"
_FOLDERS = ("new", "cur")


@dataclass(frozen=True, slots=True)
class Kept:
    """One message in the mailbox; `name` is its file's, and how it is asked for."""

    name: str
    path: Path
    at: datetime
    order: int


def list_mail(mailbox: Path) -> list[Kept]:
    """All messages, in the order of their arrival."""
    found = [_kept(path) for folder in _FOLDERS for path in (mailbox / folder).glob("*") if path.is_file()]
    return sorted(found, key=lambda kept: (kept.order, kept.name))


def find_mail(mailbox: Path, name: str) -> Kept | None:
    """The message of that name, or None; a name with a path in it finds nothing."""
    return next((kept for kept in list_mail(mailbox) if kept.name == name), None)


def _kept(path: Path) -> Kept:
    stamp = path.stat().st_mtime_ns
    return Kept(path.name, path, datetime.fromtimestamp(stamp / 1e9, UTC), stamp)


def envelope_of(mailbox: Path, name: str) -> dict[str, object]:
    """MAIL FROM and RCPT TO as they were handed over; empty where nobody wrote them down."""
    try:
        found = json.loads((mailbox / ENVELOPES / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def field_text(message: Message, name: bytes) -> str:
    """The first field of that name, unfolded, for people to read; empty where there is none."""
    for one in message.fields:
        if one.name.lower() == name:
            return printable(" ".join(one.value.decode("utf-8", "replace").split()))
    return ""


async def verifications(raw: bytes, resolver: Resolver, now: datetime) -> tuple[Verification, ...]:
    """What each signature of a message is worth at `now`, with its key fetched through the DNS."""
    try:
        message = parse_message(raw)
    except MessageRefused:
        return ()
    wanted: list[str] = []

    def note(name: str) -> KeyAnswer:
        wanted.append(name)
        return NoKey.NOT_FOUND

    await asyncio.to_thread(verify, message, note)
    answers = await _answers(sorted(set(wanted)), resolver)
    return await asyncio.to_thread(verify, message, answers.__getitem__, now=int(now.timestamp()))


async def _answers(names: list[str], resolver: Resolver) -> dict[str, KeyAnswer]:
    if not names:
        return {}
    seen = await resolver.ask_vantages([Question(name, RecordType.TXT) for name in names])
    return {one.question.name: _key_answer(one) for one in seen} | {
        name: NoKey.UNAVAILABLE for name in names if all(one.question.name != name for one in seen)
    }


def _key_answer(seen: Observation) -> KeyAnswer:
    if seen.outcome is Outcome.ANSWER and seen.texts:
        return KeyFound(seen.texts)
    if seen.outcome in (Outcome.ANSWER, Outcome.NXDOMAIN, Outcome.NODATA):
        return NoKey.NOT_FOUND
    return NoKey.UNAVAILABLE


async def describe(mailbox: Path, kept: Kept, resolver: Resolver | None, now: datetime) -> dict[str, object]:
    """One message as the native API shows it, foreign text escaped; no resolver: nothing is judged."""
    raw = await asyncio.to_thread(kept.path.read_bytes)
    found = await verifications(raw, resolver, now) if resolver else ()
    try:
        message: Message | None = parse_message(raw)
    except MessageRefused:
        message = None
    return {
        "id": kept.name,
        "received_at": kept.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "from": field_text(message, b"from") if message else "",
        "to": field_text(message, b"to") if message else "",
        "subject": field_text(message, b"subject") if message else "",
        "size_bytes": len(raw),
        "envelope": envelope_of(mailbox, kept.name),
        "dkim": [
            {
                "result": one.result.value,
                "reason": one.reason,
                "domain": one.sdid,
                "selector": one.selector,
            }
            for one in found
        ],
    }
