"""The screens about a check: which records are right, what stands there instead, and what was asked.

Rule: pure; "not there" and "could not ask" are never one word; what a record is, not what a person did.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.text import Text

from mailseal.cli import diagnosis_screens
from mailseal.cli.output import CYAN, GREEN, GREY, RED, YELLOW, Screen, columns, tabbed, text
from mailseal.cli.screens import Members, first_line, when
from mailseal.core.observations import printable

_SIGNS: Mapping[str, tuple[str, str]] = {
    "MATCH": ("✓", GREEN),
    "TEMP": ("–", YELLOW),
    "NOT_ASKED": ("–", GREY),
}
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "NXDOMAIN": ("is not there: no such name.", "are not there: no such names."),
    "NODATA": (
        "is not there: the name exists, without a record of this type.",
        "are not there: the names exist, without a record of this type.",
    ),
    "MISMATCH": ("is there with another value:", "are there with other values:"),
    "BOGUS": ("is not believed: DNSSEC does not hold for it.", "are not believed: DNSSEC does not hold."),
    "PARTLY": (
        "is not right everywhere yet: caches may keep an older answer.",
        "are not right everywhere yet: caches may keep older answers.",
    ),
    "TEMP": ("could not be asked for: no usable answer came.",) * 2,
    "OURS": (
        "is right, but the key behind it in our own zone did not come as published: our fault.",
        "are right, but the keys behind them in our own zone did not come as published: our fault.",
    ),
    "NOT_ASKED": ("was not asked for.", "were not asked for."),
}
_WORDS = {"MATCH": "right", "TEMP": "no answer", "PARTLY": "not everywhere yet", "NOT_ASKED": "not asked"}
_SHORT = 8
_LONGEST_NEXT = 74


def right_of(members: Members) -> tuple[int, int]:
    """How many records are right, and how many there are."""
    records = members["records"]
    return sum(record["finding"] == "MATCH" for record in records), len(records)


def shown_records(members: Members) -> list[Members]:
    """The records that were looked at: those that prove the identity, then those of the second signature and
    those of its MAIL FROM domain."""
    beside = (*members.get("ed25519_records", ()), *members.get("mail_from_records", ()))
    return [*members["records"], *beside]


def all_well(members: Members) -> bool:
    """Whether the identity is proven and its records are right."""
    right, count = right_of(members)
    return members["dkim_status"] == "SUCCESS" and count > 0 and right == count


def could_not_ask(members: Members) -> bool:
    """Whether no record could be asked for, by nobody's fault that we know of."""
    records = members["records"]
    return bool(records) and all(_kind(record) in ("TEMP", "NOT_ASKED") for record in records)


def _kind(record: Members) -> str:
    """The record's finding, where disagreement is told from silence."""
    matching = record["authorities"]["matching"] + record["resolvers"]["matching"]
    return "PARTLY" if record["finding"] == "TEMP" and matching else str(record["finding"])


def checked(members: Members, where: str, *, terminal: bool) -> Screen:
    """What `identity check` shows."""
    right, count = right_of(members)
    name = members["identity"]
    if not count:
        return Screen([first_line(members, ["not looked at yet"], where)], f"mailseal identity check {name}")
    standing = [f"{right} of {count} records right", f"checked {when(members['checked_at'])}"]
    first = first_line(members, standing, where)
    records = shown_records(members)
    named, numbers = diagnosis_screens.told(members, records)
    if all_well(members) and all(record["finding"] == "MATCH" for record in records):
        warnings = [text(), *named] if named and terminal else []
        return Screen([first, *warnings], f"nothing; mail from {name} is signed from now on.")
    rows = _rows(records)
    if not terminal:
        return Screen([first, *tabbed(rows[1:])])
    lines = [first, text(), *columns(rows, right=(1, 2)), text()]
    for finding in _SENTENCES:
        lines += _told(finding, records, numbers)
    return Screen([*lines, *named, *_end(members)], _following(members))


def _rows(records: Sequence[Members]) -> list[list[Text]]:
    rows = [[text((head, GREY)) for head in ("record", "authorities", "resolvers", "diagnosis")]]
    for number, record in enumerate(records, 1):
        sign, colour = _SIGNS.get(record["finding"], ("✗", RED))
        label = record["name"].partition(".")[0]
        short = f"{label[:_SHORT]}…" if len(label) > _SHORT else label
        short += " MX" if record["type"] == "MX" else ""
        kind = _kind(record)
        diagnosis = str(record.get("diagnosis") or _WORDS.get(kind, kind))
        rows.append(
            [
                text((sign, colour), f" {number} {short}"),
                text(_votes(record["authorities"])),
                text(_votes(record["resolvers"])),
                text(diagnosis),
            ]
        )
    return rows


def _votes(stage: Members) -> str:
    return f"{stage['matching']} of {stage['asked']}" if stage["asked"] else "not asked"


