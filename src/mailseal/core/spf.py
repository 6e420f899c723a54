"""Whether a domain's SPF record lets a host's own record speak for it.

Rule: one mechanism is looked for, `include:` of a given domain with the result pass; nothing is evaluated and
nobody is asked.
References: RFC 7208 §4.5 (which TXT is the record), RFC 7208 §5.1 (all), RFC 7208 §5.2 (include).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_ALL = re.compile(rb"[-+~?]?all\Z", re.IGNORECASE)


def spf_records(texts: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of a name's TXT records that are SPF records; more than one is an error of the owner's.

    >>> spf_records([b"v=spf1 -all", b"v=spf10 -all", b"hello"])
    (b'v=spf1 -all',)
    """
    return tuple(text for text in texts if _VERSION.match(text))


def includes(record: bytes, domain: str) -> bool:
    """Whether a sender that `domain` passes is passed by the record too.

    Terms behind `all` are never reached, and an include with another qualifier than + does not pass.

    >>> includes(b"v=spf1 a include:spf.example.net ~all", "spf.example.net")
    True
    >>> includes(b"v=spf1 -all include:spf.example.net", "spf.example.net")
    False
    """
    wanted = f"include:{domain}".encode()
    for term in record.split(b" ")[1:]:
        if _ALL.match(term):
            return False
        if term.removeprefix(b"+").removesuffix(b".").lower() == wanted:
            return True
    return False
