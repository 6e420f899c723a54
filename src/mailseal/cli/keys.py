"""`mailseal keys …`: a look into a key file, the stock, and the change to another master key.

Rule: `inspect` asks nobody and shows nothing of a private key; `rotate-master` can be interrupted and
repeated at any moment.
References: docs/cli.md; docs/decisions/0014-master-keys.md.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from mailseal.cli.asking import Way, ask
from mailseal.cli.ending import Exit
from mailseal.cli.options import given, output, shared, way
from mailseal.cli.output import CYAN, GREEN, RED, Screen, columns, text
from mailseal.config import SetupError
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import KeyRefused, PrivateKey, decode_ses_private_key, load_private_key

_LONGEST_KEY_FILE = 64 * 1024
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_\s-]+\Z")
_TELL_EVERY_S = 10.0
_SHORT_BITS = 1024


@click.group()
@shared
def keys() -> None:
    """Keys: a look into a file, the stock, the master key."""


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--selector", default="SELECTOR", help="The selector it is to have.", metavar="NAME")
@click.option("--domain", default="DOMAIN", help="The domain that it is to sign for.", metavar="NAME")
@shared
def inspect(file: Path, selector: str, domain: str) -> int:
    """Says whether a private key can be used, and which TXT record belongs to it."""
    try:
        key = load_key_file(_content(file))
    except KeyRefused as refused:
        return _refused(file, refused)
    name = f"{selector}._domainkey.{domain}"
    record = format_key_record(key.spki).decode()
    members = {
        "file": str(file),
        "usable": True,
        "bits": key.bits,
        "fingerprint": key.spki_sha256.hex()[:8],
        "record": {"name": name, "type": "TXT", "value": record},
    }
    if given("as_json"):
        output().object(members)
    else:
        output().show(_usable(members))
    return Exit.WELL


def load_key_file(content: bytes) -> PrivateKey:
    """The key in a file: PEM, DER, or base64 as SES takes it; raises KeyRefused."""
    if b"-----BEGIN" not in content and content.strip() and _BASE64.match(content):
        return load_private_key(decode_ses_private_key(content.decode("ascii").rstrip("\r\n")))
    return load_private_key(content)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_LONGEST_KEY_FILE)
    except OSError as fault:
        raise SetupError(f"{file} cannot be read: {fault.strerror}") from None


def _refused(file: Path, refused: KeyRefused) -> int:
    if given("as_json"):
        output().object({"file": str(file), "usable": False, "code": refused.code, "message": str(refused)})
    else:
        output().line(text(f"{file}  ", ("not usable", RED)))
        output().line(text(f"  {refused}"))
    return Exit.NO


def _usable(members: dict[str, Any]) -> Screen:
    record = members["record"]
    kind = f"RSA {members['bits']} {members['fingerprint']}"
    lines = [text(f"{members['file']}  ", ("usable", GREEN), f"  {kind}"), text()]
    if members["bits"] == _SHORT_BITS:
        lines += [
            text("  1024 bits verify everywhere; 2048 bits are stronger, and as long as SES takes."),
            text(),
        ]
    lines += [
        text("Its record:"),
        text("  ", (record["name"], CYAN)),
        text("  TXT  ", (record["value"], CYAN)),
        text(),
    ]
    return Screen(lines, "mailseal identity create DOMAIN --byodkim SELECTOR --key FILE")


@keys.command()
@shared
def stock() -> None:
    """How many keys wait, made ahead of need."""
    asked = way()
    members = ask(asked, "GET", "installation")
    levels, targets = members["stock"], members["stock_target"]
    if given("as_json"):
        output().object({"stock": levels, "stock_target": targets})
        return
    missing = sum(max(0, targets[bits] - level) for bits, level in levels.items())
    state = text(("full", GREEN)) if not missing else text(f"{missing} to be made")
    rows = [[text(f"RSA {bits}"), text(f"{level} of {targets[bits]}")] for bits, level in levels.items()]
    where = f", {asked.where}" if asked.where else ""
    output().show(Screen([text("stock  ", state, where), text(), *columns(rows), text()], "nothing to do"))


@keys.command("rotate-master")
@click.option(
    "--to", "provider", metavar="PROVIDER", help="file:/path, credential:, command:, aws-kms:, vault:"
)
@shared
def rotate_master(provider: str | None) -> int:
    """Moves everything that is sealed to another master key, while mail is signed."""
    asked = way()
    members = ask(asked, "GET", "master-key")
    if provider is None and members["moving_from"] is None:
        raise SetupError(
            "no change of the master key is under way, and none was asked for",
            f"master key {members['master_key']} seals, from {members['where']}",
            "mailseal keys rotate-master --to file:/etc/mailseal/master-2.key",
        )
    if provider is not None:
        members = ask(asked, "POST", "master-key", body={"to": provider})
        output().aside(
            f"Master key {members['master_key']} seals from now on; Ctrl-C stops watching, nothing is lost."
        )
    members = _moved(asked, members)
    if given("as_json"):
        output().object(members)
    else:
        output().show(_after_change(members, provider))
    return Exit.NO if members["broken"] else Exit.WELL


def _moved(asked: Way, members: Any) -> Any:
    """The last answer, after everything has moved that can."""
    moved, older, told = 0, members["moving_from"], time.monotonic()
    while members["moving_from"] is not None and not members["broken"]:
        members = ask(asked, "POST", "master-key", body={})
        moved += members["moved"]
        if time.monotonic() - told > _TELL_EVERY_S:
            output().aside(f"{moved} moved, {members['left']} left")
            told = time.monotonic()
    return {**members, "moved": moved, "older": older}


def _after_change(members: Any, provider: str | None) -> Screen:
    older, now = members["older"], members["master_key"]
    if members["broken"]:
        lines = [
            text(f"master key {now}  ", ("incomplete", RED), f", {members['left']} left under {older}"),
            text(),
        ]
        lines += [text(f"  {name} does not open") for name in members["broken"]]
        return Screen([*lines, text()], "restore those rows from a backup, then mailseal keys rotate-master")
    lines = [
        text(f"master key {now}  ", ("in use", GREEN), f", {members['where']}"),
        text(),
        text(("  ✓ ", GREEN), f"{members['moved']} keys and secrets moved and read back"),
        text(("  ✓ ", GREEN), f"nothing is left under {older}; backups up to now still need it"),
        text(),
    ]
    named = provider or "…"
    return Screen(lines, f'write [store] master_key = "{named}" into the configuration')
