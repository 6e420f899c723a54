"""Records as octoDNS's YAML.

Rule: pure; octoDNS wants one file for each zone and the names in natural order: each document begins with a
comment that says which file it is, and is in that order. A semicolon of a TXT is escaped, which is what
octoDNS 1 expects unless it is told otherwise.
References: octoDNS, YamlProvider.
"""

from __future__ import annotations

import json
import re

from mailseal.handoff.records import Record, Sheet, mail_host, relative


def format_octodns(sheet: Sheet) -> str:
    """One document."""
    at: dict[str, list[Record]] = {}
    for record in sheet.records:
        at.setdefault(relative(record.name, sheet.zone), []).append(record)
    parts = [f"---\n# {sheet.zone}.yaml, escaped_semicolons: true\n"]
    for name in sorted(at, key=_natural):
        # JSON's strings are YAML's as well.
        parts.append(f"{json.dumps(name)}:\n")
        parts += [_item(record) for record in sorted(at[name], key=lambda one: one.type)]
    return "".join(parts)


def _item(record: Record) -> str:
    lines = [f"ttl: {record.ttl}", f"type: {record.type}"]
    if record.type == "MX":
        preference, host = mail_host(record)
        lines += ["value:", f"  exchange: {json.dumps(f'{host}.')}", f"  preference: {preference}"]
    else:
        # octoDNS cuts long texts by itself.
        value = record.value.replace(";", "\\;") if record.type == "TXT" else f"{record.value}."
        lines.append(f"value: {json.dumps(value)}")
    return "".join(f"{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines))


def _natural(name: str) -> list[str | int]:
    """Digits count as numbers, as in octoDNS's own order."""
    return [int(part) if part.isdigit() else part for part in re.split("([0-9]+)", name)]
