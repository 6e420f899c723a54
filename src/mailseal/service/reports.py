"""A check as JSON text: what is stored as evidence and shown by `identity check`.

Rule: bounded, 4 KB for one answer at most; foreign bytes are escaped here, once, so that every reader may
print what it reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mailseal.core.advice import Code, Severity
from mailseal.core.diagnosis import Diagnosis
from mailseal.core.observations import Observation, Stage, printable
from mailseal.core.verification import CheckReport, RecordReport

_MOST_SEEN = 16
_MOST_PROBES = 40
_TEXTS_AT_MOST = 4
_NAMES_AT_MOST = 8
_ANSWER_CHARACTERS = 4096
_MOST_EARLIER = 5
_EARLIER_ANSWERS, _EARLIER_VALUES, _EARLIER_CHARACTERS = 4, 2, 200


def format_report(
    report: CheckReport,
    at: datetime,
    second: CheckReport | None = None,
    diagnoses: Sequence[Diagnosis] = (),
    probes: Sequence[Any] = (),
) -> str:
    """The report as compact JSON, and beside it that of the second signature's records; `probes` as
    `probe_members` makes them."""
    return json.dumps(
        {
            "checked_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "evidence": report.check.evidence,
            "error_type": report.check.error_type,
            "picture": picture_of(with_second(report, second)),
            "zone": report.zone,
            "not_asked": printable(report.left_out),
            "records": [_record(record, diagnoses) for record in report.records],
            "ed25519_records": [_record(record, diagnoses) for record in second.records] if second else [],
            "diagnoses": [_diagnosis(one) for one in diagnoses],
            "probes": list(probes),
        },
        separators=(",", ":"),
    )


def with_second(report: CheckReport, second: CheckReport | None) -> CheckReport:
    """The report with the second signature's records behind its own, as a diagnosis looks at them."""
    return report if second is None else replace(report, records=report.records + second.records)


def with_earlier(report: str, before: str | None) -> str:
    """A report with what was seen before it, shortened: each picture once, the newest of them first."""
    if before is None:
        return report
    members, was = json.loads(report), json.loads(before)
    earlier = was.get("earlier", [])
    if was.get("picture") != members["picture"]:
        earlier = [_shortened(was), *earlier][:_MOST_EARLIER]
    return json.dumps(members | {"earlier": earlier}, separators=(",", ":"))


def _shortened(was: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a check whose picture another one has replaced."""
    records = [
        {
            "name": record["name"],
            "finding": record["finding"],
            "diagnosis": record.get("diagnosis"),
            "seen": [
                {
                    **{name: one[name] for name in ("by", "stage", "type", "outcome", "rcode")},
                    "chain": one["chain"][:_EARLIER_VALUES],
                    "texts": [text[:_EARLIER_CHARACTERS] for text in one["texts"][:_EARLIER_VALUES]],
                }
                for one in record["seen"][:_EARLIER_ANSWERS]
            ],
        }
        for record in was["records"]
    ]
    kept = {name: was[name] for name in ("checked_at", "evidence", "error_type")}
    return kept | {"records": records}


def picture_of(report: CheckReport) -> str:
    """A fingerprint of what was seen, the same as long as nothing but times and servers' speed differ."""
    seen = [
        (r.expected.owner, r.expected.value, sorted(r.expected.texts), sorted(_looks(one) for one in r.seen))
        for r in report.records
    ]
    return hashlib.sha256(repr((seen, report.zone, report.left_out)).encode()).hexdigest()[:16]


def _looks(one: Observation) -> tuple[str, ...]:
    texts = ",".join(sorted(text.hex() for text in one.texts))
    return (one.asked.server, one.question.type, one.outcome, one.rcode, ",".join(one.chain), texts)


def probe_members(probes: Sequence[Observation]) -> list[dict[str, Any]]:
    """What was asked beyond the check, as it is kept; what the answers have in common is left out."""
    return [{"name": printable(one.question.name), **_seen(one)} for one in probes[:_MOST_PROBES]]


def parse_diagnoses(kept: Sequence[Any]) -> tuple[Diagnosis, ...]:
    """The diagnoses of a stored report."""
    return tuple(
        Diagnosis(
            Code(one["code"]),
            one["name"],
            tuple(one["seen"]),
            one["expected"],
            one["write"],
            one["detail"],
            one["provider"],
            one["habit"],
            Severity(one["severity"]),
            one.get("type", ""),
        )
        for one in kept
    )


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity,
        "name": one.owner,
        "type": one.type,
        "sentence": one.sentence,
        "seen": list(one.seen[:_NAMES_AT_MOST]),
        "expected": one.expected,
        "write": one.write,
        "detail": one.detail,
        "provider": one.provider,
        "habit": one.habit,
        "step": one.step,
    }


def _record(record: RecordReport, diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    expected = record.expected
    asked_authorities, matching_authorities = record.count(Stage.AUTHORITY)
    asked_vantages, matching_vantages = record.count(Stage.VANTAGE)
    told = next((one for one in diagnoses if one.is_about(expected)), None)
    return {
        "slot": expected.slot,
        "name": expected.owner,
        "type": expected.type,
        "value": expected.value,
        "finding": record.verdict,
        "diagnosis": told.code if told else None,
        "advice": told.step if told else None,
        "authorities": {"asked": asked_authorities, "matching": matching_authorities},
        "resolvers": {"asked": asked_vantages, "matching": matching_vantages},
        "seen": [_seen(one) for one in record.seen[:_MOST_SEEN]],
    }


def _seen(one: Observation) -> dict[str, Any]:
    """One answer; the longest members are shortened until it is no longer than an answer may be."""
    at_most = 600
    while True:
        members = _answer(one, at_most)
        if at_most < 20 or len(json.dumps(members)) <= _ANSWER_CHARACTERS:
            return members
        at_most //= 2


def _answer(one: Observation, at_most: int) -> dict[str, Any]:
    return {
        "by": one.asked.server,
        "stage": one.asked.stage,
        "type": one.question.type,
        "outcome": one.outcome,
        "rcode": one.rcode,
        "chain": [printable(name, at_most=at_most) for name in one.chain[:_NAMES_AT_MOST]],
        "names": [printable(name, at_most=at_most) for name in one.names[:_NAMES_AT_MOST]],
        "addresses": list(one.addresses[:_NAMES_AT_MOST]),
        "texts": [printable(text.decode("latin-1"), at_most=at_most) for text in one.texts[:_TEXTS_AT_MOST]],
        "zone": None if one.zone is None else printable(one.zone),
        "serial": None if one.soa is None else one.soa.serial,
        "authoritative": one.authoritative,
        "authenticated": one.authenticated,
        "ttl": one.ttl,
        "negative_ttl": one.negative_ttl,
        "detail": printable(one.detail, at_most=min(at_most, 300)),
        "trouble": one.trouble,
        "took_ms": one.took_ms,
    }
