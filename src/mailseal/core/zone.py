"""Our hosted zone: serial arithmetic and the records that customers publish to point into it.

Rule: a serial only ever grows, in the arithmetic of RFC 1982.
References: RFC 1982 §3.1, RFC 1982 §3.2, RFC 1035 §3.3.13.
"""

from __future__ import annotations

from mailseal.core.errors import BadRequest
from mailseal.core.names import parse_domain

_MODULUS = 2**32
LONGEST_ZONE = 37
"""With a zone name of at most 37 characters a 2048-bit answer stays within 512 octets, so that no resolver
has to come back over TCP."""


def next_serial(serial: int) -> int:
    """The serial after this one (RFC 1982 §3.1); 0 is left out, some software reads it as "unset".

    >>> next_serial(2**32 - 1)
    1
    """
    return (serial + 1) % _MODULUS or 1


def serial_is_newer(one: int, other: int) -> bool:
    """Whether serial `one` comes after `other` (RFC 1982 §3.2).

    >>> serial_is_newer(1, 2**32 - 1)
    True
    """
    return 0 < (one - other) % _MODULUS < _MODULUS // 2


def serials_behind(seen: int | None, ours: int) -> int:
    """How many serials lie between what was seen and ours: all of them where nothing was seen, none where
    something newer was.

    >>> serials_behind(2**32 - 1, 1), serials_behind(2, 1), serials_behind(None, 7)
    (2, 0, 7)
    """
    if seen is None:
        return ours
    return (ours - seen) % _MODULUS if serial_is_newer(ours, seen) else 0


def parse_hosted_zone(text: str) -> str:
    """The canonical name of a hosted zone; raises BadRequest for one that cannot serve."""
    name = parse_domain(text.removesuffix("."))
    if len(name) > LONGEST_ZONE:
        raise BadRequest(
            f"The hosted zone {name} has {len(name)} characters; {LONGEST_ZONE} at most keep answers small.",
            hint="Choose a shorter name to delegate, such as dkim.example.net.",
        )
    return name
