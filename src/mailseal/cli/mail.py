"""`mailseal sign FILE`: a signature on top of one message, with keys in files or by the installation.

Rule: nothing is sent and nothing stored; a key in a file stays here.
References: RFC 6376 §5, RFC 8463 §3; docs/cli.md; docs/library.md.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from mailseal.cli.asking import ask
from mailseal.cli.ending import Exit
from mailseal.cli.keys import load_key_file
from mailseal.cli.options import shared, way
from mailseal.config import SetupError
from mailseal.dkim.keys import ED25519_BITS, KeyRefused, PrivateKey
from mailseal.dkim.message import Message, MessageRefused, parse_message
from mailseal.dkim.sign import Signer
from mailseal.dkim.sign import sign as dkim_sign

FILE = click.Path(path_type=Path)
_ED25519_OCTETS = 64


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "keys", multiple=True, type=FILE, help="A private key, RSA or Ed25519; repeatable.")
@click.option("--selector", "selectors", multiple=True, metavar="NAME", help="Its selector; one a key.")
@click.option("--domain", metavar="NAME", help="The domain that signs, d=.")
@shared
def sign(file: Path, keys: tuple[Path, ...], selectors: tuple[str, ...], domain: str | None) -> int:
    """Prints the message in FILE with a signature on top; without --key as the installation signs it."""
    message = read_message(file)
    if keys:
        fields = _signed_here(message, keys, selectors, domain)
    elif selectors or domain:
        raise SetupError("--selector and --domain belong to a key in a file", do="--key FILE, or neither")
    else:
        body = {"message": base64.b64encode(message.raw).decode()}
        fields = ask(way(), "POST", "sign", body=body)["fields"].encode()
    sys.stdout.buffer.write(fields + message.raw)
    return Exit.WELL


def _signed_here(
    message: Message, keys: tuple[Path, ...], selectors: tuple[str, ...], domain: str | None
) -> bytes:
    if domain is None or len(selectors) != len(keys):
        raise SetupError(
            f"{len(keys)} keys and {len(selectors)} selectors were given",
            "each key signs under a selector of its own, for one domain",
            "--domain NAME --key FILE --selector NAME",
        )
    try:
        pairs = [(_load_key(read_file(key)), name) for key, name in zip(keys, selectors, strict=True)]
        signers = [_signer(key, domain, selector) for key, selector in pairs]
        return dkim_sign(message, signers, int(time.time()))
    except (KeyRefused, MessageRefused, ValueError) as refused:
        raise SetupError(str(refused)) from None


def _signer(key: PrivateKey, domain: str, selector: str) -> Signer:
    if key.bits == ED25519_BITS:
        return Signer(domain, selector, key.sign_digest, _ED25519_OCTETS, "ed25519-sha256")
    return Signer(domain, selector, key.sign_digest, key.bits // 8)


def _load_key(content: bytes) -> PrivateKey:
    """The key in a file; raises KeyRefused where it is neither Ed25519 nor an RSA key that can be used."""
    load = load_pem_private_key if content.startswith(b"-----BEGIN") else load_der_private_key
    try:
        found = load(content, None)
    except (TypeError, ValueError):
        return load_key_file(content)
    return PrivateKey(found) if isinstance(found, Ed25519PrivateKey) else load_key_file(content)


def read_message(file: Path) -> Message:
    """The message in a file; raises SetupError."""
    raw = read_file(file)
    # A file of this system has LF; what is sent has CRLF.
    raw = raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n")
    try:
        return parse_message(raw)
    except MessageRefused as refused:
        raise SetupError(f"{file} is not a message that verifiers read alike: {refused}") from None


def read_file(file: Path) -> bytes:
    """What is in a file; raises SetupError."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise SetupError(f"{file} cannot be read: {fault.strerror}") from None
