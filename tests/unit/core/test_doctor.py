"""The doctor's verdicts: what is a fault, what a warning, and what was never asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from mailseal.core.carriers import Standing
from mailseal.core.doctor import (
    ClockState,
    Health,
    Result,
    Signer,
    judge_breaker,
    judge_clock,
    judge_database,
    judge_delegation,
    judge_outside,
    judge_outward,
    judge_port,
    judge_resolvers,
    judge_secondaries,
    judge_servers,
    judge_signer,
    judge_stock,
)
from mailseal.core.observations import (
    Asked,
    AuthorityReport,
    Observation,
    Outcome,
    Question,
    RecordType,
    SoaRecord,
    Stage,
)

ZONE = "dkim.example.net"
NAMES, ADDRESSES = (f"ns1.{ZONE}",), {f"ns1.{ZONE}": ("192.0.2.1", "2001:db8::1")}
GIB = 1024**3


def soa(serial: int | None, server: str = "ns1 192.0.2.1", detail: str = "") -> Observation:
    return Observation(
        Question(ZONE, RecordType.SOA),
        Asked(Stage.AUTHORITY, server),
        Outcome.TEMPORARY if serial is None else Outcome.ANSWER,
        soa=None if serial is None else SoaRecord("ns1", "admin", serial, 60),
        detail=detail,
    )


def servers(*names: str) -> Observation:
    question = Question(ZONE, RecordType.NS)
    return Observation(question, Asked(Stage.AUTHORITY, "ns1"), Outcome.ANSWER, names=names)


def looked(
    outcome: Outcome,
    *,
    remote: bool = False,
    rcode: str = "NOERROR",
    ad: bool = False,
    zone: str | None = None,
) -> Observation:
    asked = Asked(Stage.VANTAGE, "udp://127.0.0.1:53", remote)
    question = Question("", RecordType.SOA)
    return Observation(question, asked, outcome, rcode=rcode, authenticated=ad, zone=zone)


def test_a_fault_and_a_warning_always_say_what_to_do() -> None:
    silent = AuthorityReport(None, None, (), "no answer")
    found = [
        judge_clock(ClockState(is_synchronised=False)),
        judge_database(GIB // 2, 3),
        judge_stock({2048: 0}, {2048: 5}),
        judge_port([("127.0.0.1", 5353)], []),
        judge_port([("127.0.0.1", 53)], ["127.0.0.1 port 53 (TCP)"]),
        judge_delegation(ZONE, silent, (), {}),
        judge_delegation(ZONE, AuthorityReport("example.net"), NAMES, ADDRESSES),
        judge_servers(ZONE, AuthorityReport(ZONE, None, (soa(None),)), 1),
        judge_servers(ZONE, AuthorityReport(ZONE, None, (soa(1),)), 2),
        judge_servers(ZONE, AuthorityReport(ZONE, None, (soa(1),), "ns2 has no address"), 1),
        judge_outside(ZONE, [looked(Outcome.TEMPORARY)], arrived=False),
        judge_outside(ZONE, [looked(Outcome.NXDOMAIN, zone=ZONE)], arrived=False),
        judge_resolvers([]),
        judge_resolvers([looked(Outcome.TEMPORARY, rcode="")]),
        judge_resolvers([looked(Outcome.ANSWER)]),
        judge_resolvers([looked(Outcome.TEMPORARY, rcode="SERVFAIL")]),
        judge_outward([looked(Outcome.TEMPORARY)], asks_authorities=True),
        judge_breaker("no answer", "no answer", was_looked_at=True),
        judge_breaker("", "no answer", was_looked_at=True),
    ]
    assert {one.result for one in found} == {Result.FAULT, Result.WARNING}
    assert [one.name for one in found if not one.advice] == []


def test_an_unsynchronised_clock_is_told_apart_from_one_that_says_nothing() -> None:
    assert judge_clock(ClockState(is_synchronised=True, error_s=0.004)).seen == "synchronised, within 4 ms"
    assert judge_clock(ClockState(is_synchronised=False)).result is Result.WARNING
    assert judge_clock(ClockState(None)).result is Result.NOT_ASKED


@pytest.mark.parametrize(
    ("free", "result"),
    [(2 * GIB, Result.OK), (GIB // 2, Result.WARNING), (GIB // 20, Result.FAULT)],
)
def test_a_disk_that_fills_is_told_before_it_is_full(free: int, result: Result) -> None:
    assert judge_database(free, 1).result is result


def test_a_missing_delegation_shows_the_lines_to_add() -> None:
    told = judge_delegation(ZONE, AuthorityReport("example.net"), NAMES, ADDRESSES)
    assert told.result is Result.FAULT
    assert told.records == (
        (ZONE, "NS", f"ns1.{ZONE}"),
        (f"ns1.{ZONE}", "A", "192.0.2.1"),
        (f"ns1.{ZONE}", "AAAA", "2001:db8::1"),
    )
    assert "example.net" in told.advice


def test_no_answer_about_the_delegation_is_not_a_missing_one() -> None:
    told = judge_delegation(ZONE, AuthorityReport(None, None, (), "no answer within 2 s"), NAMES, ADDRESSES)
    assert (told.result, told.seen) == (Result.NOT_ASKED, "no answer within 2 s")


def test_other_servers_than_the_configured_ones_are_told() -> None:
    right = judge_delegation(ZONE, AuthorityReport(ZONE, None, (servers(*NAMES),)), NAMES, ADDRESSES)
    assert right.result is Result.OK
    wrong = judge_delegation(ZONE, AuthorityReport(ZONE, None, (servers("old.test"),)), NAMES, ADDRESSES)
    assert wrong.result is Result.WARNING
    assert "old.test" in wrong.seen


@pytest.mark.parametrize(
    ("seen", "detail", "result"),
    [
        ([soa(7), soa(7)], "", Result.OK),
        ([soa(7), soa(6)], "", Result.WARNING),
        ([soa(7), soa(None, detail="no answer")], "", Result.FAULT),
        ([soa(7)], "ns2 has no address", Result.WARNING),
        ([], "no answer", Result.NOT_ASKED),
    ],
)
def test_each_server_of_the_zone_is_held_against_our_serial(
    seen: Sequence[Observation], detail: str, result: Result
) -> None:
    assert judge_servers(ZONE, AuthorityReport(ZONE, None, tuple(seen), detail), 7).result is result


@pytest.mark.parametrize(
    ("seen", "arrived", "result"),
    [
        ([looked(Outcome.NXDOMAIN, zone=ZONE)], True, Result.OK),
        ([looked(Outcome.NXDOMAIN, zone=ZONE)], False, Result.WARNING),
        ([looked(Outcome.NXDOMAIN, zone="example.net")], False, Result.FAULT),
        ([looked(Outcome.TEMPORARY)], False, Result.FAULT),
        ([], None, Result.NOT_ASKED),
        ([], False, Result.NOT_ASKED),
    ],
)
def test_only_a_query_that_arrives_proves_that_we_are_reached(
    seen: Sequence[Observation], arrived: bool | None, result: Result
) -> None:
    assert judge_outside(ZONE, seen, arrived).result is result


@pytest.mark.parametrize(
    ("seen", "result", "word"),
    [
        ([looked(Outcome.ANSWER, ad=True)], Result.OK, "1 of 1"),
        ([looked(Outcome.ANSWER)], Result.WARNING, "does not validate"),
        ([looked(Outcome.TEMPORARY, rcode="")], Result.FAULT, "no answer"),
        (
            [looked(Outcome.ANSWER, ad=True), looked(Outcome.TEMPORARY, rcode="", remote=True)],
            Result.WARNING,
            "no",
        ),
        ([looked(Outcome.TEMPORARY, rcode="SERVFAIL")], Result.WARNING, "cannot resolve"),
    ],
)
def test_a_resolver_that_does_not_validate_is_told_apart_from_a_dead_one(
    seen: Sequence[Observation], result: Result, word: str
) -> None:
    told = judge_resolvers(seen)
    assert told.result is result
    assert word in told.seen


def test_a_blocked_port_53_is_no_fault_where_it_is_not_used() -> None:
    blocked = [looked(Outcome.TEMPORARY)]
    assert judge_outward(blocked, asks_authorities=True).result is Result.WARNING
    assert judge_outward(blocked, asks_authorities=False).result is Result.NOT_ASKED
    assert judge_outward([], asks_authorities=True).result is Result.NOT_ASKED
    answered = [*blocked, looked(Outcome.ANSWER)]
    assert judge_outward(answered, asks_authorities=True) == Health(
        "port 53 out", Result.OK, "root servers answer"
    )


def test_checks_that_are_held_back_are_a_fault() -> None:
    assert judge_breaker("", "", was_looked_at=False).result is Result.NOT_ASKED
    assert judge_breaker("", "", was_looked_at=True).result is Result.OK
    assert judge_breaker("why", "", was_looked_at=True).seen == "held back: why"


def test_each_way_of_signing_is_well_but_one_that_failed() -> None:
    assert judge_signer(Signer()).result is Result.OK
    alone = judge_signer(Signer("[signing] batch is off"))
    assert (alone.result, alone.seen) == (Result.OK, "one at a time by OpenSSL: [signing] batch is off")
    failed = judge_signer(Signer(is_distrusted=True))
    assert failed.result is Result.WARNING
    assert failed.advice


NOW = datetime(2026, 11, 23, 14, 20, tzinfo=UTC)


def carrying(server: str, given: int | None, zone: str = ZONE) -> Standing:
    return Standing(server, zone, 7, given or 3, NOW - timedelta(hours=1), given)


def test_a_secondary_that_is_silent_is_worse_than_one_that_is_behind() -> None:
    assert judge_secondaries([], NOW).result is Result.NOT_ASKED
    well = judge_secondaries([carrying("a", 7), carrying("b", 7), carrying("a", 7, "old.example")], NOW)
    assert (well.result, well.seen) == (Result.OK, "2 of 2 follow")
    behind = judge_secondaries([carrying("a", 7), carrying("b", 5)], NOW)
    assert behind.result is Result.WARNING
    assert behind.seen == "b: serial 5, 2 behind since 2026-11-23 13:20 UTC"
    silent = judge_secondaries([carrying("a", None), carrying("b", 5)], NOW)
    assert silent.result is Result.FAULT
    assert silent.seen.startswith("a: does not answer; serial 3, 4 behind")
    assert "b: serial 5" in silent.seen


def test_a_secondary_is_named_with_its_zone_where_there_are_several() -> None:
    told = judge_secondaries([carrying("a", 7), carrying("a", 5, "old.example")], NOW)
    assert told.seen.startswith("a (old.example): serial 5")
