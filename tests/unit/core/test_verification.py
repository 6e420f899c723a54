"""What observations come to: no false SUCCESS, no needless FAILED, every class kept apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailseal.core import settings
from mailseal.core.lifecycle import ErrorType, Evidence
from mailseal.core.observations import Observation, Outcome, RecordType, Stage
from mailseal.core.settings import WantByo
from mailseal.core.verification import (
    ExpectedRecord,
    Finding,
    absent_at_authorities,
    classify,
    compare,
    expected_records,
)
from mailseal.dkim.keyrecord import format_key_record
from tests.unit.core.scenes import (
    DOMAIN,
    POLICY,
    START,
    ZONE,
    easy_identity,
    key,
    observation,
    owner_publishes,
)

EASY = easy_identity()
RECORDS = expected_records(EASY, EASY.newest, START, POLICY)
RIGHT = owner_publishes(RECORDS, EASY.slots)
OWN = settings.with_byodkim(EASY, WantByo("S1", "x"), key(9), "own", START, POLICY).identity
(OWN_RECORD,) = expected_records(OWN, OWN.newest, START, POLICY)


def alias(record: ExpectedRecord, **members: object) -> Observation:
    return observation(record.owner, **members)  # type: ignore[arg-type]


def at_authority(
    record: ExpectedRecord, outcome: Outcome, server: str = "ns1", **members: object
) -> Observation:
    return observation(
        record.owner,
        outcome=outcome,
        stage=Stage.AUTHORITY,
        asked=RecordType.CNAME,
        server=server,
        **members,  # type: ignore[arg-type]
    )


def test_easy_dkim_expects_three_aliases_into_the_hosted_zone() -> None:
    tokens = [slot.token for slot in EASY.slots]
    assert [record.owner for record in RECORDS] == [f"{token}._domainkey.{DOMAIN}" for token in tokens]
    assert [record.value for record in RECORDS] == [f"{token}.{ZONE}" for token in tokens]


def test_an_own_key_expects_one_text_under_its_selector_in_lower_case() -> None:
    assert (OWN_RECORD.owner, OWN_RECORD.type) == (f"s1._domainkey.{DOMAIN}", RecordType.TXT)
    assert OWN_RECORD.value.encode() == format_key_record(key(9).spki)


def test_all_three_right_is_positive() -> None:
    assert compare(RECORDS, RIGHT).check.evidence is Evidence.POSITIVE


def test_the_word_of_the_authorities_alone_is_never_positive() -> None:
    seen = [at_authority(record, Outcome.ANSWER, chain=(record.value,)) for record in RECORDS]
    assert compare(RECORDS, seen).check.evidence is Evidence.TEMPORARY


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_two_of_three_are_not_enough(missing: int) -> None:
    gone = observation(RECORDS[missing].owner, outcome=Outcome.NXDOMAIN, negative_ttl=300)
    seen = [gone if index == missing else one for index, one in enumerate(RIGHT)]
    report = compare(RECORDS, seen)
    assert report.check.evidence is Evidence.NEGATIVE
    assert report.check.error_type is ErrorType.HOST_NOT_FOUND
    assert report.check.negative_ttl == timedelta(seconds=300)


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"outcome": Outcome.NXDOMAIN}, Finding.NXDOMAIN),
        ({"outcome": Outcome.NODATA}, Finding.NODATA),
        ({"outcome": Outcome.NXDOMAIN, "chain": (f"elsewhere.{ZONE}",)}, Finding.MISMATCH),
        ({"outcome": Outcome.NXDOMAIN, "chain": (f"{RECORDS[0].value}.{DOMAIN}",)}, Finding.MISMATCH),
        ({"outcome": Outcome.NXDOMAIN, "chain": (RECORDS[0].value,)}, Finding.OURS),
        ({"outcome": Outcome.NODATA, "chain": (RECORDS[0].value,)}, Finding.OURS),
        ({"chain": (RECORDS[0].value,), "texts": (b"p=other",)}, Finding.OURS),
        ({"chain": (RECORDS[0].value,), "texts": (b"", b"")}, Finding.OURS),
        ({"chain": (RECORDS[1].value,), "texts": (b"",)}, Finding.MISMATCH),
        ({"texts": (format_key_record(key(1).spki),)}, Finding.NODATA),
        ({"outcome": Outcome.TEMPORARY}, Finding.TEMP),
        ({"outcome": Outcome.BOGUS}, Finding.BOGUS),
        ({"chain": (RECORDS[0].value.upper(),), "texts": (format_key_record(key(1).spki),)}, Finding.MATCH),
        (
            {"chain": ("alias.example.net", RECORDS[0].value), "texts": (format_key_record(key(1).spki),)},
            Finding.MATCH,
        ),
    ],
)
def test_each_class_of_answer_for_an_alias(members: dict[str, object], finding: Finding) -> None:
    assert classify(RECORDS[0], alias(RECORDS[0], **members)) is finding


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"texts": (format_key_record(key(9).spki),)}, Finding.MATCH),
        ({"texts": (b"v=DKIM1; k=rsa; " + format_key_record(key(9).spki),)}, Finding.MATCH),
        ({"texts": (format_key_record(key(8).spki),)}, Finding.MISMATCH),
        ({"texts": (format_key_record(key(9).spki),) * 2}, Finding.MISMATCH),
        ({"texts": (b"p=",)}, Finding.MISMATCH),
        ({"texts": (b'"' + format_key_record(key(9).spki) + b'"',)}, Finding.MISMATCH),
        ({"outcome": Outcome.NXDOMAIN}, Finding.NXDOMAIN),
        ({"outcome": Outcome.NODATA}, Finding.NODATA),
        ({"outcome": Outcome.TEMPORARY}, Finding.TEMP),
    ],
)
def test_each_class_of_answer_for_an_own_key(members: dict[str, object], finding: Finding) -> None:
    assert classify(OWN_RECORD, alias(OWN_RECORD, **members)) is finding


def test_our_own_fault_is_no_evidence_even_beside_a_mistake_of_the_owner() -> None:
    seen = [
        observation(RECORDS[0].owner, outcome=Outcome.NXDOMAIN),
        observation(RECORDS[1].owner, outcome=Outcome.NXDOMAIN, chain=(RECORDS[1].value,)),
        RIGHT[2],
    ]
    report = compare(RECORDS, seen)
    assert (report.check.evidence, report.check.error_type) == (Evidence.OURS, ErrorType.SERVICE_ERROR)


def test_silence_is_temporary_and_never_negative() -> None:
    seen = [observation(record.owner, outcome=Outcome.TEMPORARY) for record in RECORDS]
    report = compare(RECORDS, seen)
    assert report.check.evidence is Evidence.TEMPORARY
    assert report.check.error_type is ErrorType.DNS_SERVER_ERROR


def test_a_stale_negative_of_a_resolver_is_not_absence_where_the_authorities_match() -> None:
    stale = [observation(record.owner, outcome=Outcome.NXDOMAIN) for record in RECORDS]
    there = [at_authority(record, Outcome.ANSWER, chain=(record.value,)) for record in RECORDS]
    assert compare(RECORDS, [*there, *stale]).check.evidence is Evidence.TEMPORARY


def test_resolvers_are_spared_where_every_authority_denies_a_record() -> None:
    denied = [at_authority(RECORDS[0], Outcome.NXDOMAIN, server) for server in ("ns1", "ns2")]
    assert absent_at_authorities(RECORDS, denied)
    mixed = [denied[0], at_authority(RECORDS[0], Outcome.ANSWER, "ns2", chain=(RECORDS[0].value,))]
    assert not absent_at_authorities(RECORDS, mixed)
    silent = [at_authority(RECORDS[0], Outcome.TEMPORARY)]
    assert not absent_at_authorities(RECORDS, silent)


def votes(*outcomes: Outcome) -> list[Observation]:
    """One record's observations from several vantages; ANSWER is the right one."""
    return [
        replace(RIGHT[0], asked=replace(RIGHT[0].asked, server=f"v{number}"))
        if outcome is Outcome.ANSWER
        else observation(RECORDS[0].owner, outcome=outcome, server=f"v{number}")
        for number, outcome in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("outcomes", "evidence"),
    [
        ((Outcome.ANSWER, Outcome.ANSWER), Evidence.POSITIVE),
        ((Outcome.ANSWER, Outcome.TEMPORARY), Evidence.POSITIVE),
        ((Outcome.ANSWER, Outcome.TEMPORARY, Outcome.TEMPORARY), Evidence.TEMPORARY),
        ((Outcome.ANSWER, Outcome.NXDOMAIN), Evidence.NEGATIVE),
        ((Outcome.ANSWER, Outcome.BOGUS), Evidence.TEMPORARY),
        ((Outcome.ANSWER,) * 5 + (Outcome.TEMPORARY,) * 2, Evidence.POSITIVE),
        ((Outcome.ANSWER,) * 4 + (Outcome.TEMPORARY,) * 3, Evidence.TEMPORARY),
    ],
)
def test_the_quorum_of_several_vantages(outcomes: tuple[Outcome, ...], evidence: Evidence) -> None:
    assert compare(RECORDS[:1], votes(*outcomes)).check.evidence is evidence


def test_one_stale_vantage_may_dissent_where_the_authorities_match() -> None:
    there = at_authority(RECORDS[0], Outcome.ANSWER, chain=(RECORDS[0].value,))
    seen = [there, *votes(Outcome.ANSWER, Outcome.NXDOMAIN)]
    assert compare(RECORDS[:1], seen).check.evidence is Evidence.POSITIVE
