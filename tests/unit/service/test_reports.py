"""Evidence as it is kept: each answer bounded, older pictures shortened and few."""

from __future__ import annotations

import json
from typing import Any

from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.service.reports import probe_members, with_earlier


def report(picture: str, *, texts: tuple[str, ...] = ("p=AAAA",)) -> str:
    seen = {"by": "ns1", "stage": "AUTHORITY", "type": "TXT", "outcome": "ANSWER", "rcode": "NOERROR"}
    record = {"name": "s1", "finding": "MISMATCH", "seen": [seen | {"chain": [], "texts": texts}] * 9}
    times = {"checked_at": picture, "evidence": "NEGATIVE", "error_type": "INVALID_VALUE"}
    return json.dumps({**times, "picture": picture, "records": [record]})


def after(*pictures: str) -> dict[str, Any]:
    kept = None
    for picture in pictures:
        kept = with_earlier(report(picture, texts=("x" * 600,) * 4), kept)
    assert kept is not None
    members: dict[str, Any] = json.loads(kept)
    return members


def test_a_picture_that_stays_is_kept_once_and_older_ones_newest_first() -> None:
    members = after("one", "one", "two", "two", "three")
    assert [one["checked_at"] for one in members["earlier"]] == ["two", "one"]


def test_five_older_pictures_are_kept_and_each_is_short() -> None:
    members = after(*(str(number) for number in range(40)))
    assert [one["checked_at"] for one in members["earlier"]] == ["38", "37", "36", "35", "34"]
    assert all(len(json.dumps(one)) < 4096 for one in members["earlier"])


def test_an_answer_full_of_foreign_bytes_is_kept_in_four_kilobytes() -> None:
    seen = Observation(
        Question("s1._domainkey.example.com", RecordType.TXT),
        Asked(Stage.AUTHORITY, "ns1"),
        Outcome.ANSWER,
        chain=tuple("\\001" * 60 for _ in range(8)),
        texts=tuple(bytes(range(256)) * 60 for _ in range(16)),
        detail="\u202e" * 5000,
    )
    [kept] = probe_members([seen])
    assert len(json.dumps(kept)) <= 4096
    assert "\x01" not in json.dumps(kept)
