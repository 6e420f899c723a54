"""`mailseal sign FILE` and `mailseal verify FILE`: one message, one key, no server asked.

Rule: nothing is sent and nothing stored; `verify` looks at the one key record that it is given.
References: RFC 6376 §5, RFC 6376 §6.1; docs/cli.md; docs/library.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from mailseal.cli.ending import Exit
from mailseal.cli.keys import load_key_file
from mailseal.cli.options import given, output, shared
from mailseal.cli.output import GREEN, RED, text
from mailseal.config import SetupError
from mailseal.dkim.keys import KeyRefused
from mailseal.dkim.message import Message, MessageRefused, parse_message
from mailseal.dkim.sign import Signer
from mailseal.dkim.sign import sign as dkim_sign
from mailseal.dkim.verify import KeyAnswer, KeyFound, NoKey, Result
from mailseal.dkim.verify import verify as dkim_verify

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--key", required=True, type=_FILE, help="The private key, as keys inspect reads it.")
@click.option("--domain", required=True, metavar="NAME", help="The domain that signs, d=.")
@click.option("--selector", required=True, metavar="NAME", help="The key's selector, s=.")
@shared
def sign(file: Path, key: Path, domain: str, selector: str) -> int:
    """Prints the message in FILE with a signature on top."""
    message = _message(file)
    try:
        private = load_key_file(_content(key))
        signer = Signer(domain, selector, private.sign_digest, private.bits // 8)
        fields = dkim_sign(message, [signer], int(time.time()))
    except (KeyRefused, MessageRefused, ValueError) as refused:
        raise SetupError(str(refused)) from None
    sys.stdout.buffer.write(fields + message.raw)
    return Exit.WELL


@click.command()
@click.argument("file", type=_FILE)
@click.option("--key-record", required=True, metavar="TXT", help="The TXT value of the key, or @ and a file.")
@shared
def verify(file: Path, key_record: str) -> int:
    """Says what each signature of the message in FILE is worth under a key record, and why."""
    message = _message(file)
    record = _content(Path(key_record[1:])).strip() if key_record.startswith("@") else key_record.encode()

    def look_up(name: str) -> KeyAnswer:
        return KeyFound((record,)) if record else NoKey.NOT_FOUND

    found = dkim_verify(message, look_up, now=int(time.time()))
    passes = [one.result is Result.PASS for one in found]
    if given("as_json"):
        members = [
            {"result": one.result, "reason": one.reason, "domain": one.sdid, "selector": one.selector}
            for one in found
        ]
        output().object({"file": str(file), "signatures": members})
    elif not found:
        output().line("The message has no signature.")
    else:
        for one in found:
            colour = GREEN if one.result is Result.PASS else RED
            name = f"{one.selector}._domainkey.{one.sdid}" if one.sdid else "unreadable"
            output().line(text((one.result.value, colour), f"  {name}  {one.reason}"))
    return Exit.WELL if passes and all(passes) else Exit.NO


def _message(file: Path) -> Message:
    raw = _content(file)
    # A file of this system has LF; what is sent has CRLF.
    raw = raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n")
    try:
        return parse_message(raw)
    except MessageRefused as refused:
        raise SetupError(f"{file} is not a message that verifiers read alike: {refused}") from None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise SetupError(f"{file} cannot be read: {fault.strerror}") from None
