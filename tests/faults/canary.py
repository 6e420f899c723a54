"""Finds known secrets in whatever was written anywhere, in every form in which they may have got there.

A haystack is taken apart into views: as it is, with escapes undone, and every run of base64, hexadecimal or
decimal digits decoded at each alignment. In each view every eighth octet begins a look into the set of all
eight-octet pieces of the secrets, forwards and backwards, so that any run of sixteen octets is seen.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

_PIECE = 8
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_HEX_RUN = re.compile(rb"(?:[0-9A-Fa-f]{2}[:\s]?){16,}")
_DECIMAL_RUN = re.compile(rb"[0-9]{40,}")
_ESCAPED = re.compile(rb"\\x([0-9A-Fa-f]{2})|\\u00([0-9A-Fa-f]{2})|%([0-9A-Fa-f]{2})|\\([nrt/\\\"'])")
_BLANKS = re.compile(rb"[\s\"',>]+")
_SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass
class Canary:
    """The secrets that are looked for, as pieces, each with the name of what it belongs to."""

    pieces: dict[bytes, str] = field(default_factory=dict, repr=False)

    def add(self, name: str, secret: bytes) -> None:
        """Looks for these octets from now on, in either direction."""
        for octets in (secret, secret[::-1]):
            for at in range(len(octets) - _PIECE + 1):
                self.pieces.setdefault(octets[at : at + _PIECE], name)

    def add_key(self, name: str, pkcs8: bytes) -> None:
        """Looks for the private numbers of an RSA key, or the secret of an Ed25519 key."""
        key = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, Ed25519PrivateKey):
            self.add(name, key.private_bytes_raw())
            return
        assert isinstance(key, rsa.RSAPrivateKey)
        held = key.private_numbers()
        for number in (held.d, held.p, held.q, held.dmp1, held.dmq1, held.iqmp):
            self.add(name, number.to_bytes((number.bit_length() + 7) // 8, "big"))

    def found_in(self, haystack: bytes) -> set[str]:
        """The names of the secrets of which sixteen octets in a row are in the haystack."""
        return {
            self.pieces[piece]
            for view in views(haystack)
            for at in range(0, len(view) - _PIECE + 1, _PIECE)
            if (piece := view[at : at + _PIECE]) in self.pieces
        }


def views(haystack: bytes) -> Iterator[bytes]:
    """The haystack as it is, and all that its texts may stand for."""
    yield haystack
    unescaped = _ESCAPED.sub(_unescaped, haystack)
    texts = [haystack]
    if unescaped != haystack:
        yield unescaped
        texts.append(unescaped)
    for text in texts:
        yield from _decoded(text)
        # A key in lines of 64 characters is one run without them.
        yield from _decoded(_BLANKS.sub(b"", text))


def _unescaped(match: re.Match[bytes]) -> bytes:
    digits = match[1] or match[2] or match[3]
    return bytes.fromhex(digits.decode()) if digits else _SHORT.get(match[4], match[4])


def _decoded(text: bytes) -> Iterator[bytes]:
    decoded = []
    for run in _BASE64_RUN.findall(text):
        standard = run.translate(_TO_STANDARD)
        for start in range(4):
            whole = standard[start : start + (len(standard) - start) // 4 * 4]
            decoded.append(base64.b64decode(whole))
    for run in _HEX_RUN.findall(text):
        digits = re.sub(rb"[:\s]", b"", run).decode()
        decoded += [bytes.fromhex(digits[start : start + (len(digits) - start) // 2 * 2]) for start in (0, 1)]
    for run in _DECIMAL_RUN.findall(text):
        number = int(run[:4000])
        decoded.append(number.to_bytes((number.bit_length() + 7) // 8, "big"))
    # Apart, so that no piece is made of two runs.
    yield from (one for one in decoded if len(one) >= 2 * _PIECE)
