"""Records as change batches of Amazon Route 53.

Rule: pure; one batch for each identity, in one line, since a batch is for one hosted zone and takes 1,000
changes at most: `while read -r batch; do aws route53 change-resource-record-sets --change-batch "$batch" …`.
References: Amazon Route 53 API, ChangeBatch and ResourceRecord.
"""

from __future__ import annotations

import json
from typing import Any

from mailseal.handoff.records import Record, Sheet, rdata


def format_route53(sheet: Sheet) -> str:
    """One change batch in one line; its comment names the hosted zone that it is for."""
    batch = {"Comment": f"hosted zone {sheet.zone}", "Changes": [_change(one) for one in sheet.records]}
    return json.dumps(batch) + "\n"


def _change(record: Record) -> dict[str, Any]:
    return {
        "Action": "UPSERT",
        "ResourceRecordSet": {
            "Name": f"{record.name}.",
            "Type": record.type,
            "TTL": record.ttl,
            "ResourceRecords": [{"Value": rdata(record)}],
        },
    }
