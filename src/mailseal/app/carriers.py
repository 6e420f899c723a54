"""From the configuration to the servers that carry our zones: secondaries, their keys, and those behind them.

Rule: what the configuration says wrongly is told in three lines that name its key; a secret is never shown.
References: docs/operating.md; RFC 8945 §6.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from pathlib import Path

from mailseal.app.ports import parse_address
from mailseal.config import Config, SetupError
from mailseal.core.errors import BadRequest
from mailseal.core.names import parse_domain
from mailseal.nameserver.transfer import Secondary
from mailseal.nameserver.tsig import ALGORITHMS, TsigKey

_TSIG_KEYS = 'tsig_keys = ["transfer.example.net hmac-sha256 file:/etc/mailseal/transfer.key"]'
_SECONDARIES = 'secondaries = ["192.0.2.53 transfer.example.net", "[2001:db8::53]:5300"]'
_SHORTEST_SECRET = 16


def tsig_keys_of(config: Config) -> Mapping[str, TsigKey]:
    """The keys of [dns] tsig_keys by their names; raises SetupError."""
    found: dict[str, TsigKey] = {}
    for line in config.dns.tsig_keys:
        name, algorithm, secret = (*line.split(), "", "", "")[:3]
        what = f"[dns] tsig_keys: the key {name!r} cannot be used"
        if len(line.split()) != 3 or algorithm not in ALGORITHMS:
            why = f"it needs a name, one of {', '.join(ALGORITHMS)}, and a secret"
            raise SetupError(what, why, _TSIG_KEYS)
        name = _canonical(name, what)
        found[name] = TsigKey(name, algorithm, _secret(secret, what))
    return found


def secondaries_of(config: Config) -> tuple[Secondary, ...]:
    """The servers that may take our zones; raises SetupError."""
    keys = tsig_keys_of(config)
    return tuple(_server(line, "secondaries", keys) for line in config.dns.secondaries)


def also_confirm_of(config: Config) -> tuple[Secondary, ...]:
    """The servers behind those; raises SetupError."""
    return tuple(_server(line, "also_confirm", {}) for line in config.dns.also_confirm)


def _server(line: str, key: str, keys: Mapping[str, TsigKey]) -> Secondary:
    place, _, key_name = line.strip().partition(" ")
    what = f"[dns] {key}: {line!r} names no server"
    try:
        host, port = str(ipaddress.ip_address(place.strip("[]"))), 53
    except ValueError:
        host, port = parse_address(place, key=f"[dns] {key}")
    if not key_name.strip():
        return Secondary(host, port)
    name = _canonical(key_name.strip(), what)
    if name not in keys:
        raise SetupError(what, f"there is no key {name} in [dns] tsig_keys", _TSIG_KEYS)
    return Secondary(host, port, keys[name])


def _canonical(name: str, what: str) -> str:
    """A key's name as names are compared (RFC 8945 §4.2)."""
    plain = name.lower().removesuffix(".")
    try:
        return parse_domain(plain) if "." in plain else parse_domain(f"{plain}.example").split(".")[0]
    except BadRequest as refusal:
        raise SetupError(what, refusal.message, _TSIG_KEYS) from None


def _secret(text: str, what: str) -> bytes:
    try:
        if text.startswith("file:"):
            text = Path(text.removeprefix("file:")).read_text(encoding="ascii").strip()
        secret = base64.b64decode(text, validate=True)
    except OSError as fault:
        raise SetupError(what, f"its file cannot be read: {fault.strerror}", _TSIG_KEYS) from None
    except (binascii.Error, UnicodeDecodeError):
        raise SetupError(what, "its secret is not base64", "openssl rand -base64 32 makes one") from None
    if len(secret) < _SHORTEST_SECRET:
        raise SetupError(what, "its secret is too short to be one", "openssl rand -base64 32 makes one")
    return secret
