"""What a check saw, as the console shows it: each record's state, and the mistake to begin with.

Rule: pure, over the stored report; "could not ask" is grey and never red; while the fault is ours, nothing is
asked of the owner.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailseal.console.sentences import SAY, rank
from mailseal.console.words import Sign
from mailseal.core.advice import Code, Severity
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus

Report = Mapping[str, Any]

IN_PLACE = Sign("ok", "ok", "In place")
NOT_LOOKED = Sign("none", "none", "Not looked yet")
_OUR_SIDE = Sign("ok", "ok", "In place")
_FINDINGS: Mapping[str, Sign] = {
    "MATCH": IN_PLACE,
    "NXDOMAIN": Sign("bad", "bad", "Not there"),
    "NODATA": Sign("bad", "bad", "Not there"),
    "MISMATCH": Sign("bad", "bad", "Wrong value"),
    "BOGUS": Sign("bad", "bad", "Not believed"),
    "TEMP": Sign("none", "none", "Could not ask"),
    "OURS": _OUR_SIDE,
    "NOT_ASKED": Sign("none", "none", "Not asked"),
}
_BEHIND = Sign("wait", "wait", "Not everywhere yet")
_SEVERITY: Mapping[str, Sign] = {
    Severity.FAULT: Sign("bad", "bad", "Fix needed"),
    Severity.WAIT: Sign("wait", "wait", "Waiting"),
    Severity.WARNING: Sign("warn", "warn", "Works, with a warning"),
    Severity.OURS: Sign("warn", "ours", "Our side"),
}
_SILENT = frozenset({Code.LAME, Code.NS_DEAD, Code.NS_PRIVATE})
_NOTHING = frozenset(
    {Code.RECORD_MISSING, Code.WILDCARD, Code.SUBDELEGATED, Code.PARENT_MISMATCH, Code.DOMAIN_EXPIRED}
    | {Code.STALE_NEGATIVE, Code.NS_DISAGREE, Code.SPLIT_HORIZON, Code.ENT_NXDOMAIN, Code.DNSSEC_BOGUS}
    | {Code.OUR_ZONE, *_SILENT}
)
"""Mistakes of which there is nothing to hold beside what should be there."""
COULD_NOT_ASK = Sign("", "none", "Could not ask")


@dataclass(frozen=True, slots=True)
class Compare:
    """What should stand there and what does, with only the difference marked."""

    expected: str
    seen: str
    added: str
    """The end of `seen` that is too much; empty where the whole is another."""


@dataclass(frozen=True, slots=True)
class Told:
    """One mistake as the page tells it."""

    code: str
    sign: Sign
    what: str
    why: str
    numbers: tuple[int, ...]
    step: str
    write: str
    compares: tuple[Compare, ...]
    habit: str
    host: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """A check in one line of a list."""

    what: str
    detail: str
    matters: bool


def records_of(report: Report | None) -> Sequence[Mapping[str, Any]]:
    """The records that prove the setting, as they were found."""
    return () if report is None else report["records"]


def finding_of(record: Mapping[str, Any]) -> Sign:
    """How one record stands."""
    finding = str(record["finding"])
    code = str(record.get("diagnosis"))
    matching = record["authorities"]["matching"] + record["resolvers"]["matching"]
    if finding == "TEMP" and matching:
        return _BEHIND
    sign = _FINDINGS.get(finding, NOT_LOOKED)
    if sign.tone == "bad" and code in SAY:
        return Sign(sign.tone, sign.icon, SAY[Code(code)].mark)
    return sign


def right_of(report: Report | None) -> tuple[int, int]:
    """How many records are in place, and how many there are."""
    records = records_of(report)
    return sum(finding_of(one).tone == "ok" for one in records), len(records)


def told_of(report: Report | None, domain: str) -> tuple[Told, ...]:
    """The mistakes of a check, the one to begin with first; records with the same mistake share it."""
    if report is None:
        return ()
    numbers = {one["name"]: at for at, one in enumerate(records_of(report), 1)}
    groups: dict[str, list[Mapping[str, Any]]] = {}
    first_of: set[str] = set()
    for one in report.get("diagnoses", ()):
        # The first of a record's diagnoses is the likeliest.
        if one["name"] and (one["name"] in first_of or one["name"] not in numbers):
            continue
        first_of.add(one["name"])
        groups.setdefault(one["code"], []).append(one)
    found = [_told(code, alike, numbers, domain) for code, alike in groups.items()]
    ours = [one for one in found if one.is_ours]
    return tuple(ours or sorted(found, key=lambda one: (_mildness(one), rank(one.code))))


def _mildness(one: Told) -> int:
    return {"bad": 0, "none": 0, "": 0, "wait": 1, "warn": 2}.get(one.sign.tone, 3)


def _told(code: str, alike: Sequence[Mapping[str, Any]], numbers: Mapping[str, int], domain: str) -> Told:
    about = tuple(sorted(numbers[one["name"]] for one in alike if one["name"]))
    first = alike[0]
    host = str(first.get("provider") or "")
    say = SAY.get(Code(code)) if code in Code.__members__ else None
    records = _records(about)
    filled = {"domain": domain, "host": host or "The DNS host", "records": records, "target": ""}
    what = str(first["sentence"]) if say is None else (say.many if len(about) > 1 else say.one)
    sign = COULD_NOT_ASK if code in _SILENT else _SEVERITY.get(first["severity"], _SEVERITY[Severity.FAULT])
    return Told(
        code,
        sign,
        what,
        "" if say is None else _capital(say.why.format(**filled)),
        about,
        _capital(str(first["step"])),
        str(first["write"]),
        tuple(_compare(one) for one in alike[:1] if one["seen"] and one["expected"] and code not in _NOTHING),
        str(first["habit"]),
        host,
        first["severity"] == Severity.OURS,
    )


def _compare(one: Mapping[str, Any]) -> Compare:
    expected, seen = str(one["expected"]), str(one["seen"][0])
    plain = expected.partition("  ")[0] if "  " in expected and "  " not in seen else expected
    if seen.startswith(plain) and seen != plain:
        return Compare(expected, plain, seen[len(plain) :])
    return Compare(expected, seen, "")


def _records(numbers: Sequence[int]) -> str:
    told = [str(number) for number in numbers]
    if len(told) < 2:
        return f"record {told[0]}" if told else "the domain"
    return f"records {', '.join(told[:-1])} and {told[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def summary_of(identity: Identity, report: Report | None) -> Summary:
    """What is going on with a domain, in one line."""
    status = identity.newest.proof.status
    right, count = right_of(report)
    standing = f"{right} of {count} records in place" if count else "Nothing was looked at yet"
    if not identity.signing_enabled:
        return Summary("Signing is paused", "Mail goes out unsigned", True)
    told = told_of(report, identity.name)
    if status is DkimStatus.SUCCESS:
        if told:
            return Summary(told[0].what, told[0].sign.word, True)
        return Summary("All records in place", "", False)
    if status is DkimStatus.NOT_STARTED:
        return Summary("No keys are set up", "Mail from it goes out unsigned", True)
    ended = "The search ended. It can be begun again" if status is DkimStatus.FAILED else standing
    if status is DkimStatus.TEMPORARY_FAILURE and not told:
        return Summary("The records can't be seen any more", "Mail is still signed", True)
    if not told:
        all_right = count and right == count
        return Summary(
            "Seen, to be seen once more" if all_right else "We are looking for the records", ended, True
        )
    return Summary(told[0].what, ended, True)
