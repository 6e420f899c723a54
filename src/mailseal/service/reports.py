"""A check as JSON text: what is stored as evidence and shown by `identity check`.

Rule: bounded; foreign bytes are escaped here, once, so that every reader may print what it reads.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from mailseal.core.observations import Observation, Stage, printable
from mailseal.core.verification import CheckReport, RecordReport

_MOST_SEEN = 16


def format_report(report: CheckReport, at: datetime, second: CheckReport | None = None) -> str:
    """The report as compact JSON, and beside it that of the second signature's records."""
    return json.dumps(
        {
            "checked_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "evidence": report.check.evidence,
            "error_type": report.check.error_type,
            "records": [_record(record) for record in report.records],
            "ed25519_records": [_record(record) for record in second.records] if second else [],
        },
        separators=(",", ":"),
    )


def _record(record: RecordReport) -> dict[str, Any]:
    expected = record.expected
    asked_authorities, matching_authorities = record.count(Stage.AUTHORITY)
    asked_vantages, matching_vantages = record.count(Stage.VANTAGE)
    return {
        "slot": expected.slot,
        "name": expected.owner,
        "type": expected.type,
        "value": expected.value,
        "finding": record.verdict,
        "authorities": {"asked": asked_authorities, "matching": matching_authorities},
        "resolvers": {"asked": asked_vantages, "matching": matching_vantages},
        "seen": [_seen(one) for one in record.seen[:_MOST_SEEN]],
    }


def _seen(one: Observation) -> dict[str, Any]:
    return {
        "by": one.asked.server,
        "stage": one.asked.stage,
        "type": one.question.type,
        "outcome": one.outcome,
        "rcode": one.rcode,
        "chain": [printable(name) for name in one.chain],
        "names": [printable(name) for name in one.names[:8]],
        "texts": [printable(text.decode("latin-1"), at_most=600) for text in one.texts[:4]],
        "ttl": one.ttl,
        "negative_ttl": one.negative_ttl,
        "detail": printable(one.detail),
        "took_ms": one.took_ms,
    }
