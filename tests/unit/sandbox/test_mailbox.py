"""The mailbox: order, names, and what a message's signatures are worth."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.observations import Asked, Observation, Outcome, Question, Stage
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.message import parse_message
from mailseal.dkim.sign import Signer, sign
from mailseal.sandbox.mailbox import describe, find_mail, list_mail, verifications
from tests.fakes import pooled_key

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
PLAIN = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: \x1b[31mred\r\n\r\nHello.\r\n"


def signed(number: int = 0) -> bytes:
    key = pooled_key(number)
    signer = Signer("example.com", f"s{number}", key.sign_digest, 256)
    return sign(parse_message(PLAIN), [signer], int(NOW.timestamp())) + PLAIN


class Answers:
    """A resolver whose one vantage answers every TXT in the same way."""

    def __init__(self, outcome: Outcome, *texts: bytes) -> None:
        self._outcome = outcome
        self._texts = texts
        self.asked: list[str] = []

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        self.asked += [question.name for question in questions]
        vantage = Asked(Stage.VANTAGE, "udp://127.0.0.1:53")
        return tuple(Observation(one, vantage, self._outcome, texts=self._texts) for one in questions)

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> Any:
        raise AssertionError("nobody asks authorities for a key")


def worth(raw: bytes, resolver: Answers) -> list[str]:
    return [one.result.value for one in asyncio.run(verifications(raw, resolver, NOW))]


@pytest.mark.parametrize(
    ("outcome", "texts", "result"),
    [
        (Outcome.ANSWER, [format_key_record(pooled_key(0).spki)], "pass"),
        (Outcome.ANSWER, [format_key_record(pooled_key(1).spki)], "fail"),
        (Outcome.ANSWER, [b"p="], "permerror"),
        (Outcome.NXDOMAIN, [], "permerror"),
        (Outcome.NODATA, [], "permerror"),
        (Outcome.TEMPORARY, [], "temperror"),
        (Outcome.BOGUS, [], "temperror"),
    ],
)
def test_a_signature_is_worth_what_the_dns_says_of_its_key(
    outcome: Outcome, texts: list[bytes], result: str
) -> None:
    resolver = Answers(outcome, *texts)
    assert worth(signed(), resolver) == [result]
    assert resolver.asked == ["s0._domainkey.example.com"]


def test_a_message_without_a_signature_asks_for_no_key() -> None:
    resolver = Answers(Outcome.TEMPORARY)
    assert worth(PLAIN, resolver) == []
    assert worth(b"no message at all", resolver) == []
    assert resolver.asked == []


def put(mailbox: Path, name: str, at: int, content: bytes = PLAIN) -> Path:
    (mailbox / "new").mkdir(exist_ok=True)
    path = mailbox / "new" / name
    path.write_bytes(content)
    os.utime(path, ns=(at, at))
    return path


def test_mails_are_listed_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    for name, at in (("b", 2), ("a", 3), ("c", 1)):
        put(tmp_path, name, at)
    assert [kept.name for kept in list_mail(tmp_path)] == ["c", "b", "a"]
    assert list_mail(tmp_path / "nothing here") == []


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "..", "new/a"])
def test_a_name_with_a_path_in_it_finds_nothing(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a", 1)
    (tmp_path / "secret").write_text("s")
    assert find_mail(tmp_path, name) is None
    assert find_mail(tmp_path, "a") is not None


def test_text_from_a_message_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    put(tmp_path, "a", 1)
    told = asyncio.run(describe(tmp_path, list_mail(tmp_path)[0], None, NOW))
    assert told["subject"] == "\\x1b[31mred"
    assert (told["dkim"], told["envelope"], told["size_bytes"]) == ([], {}, len(PLAIN))
