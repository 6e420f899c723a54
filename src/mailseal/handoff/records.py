"""The records that a domain's owner has to publish, in the formats that DNS is fed with.

Rule: pure; a format says names and values whole, and nothing besides them.
References: RFC 1035 §5.1 (zone files), RFC 4180 §2 (CSV), RFC 1035 §3.3.14 (character-strings).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_LONGEST_STRING = 255


@dataclass(frozen=True, slots=True)
class Record:
    """One record to publish; `name` and the value of a CNAME without the final dot, `ttl` in seconds."""

    name: str
    type: str
    value: str
    ttl: int


def format_zone(records: Sequence[Record]) -> str:
    """Lines of a zone file.

    >>> format_zone([Record("a.example.com", "CNAME", "a.example.net", 1800)])
    'a.example.com.  1800  IN  CNAME  a.example.net.\\n'
    """
    return "".join(f"{r.name}.  {r.ttl}  IN  {r.type}  {_rdata(r)}\n" for r in records)


def _rdata(record: Record) -> str:
    if record.type != "TXT":
        return f"{record.value}."
    text = record.value
    parts = [text[i : i + _LONGEST_STRING] for i in range(0, len(text), _LONGEST_STRING)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


def format_csv(records: Sequence[Record]) -> str:
    """Comma-separated lines with a header, each ended by CRLF."""
    rows = [("name", "type", "value", "ttl"), *((r.name, r.type, r.value, str(r.ttl)) for r in records)]
    return "".join(",".join(_cell(cell) for cell in row) + "\r\n" for row in rows)


def _cell(text: str) -> str:
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


FORMATS: Mapping[str, Callable[[Sequence[Record]], str]] = {"zone": format_zone, "csv": format_csv}
"""By the word that `identity records --format` takes."""