def _told(finding: str, records: Sequence[Members], named: Collection[int]) -> list[Text]:
    """The sentence for all records of one finding whose mistake has no name, and what stands there."""
    unnamed = [(n, record) for n, record in enumerate(records, 1) if n not in named]
    numbered = [(n, record) for n, record in unnamed if _kind(record) == finding]
    if not numbered:
        return []
    numbers = [str(number) for number, _ in numbered]
    if len(numbers) == 1:
        lines = [text(f"Record {numbers[0]} {_SENTENCES[finding][0]}")]
    else:
        listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
        lines = [text(f"Records {listed} {_SENTENCES[finding][1]}")]
    if finding in ("MISMATCH", "NXDOMAIN", "NODATA"):
        lines.append(text())
        for _, record in numbered:
            lines += _side_by_side(record, finding)
    return [*lines, text()]


def _side_by_side(record: Members, finding: str) -> list[Text]:
    rows = [[text("name"), text(printable(record["name"]))]]
    if finding == "MISMATCH":
        rows += [[text("seen"), text((value, RED))] for value in seen_values(record)]
    value = printable(record["value"], at_most=1000)
    rows.append([text("expected"), text(f"{record['type']}  ", (value, CYAN))])
    return columns(rows)


def seen_values(record: Members) -> list[str]:
    """The different values that were seen in the place of the expected one."""
    values = []
    for one in record["seen"]:
        if record["type"] == "CNAME" and one["chain"]:
            values.append(f"CNAME  {printable(one['chain'][-1], at_most=1000)}")
        elif record["type"] == "TXT":
            values += [f"TXT  {printable(value, at_most=1000)}" for value in one["texts"]]
        elif record["type"] == "MX":
            values += [f"MX  {printable(value, at_most=1000)}" for value in one["names"]]
    return list(dict.fromkeys(values))


def _end(members: Members) -> list[Text]:
    lines = []
    if members["search_ends_at"]:
        lines.append(text(f"The search goes on until {when(members['search_ends_at'])}."))
    if not could_not_ask(members):
        lines.append(text(f"Evidence: mailseal identity evidence {members['identity']}"))
    return lines


def _following(members: Members) -> str:
    name = members["identity"]
    if members["dkim_status"] == "FAILED":
        return f"put the records right, then mailseal identity retry {name}"
    step = diagnosis_screens.step(members)
    if step:
        whole = f"{step}, then mailseal identity check {name} --wait"
        return whole if len(whole) <= _LONGEST_NEXT else f"{step}."
    if could_not_ask(members):
        return f"mailseal identity evidence {name}"
    if all(_kind(record) in ("MATCH", "PARTLY") for record in shown_records(members)):
        return f"mailseal identity check {name} --wait"
    return f"put the records right, then mailseal identity check {name} --wait"


def evidence(members: Members, where: str) -> Screen:
    """What `identity evidence` shows: who was asked what, and what came back."""
    name = members["identity"]
    if not members["records"]:
        return Screen([first_line(members, ["not looked at yet"], where)], f"mailseal identity check {name}")
    lines = [first_line(members, [f"checked {when(members['checked_at'])}"], where)]
    for number, record in enumerate(shown_records(members), 1):
        lines += [text(), text(f"{number}  {printable(record['name'])}  {record['finding']}")]
        lines += [text(f"   expected  {record['type']}  {printable(record['value'], at_most=1000)}")]
        for one in record["seen"]:
            lines += _answer(one)
    lines += _probes(members.get("probes", ()))
    lines += _earlier(members.get("earlier", ()))
    return Screen([*lines, text()], f"mailseal identity check {name}")


def _earlier(kept: Sequence[Members]) -> list[Text]:
    """One line for each older picture: when it was last seen, and what each record was then."""
    lines = [text()] if kept else []
    for one in kept:
        words = "  ".join(str(record["diagnosis"] or record["finding"]) for record in one["records"])
        lines.append(text((f"before {when(one['checked_at'])}  ", GREY), words))
    return lines


def _probes(probes: Sequence[Members]) -> list[Text]:
    """What was asked beyond the records, each name once."""
    lines: list[Text] = []
    asked = None
    for one in probes:
        if one["name"] != asked:
            asked = one["name"]
            lines += [text(), text(f"also asked  {printable(asked)}")]
        lines += _answer(one)
    return lines


def _answer(one: Members) -> list[Text]:
    """One server's answer: who, what class, and each name and text on its own line."""
    ttl = one["ttl"] if one["ttl"] is not None else one["negative_ttl"]
    head = [one["type"], one["outcome"], one["rcode"] if one["rcode"] != one["outcome"] else ""]
    head += [f"TTL {ttl}" if ttl is not None else "", f"{one['took_ms']} ms", printable(one["detail"])]
    shown = "  ".join(part for part in head if part)
    lines = [text((f"   {one['stage'].lower()}  {printable(one['by'])}", GREY)), text(f"     {shown}")]
    lines += [text(f"     CNAME  {printable(target)}") for target in one["chain"]]
    lines += [text(f"     MX  {printable(target)}") for target in one.get("names", ())]
    lines += [text(f"     address  {printable(address)}") for address in one.get("addresses", ())]
    return lines + [text(f"     TXT  {printable(value, at_most=1000)}") for value in one["texts"]]


def waiting(before: Any, members: Members) -> str | None:
    """A line for who waits, where something has changed since `before`; None where nothing has."""
    state = (members["dkim_status"], right_of(members))
    if state == before:
        return None
    right, count = right_of(members)
    return f"{members['identity']}  {members['dkim_status']}  {right} of {count} records right"
