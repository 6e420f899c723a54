"""The records that a domain's owner has to publish, as every hand-off format takes them.

Rule: pure; a format is one function from a sheet to its text, so that one identity and a million take the
same way. It says names and values whole, and nothing besides them.
References: RFC 1035 §3.3.14 and §5.1 (character-strings).
"""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_STRING = 255


@dataclass(frozen=True, slots=True)
class Record:
    """One record to publish; `name` and the host in `value` without the final dot, `ttl` in seconds.

    The value of an MX is its preference, a blank and its host, that of a TXT the whole text.
    """

    name: str
    type: str
    value: str
    ttl: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one identity has to publish, and the zone of the owner that it goes into."""

    identity: str
    zone: str
    records: tuple[Record, ...]


def relative(name: str, zone: str) -> str:
    """The name as it is written inside the zone; empty at the apex, whole where it is not in there.

    >>> relative("a._domainkey.example.com", "example.com"), relative("example.com", "example.com")
    ('a._domainkey', '')
    """
    return "" if name == zone else name.removesuffix(f".{zone}")


def mail_host(record: Record) -> tuple[int, str]:
    """Preference and host of an MX."""
    preference, _, host = record.value.partition(" ")
    return int(preference), host


def strings(text: str) -> list[str]:
    """A TXT's text as character-strings of at most 255 octets; all that we publish is ASCII."""
    return [text[i : i + _LONGEST_STRING] for i in range(0, len(text), _LONGEST_STRING)] or [""]


def quoted_strings(text: str) -> list[str]:
    """The same, each in quotation marks as in a zone file."""
    return ['"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in strings(text)]


def rdata(record: Record) -> str:
    """What stands behind the type in a zone file; hosts end with a dot.

    >>> rdata(Record("a.example.com", "CNAME", "a.example.net", 1800))
    'a.example.net.'
    """
    return " ".join(quoted_strings(record.value)) if record.type == "TXT" else f"{record.value}."
