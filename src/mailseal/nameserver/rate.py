"""A bound on the rate of answers, so that nobody can use them against a third party whose address is forged.

Rule: above the rate every second answer is cut to nothing but "ask over TCP", which a forged address cannot,
and the others are not sent. This machine's own addresses cannot be forged from outside and have no bound.
References: RFC 5358 §3; RFC 1035 §4.1.1 (TC).
"""

from __future__ import annotations

import ipaddress

from mailseal.nameserver.wire import skip_question

SLIP = 2
_AT_MOST = 100_000
"""Networks and kinds counted in one second; more are not, so that the memory stays bounded."""
_TC = 0x02
_OPT_BYTES = 11


class RateLimit:
    """How many answers of each kind went to each network within the present second; 0 bounds nothing."""

    def __init__(self, rate: int, *, own_machine_too: bool = False) -> None:
        self._rate = rate
        self._own_machine_too = own_machine_too
        self._counts: dict[tuple[str, int], int] = {}
        self._second = 0

    def begin(self, now_s: float) -> None:
        """Called before each batch of datagrams, with a clock that only goes forward."""
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._counts.clear()

    def verdict(self, response: bytes, host: str) -> bytes | None:
        """The response, a cut one, or None for one that is not to be sent."""
        if not self._rate or (host.startswith(("127.", "::1")) and not self._own_machine_too):
            return response
        network = host[: host.rindex(".")] if "." in host else _household(host)
        kind = network, (response[3] & 0xF) << 1 | (response[7] > 0)
        count = self._counts.get(kind, 0) + 1
        if count > 1 or len(self._counts) < _AT_MOST:
            self._counts[kind] = count
        if count <= self._rate:
            return response
        return cut(response) if (count - self._rate) % SLIP == 0 else None


def _household(host: str) -> str:
    """The /56 of an IPv6 address: what one household gets."""
    return ipaddress.IPv6Address(host.partition("%")[0]).packed[:7].hex()


def cut(response: bytes) -> bytes:
    """The response with its question and OPT alone, marked TC."""
    head = response[:2] + bytes((response[2] | _TC, response[3]))
    at = skip_question(response)
    if at is None:
        return head + bytes(8)
    opt = response[-_OPT_BYTES:] if ends_in_opt(response) else b""
    return head + b"\0\1" + bytes(5) + bytes((len(opt) > 0,)) + response[12:at] + opt


def ends_in_opt(response: bytes) -> bool:
    """Whether our OPT, without options, is the last record."""
    return response[11] > 0 and response[-_OPT_BYTES:-8] == b"\0\0\x29" and response[-2:] == b"\0\0"
