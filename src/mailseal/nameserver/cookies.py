"""DNS cookies: a client that gives back what we sent to its address has that address.

Rule: a query without one, or with one that is not good, is answered like any other; none is ever demanded.
References: RFC 7873 §4 (option), RFC 7873 §5.2 (a server's part), RFC 9018 §4.3 (its time).
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import struct
from collections.abc import Callable
from typing import NamedTuple

from mailseal.nameserver.rate import cut, ends_in_opt
from mailseal.nameserver.wire import OUR_PAYLOAD_BYTES, PLAIN_PAYLOAD_BYTES, skip_question

_OPTION_CODE = 10
_CLIENT_BYTES = 8
_SERVER_BYTES = range(8, 33)
_VERSION = 1
_GOOD_FOR_S, _RENEW_AFTER_S, _AHEAD_S = 3600, 1800, 300
_HASH_BYTES = 8
_HEAD = struct.Struct("!BxxxI")
_OPTION = struct.Struct("!HH")
_ONE_QUESTION_ONE_ADDITIONAL = b"\0\1\0\0\0\0\0\1"
_OPT = b"\0\0\x29"
_OPT_FIXED_BYTES = 11


class Asked(NamedTuple):
    """A query that came with a cookie."""

    message: bytes
    """The query without it."""
    client: bytes
    server: bytes
    payload_bytes: int

    @property
    def is_formed(self) -> bool:
        """Whether its parts have the lengths that they may have."""
        return len(self.client) == _CLIENT_BYTES and (not self.server or len(self.server) in _SERVER_BYTES)


def take_cookie(message: bytes) -> Asked | None:
    """The query and its cookie; None where there is none, or no usual query around it."""
    if message[4:12] != _ONE_QUESTION_ONE_ADDITIONAL:
        return None
    at = skip_question(message)
    if at is None or message[at : at + 3] != _OPT or len(message) < at + _OPT_FIXED_BYTES:
        return None
    payload = int.from_bytes(message[at + 3 : at + 5])
    begin = option = at + _OPT_FIXED_BYTES
    while option + 4 <= len(message):
        code, length = _OPTION.unpack_from(message, option)
        end = option + 4 + length
        if code == _OPTION_CODE and end <= len(message):
            value, others = message[option + 4 : end], message[begin:option] + message[end:]
            plain = message[: begin - 2] + len(others).to_bytes(2) + others
            return Asked(plain, value[:_CLIENT_BYTES], value[_CLIENT_BYTES:], payload)
        option = end
    return None


def with_cookie(response: bytes, asked: Asked, cookie: bytes, *, over_tcp: bool) -> bytes:
    """The response with a cookie in its OPT; over UDP cut where it no longer fits."""
    if not ends_in_opt(response):
        return response
    option = _OPTION.pack(_OPTION_CODE, len(cookie)) + cookie
    limit = min(max(asked.payload_bytes, PLAIN_PAYLOAD_BYTES), OUR_PAYLOAD_BYTES)
    if not over_tcp and len(response) + len(option) > limit:
        response = cut(response)
    return response[:-2] + len(option).to_bytes(2) + option


class Cookies:
    """Our part of the cookies; the secret is this process's and dies with it."""

    def __init__(self, now_s: Callable[[], float], secret: bytes | None = None) -> None:
        self._now_s = now_s
        self._secret = secret or secrets.token_bytes(32)

    def reply(self, asked: Asked, host: str) -> tuple[bytes, bool]:
        """The cookie to send back, client's part first, and whether the one that came proves the address."""
        now = int(self._now_s())
        age = self._age(asked, host, now)
        if age is not None and age < _RENEW_AFTER_S:
            return asked.client + asked.server, True
        return asked.client + self._make(asked.client, host, now), age is not None

    def _make(self, client: bytes, host: str, at: int) -> bytes:
        head = _HEAD.pack(_VERSION, at)
        address = ipaddress.ip_address(host.partition("%")[0]).packed
        digest = hashlib.blake2b(client + head + address, key=self._secret, digest_size=_HASH_BYTES)
        return head + digest.digest()

    def _age(self, asked: Asked, host: str, now: int) -> int | None:
        """How many seconds ago we made the cookie that came; None for one that is not ours any more."""
        if len(asked.server) != _HEAD.size + _HASH_BYTES:
            return None
        made_at = int(_HEAD.unpack_from(asked.server)[1])
        if not -_AHEAD_S <= now - made_at <= _GOOD_FOR_S:
            return None
        ours = self._make(asked.client, host, made_at)
        return now - made_at if secrets.compare_digest(asked.server, ours) else None
