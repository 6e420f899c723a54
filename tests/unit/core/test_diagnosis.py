"""What the rules of the diagnosis make of evidence that few networks produce."""

from __future__ import annotations

import pytest

from mailseal.core.advice import Code
from mailseal.core.diagnosis import Facts, diagnose
from mailseal.core.observations import Asked, Observation, Outcome, RecordType, Stage
from mailseal.core.verification import ExpectedRecord, compare

TARGET = "token.dkim.mx.example.net"
KEY = b"p=AAAA"
RECORD = ExpectedRecord("s._domainkey.example.com", RecordType.CNAME, TARGET, slot=1, texts=frozenset({KEY}))
FACTS = Facts("example.com", ("dkim.mx.example.net",), zone="example.com")


def resolver(number: int, outcome: Outcome) -> Observation:
    """What one resolver sees: the record, or what else it says."""
    asked = Asked(Stage.VANTAGE, f"udp://192.0.2.{number}:53")
    if outcome is Outcome.ANSWER:
        return Observation(RECORD.vantage_question, asked, outcome, "NOERROR", (TARGET,), (KEY,))
    return Observation(RECORD.vantage_question, asked, outcome, outcome.value)


def authority(outcome: Outcome) -> Observation:
    asked = Asked(Stage.AUTHORITY, "ns1.example.com 198.51.100.1")
    chain = (TARGET,) if outcome is Outcome.ANSWER else ()
    return Observation(RECORD.authority_question, asked, outcome, outcome.value, chain)


def named(*seen: Observation) -> list[Code]:
    return [one.code for one in diagnose(compare([RECORD], seen), FACTS)]


@pytest.mark.parametrize("absence", [Outcome.NXDOMAIN, Outcome.NODATA])
def test_a_record_that_one_network_sees_and_another_denies_is_split(absence: Outcome) -> None:
    both = [resolver(1, Outcome.ANSWER), resolver(2, absence)]
    assert named(authority(Outcome.TEMPORARY), *both)[0] is Code.SPLIT_HORIZON
    [told, *_] = diagnose(compare([RECORD], both), FACTS)
    assert told.seen == ("udp://192.0.2.1:53  right", "udp://192.0.2.2:53  not there")


def test_silence_beside_a_record_is_no_split() -> None:
    seen = [resolver(1, Outcome.ANSWER), resolver(2, Outcome.TEMPORARY), resolver(3, Outcome.TEMPORARY)]
    assert Code.SPLIT_HORIZON not in named(*seen)


def test_an_absence_that_the_authorities_contradict_is_a_cache_and_no_split() -> None:
    seen = [authority(Outcome.ANSWER), resolver(1, Outcome.ANSWER)]
    seen += [resolver(number, Outcome.NXDOMAIN) for number in (2, 3)]
    assert named(*seen) == [Code.STALE_NEGATIVE, Code.SPLIT_HORIZON]
