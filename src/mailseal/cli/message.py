"""`mailseal verify FILE` and `mailseal message show FILE`: what one message says, and what that is worth.

Rule: no server is asked, only the DNS for key records; what was done to a message is proven, or not said.
References: RFC 6376 §6.1; docs/cli.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from mailseal.cli import message_screens as screens
from mailseal.cli.ending import Exit
from mailseal.cli.key_records import answer_of, look_up_keys
from mailseal.cli.mail import FILE, read_file, read_message
from mailseal.cli.options import given, output, shared
from mailseal.core.description import described, key_kind, key_notes, signature_fields
from mailseal.core.observations import Observation, Outcome, printable
from mailseal.dkim.comparison import Difference, compare
from mailseal.dkim.explain import explain
from mailseal.dkim.keyrecord import KeyRecordError, parse_key_record
from mailseal.dkim.message import HeaderField, Message
from mailseal.dkim.signature import Signature, SignatureError, parse_signature
from mailseal.dkim.verify import MAX_SIGNATURES, KeyAnswer, KeyFound, NoKey, Result, Verification
from mailseal.dkim.verify import verify as dkim_verify


@click.group()
@shared
def message() -> None:
    """One message in a file: what it consists of, and what is signed of it."""


@message.command()
@click.argument("file", type=FILE)
@shared
def show(file: Path) -> None:
    """Shows a message's parts, its header fields as signed, and each signature in words."""
    members = {"file": str(file), **described(read_message(file))}
    if given("as_json"):
        output().object(members)
    else:
        output().show(screens.shown(members))


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--key-record", metavar="TXT", help="The TXT value of the key, or @ and a file: no DNS is asked."
)
@click.option("--original", type=FILE, help="The message as it was sent, to compare with.")
@click.option(
    "--resolver", "resolvers", multiple=True, metavar="URL", help="Ask this one, as udp://192.0.2.53."
)
@shared
def verify(file: Path, key_record: str | None, original: Path | None, resolvers: tuple[str, ...]) -> int:
    """Says what each signature of the message in FILE is worth, and what was done to it since."""
    letter = read_message(file)
    sent = read_message(original) if original else None
    seen: Mapping[str, Observation] = {}
    if key_record is None:
        signatures = [_parsed(header) for header in signature_fields(letter)[:MAX_SIGNATURES]]
        seen = look_up_keys([_key_name(one) for one in signatures if one], resolvers)

    def look_up(name: str) -> KeyAnswer:
        return answer_of(seen.get(name)) if key_record is None else _told(key_record)

    found = dkim_verify(letter, look_up, now=int(time.time()))
    members = {"file": str(file), **judged(letter, found, look_up, seen, sent)}
    if given("as_json"):
        output().object(members)
    else:
        output().show(screens.verified(members))
    return _exit(found)


def judged(
    letter: Message,
    found: tuple[Verification, ...],
    look_up: Callable[[str], KeyAnswer],
    seen: Mapping[str, Observation],
    sent: Message | None,
) -> dict[str, Any]:
    """What there is to say of each verification: the key, what is known of header and body, what differs."""
    items = []
    for one, header in zip(found, signature_fields(letter), strict=True):
        item: dict[str, Any] = {
            "result": one.result,
            "reason": one.reason,
            "domain": one.sdid,
            "selector": one.selector,
        }
        said = _parsed(header)
        if said:
            name = _key_name(said)
            answer = look_up(name)
            item["key"] = _key(name, answer, seen.get(name))
            item |= _explained(letter, header, one, answer)
            item["differences"] = [_difference(each) for each in compare(letter, sent, said)] if sent else []
        items.append(item)
    return {"compared": sent is not None, "signatures": items}


def _exit(found: tuple[Verification, ...]) -> int:
    lacking = [one.result for one in found if one.result is not Result.PASS]
    if found and not lacking:
        return Exit.WELL
    silent = lacking and all(result is Result.TEMPERROR for result in lacking)
    return Exit.COULD_NOT_ASK if silent else Exit.NO


def _parsed(header: HeaderField) -> Signature | None:
    try:
        return parse_signature(header.value)
    except SignatureError:
        return None


def _key_name(signature: Signature) -> str:
    return f"{signature.selector}._domainkey.{signature.sdid}"


def _told(key_record: str) -> KeyAnswer:
    """The record that was given, the same for every signature."""
    record = read_file(Path(key_record[1:])).strip() if key_record.startswith("@") else key_record.encode()
    return KeyFound((record,)) if record else NoKey.NOT_FOUND


def _key(name: str, answer: KeyAnswer, seen: Observation | None) -> dict[str, Any]:
    """What was found at a key's name, by whom, and what it says."""
    members: dict[str, Any] = {"name": name, "asked": "", "chain": [], "texts": [], "kind": "", "notes": []}
    if seen is not None:
        members["asked"] = seen.asked.server
        members["chain"] = [printable(target) for target in seen.chain]
    if isinstance(answer, NoKey):
        members["state"] = "unavailable" if answer is NoKey.UNAVAILABLE else "absent"
        if seen is not None and seen.outcome is not Outcome.ANSWER:
            members["notes"] = [printable(seen.detail or seen.outcome.value)]
        return members
    members["texts"] = [printable(text.decode("utf-8", "replace"), at_most=2000) for text in answer.texts]
    members["state"] = "found" if len(answer.texts) == 1 else "several"
    try:
        record = parse_key_record(answer.texts[0])
    except KeyRecordError as error:
        return members | {"state": "unusable", "notes": [str(error)]}
    return members | {"kind": key_kind(record), "notes": key_notes(record)}


def _explained(
    letter: Message, header: HeaderField, found: Verification, answer: KeyAnswer
) -> dict[str, Any]:
    """What is known of header and body; of a signature that passes nothing needs to be explained."""
    texts = answer.texts if isinstance(answer, KeyFound) else ()
    known = None if found.result is Result.PASS else explain(letter, header, texts)
    if known is None:
        return {"header": "intact", "body": "intact", "changes": []}
    changes = [
        {
            "part": part,
            "kind": each.kind,
            "undone": printable(each.undone, at_most=1000),
            "field": each.field,
            "start": each.start,
            "octets": each.octets,
        }
        for part, found_changes in (("header", known.header_changes), ("body", known.body_changes))
        for each in found_changes
    ]
    return {"header": known.header, "body": known.body, "changes": changes}


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "field": each.field,
        "line": each.line,
        "octet": each.octet,
        "was": _shown(each.was),
        "now": _shown(each.now),
    }


def _shown(octets: bytes | None) -> str | None:
    return None if octets is None else printable(octets.decode("utf-8", "backslashreplace"), at_most=400)
