"""Records in the formats of lines: zone file, Cloudflare's import, nsupdate, comma-separated values.

Rule: pure; every name is written whole, so that a line means the same wherever it is pasted.
References: RFC 1035 §5.1 (zone files), RFC 4180 §2 (CSV), RFC 2136 §2.5 (what nsupdate sends).
"""

from __future__ import annotations

from mailseal.handoff.records import Record, Sheet, rdata


def format_zone(sheet: Sheet) -> str:
    """Lines of a zone file.

    >>> record = Record("a.example.com", "CNAME", "a.example.net", 1800)
    >>> format_zone(Sheet("example.com", "example.com", (record,)))
    'a.example.com.  1800  IN  CNAME  a.example.net.\\n'
    """
    return "".join(f"{_line(record)}\n" for record in sheet.records)


def _line(record: Record) -> str:
    return f"{record.name}.  {record.ttl}  IN  {record.type}  {rdata(record)}"


def format_cloudflare(sheet: Sheet) -> str:
    """A file for Cloudflare's import: a zone file whose comments keep its proxy away from the records."""
    return "".join(f"{_line(record)} ; cf_tags=cf-proxied:false\n" for record in sheet.records)


def format_nsupdate(sheet: Sheet) -> str:
    """A script for nsupdate, one message to send; it replaces what stands at the same names and types."""
    lines = [f"zone {sheet.zone}."]
    for record in sheet.records:
        lines.append(f"update delete {record.name}. {record.type}")
        lines.append(f"update add {record.name}. {record.ttl} {record.type} {rdata(record)}")
    return "".join(f"{line}\n" for line in (*lines, "send"))


CSV_HEAD = "name,type,value,ttl\r\n"


def format_csv(sheet: Sheet) -> str:
    """Comma-separated lines below `CSV_HEAD`, each ended by CRLF."""
    rows = ((r.name, r.type, r.value, str(r.ttl)) for r in sheet.records)
    return "".join(",".join(_cell(cell) for cell in row) + "\r\n" for row in rows)


def _cell(text: str) -> str:
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
