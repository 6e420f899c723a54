"""Two mistakes at once, more than a thousand times: one of them is named, and none that was not made.

The records stand in the sandbox's zones and are read without a socket, as authority and as resolver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import dns.name
import pytest
from dns.rdatatype import RdataType

from mailseal.core.advice import Code
from mailseal.core.diagnosis import Facts, diagnose, plan_probes
from mailseal.core.keys import KeyRef
from mailseal.core.observations import (
    ENDLESS_ALIASES,
    Asked,
    Observation,
    Outcome,
    Question,
    RecordType,
    Stage,
)
from mailseal.core.verification import ExpectedRecord, absent_at_authorities, compare
from mailseal.dkim.keyrecord import format_key_record
from mailseal.sandbox.mistakes import Row, Scene, make_mistake
from mailseal.sandbox.zones import CustomerZones
from tests.fakes import pooled_key

HOSTED = "dkim.mx.example.net"
KEY = pooled_key(0)
TEXT = format_key_record(KEY.spki)
AT_A_NAME = ("DOUBLED_DOMAIN", "HOST_ONLY", "MISSING_UNDERSCORE", "WRONG_ZONE")
IN_AN_ALIAS = (
    *("TARGET_SUFFIXED", "TARGET_QUOTED", "TARGET_URL", "OTHER_PROVIDER"),
    *("TXT_INSTEAD", "KEY_PASTED", "FLATTENED"),
)
IN_A_TEXT = (
    *("TXT_QUOTED", "TXT_ESCAPED", "TXT_TRUNCATED", "KEY_DIFFERENT", "KEY_REVOKED"),
    *("TXT_BAD_TAG", "BYO_CNAME_AWAY", "TXT_MULTIPLE"),
)
OF_ONE_RECORD = (*AT_A_NAME, *IN_AN_ALIAS, "RECORD_MISSING", "LOOP")
HARMLESS = ("CASE", "CHAIN")
DOMAINS = ("example.com", "mail.example.com")
EYES = {
    Stage.AUTHORITY: Asked(Stage.AUTHORITY, "ns1.customers-dns.test 127.0.0.1"),
    Stage.VANTAGE: Asked(Stage.VANTAGE, "udp://127.0.0.1:53"),
}


@dataclass(frozen=True)
class State:
    """What two mistakes leave in the DNS of a domain."""

    made: tuple[str, ...]
    domain: str
    wanted: tuple[ExpectedRecord, ...]
    rows: tuple[Row, ...]


def aliases(domain: str) -> tuple[ExpectedRecord, ...]:
    tokens = [letter * 20 + "h4xk2mzq7w3c" for letter in "abd"]
    texts = [frozenset({TEXT}), frozenset({b""}), frozenset({b""})]
    return tuple(
        ExpectedRecord(f"{token}._domainkey.{domain}", RecordType.CNAME, f"{token}.{HOSTED}", n, texts=text)
        for n, (token, text) in enumerate(zip(tokens, texts, strict=True), 1)
    )


def own(domain: str) -> ExpectedRecord:
    reference = KeyRef("key", 2048, KEY.spki)
    return ExpectedRecord(f"s1._domainkey.{domain}", RecordType.TXT, TEXT.decode(), key=reference)


def made(code: str, domain: str, *records: ExpectedRecord) -> tuple[Row, ...]:
    return make_mistake(code, Scene(domain, records, "")).rows


def apart(record: ExpectedRecord, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The same rows, where they need names beside the record's own with names that no other record has."""
    label = record.owner.partition(".")[0]
    return tuple(
        Row(
            row.name.replace("hop1.", f"{label}-hop."),
            row.type,
            tuple(value.replace("hop1.", f"{label}-hop.") for value in row.values),
        )
        for row in rows
    )


def on_two_records() -> Iterator[State]:
    for domain in DOMAINS:
        wanted = aliases(domain)
        pairs = [*product(OF_ONE_RECORD, OF_ONE_RECORD), *product(OF_ONE_RECORD, HARMLESS)]
        for at, other in ((0, 1), (1, 2), (2, 0)) if domain == DOMAINS[0] else ((0, 1),):
            right = made("CASE", domain, wanted[3 - at - other])
            for first, second in pairs:
                rows = apart(wanted[at], made(first, domain, wanted[at]))
                rows += apart(wanted[other], made(second, domain, wanted[other]))
                yield State((first, second), domain, wanted, (*rows, *right))


def on_one_record() -> Iterator[State]:
    """A record at a wrong name that is wrong in itself too; alone, or all three of them."""
    for domain, name, value in product(DOMAINS, AT_A_NAME, IN_AN_ALIAS):
        wanted = aliases(domain)
        for wrong in (wanted[:1], wanted[1:2], wanted):
            rows = [row for r in wrong for row in both(name, value, domain, r)]
            rows += [row for r in wanted if r not in wrong for row in made("CASE", domain, r)]
            yield State((name, value), domain, wanted, tuple(rows))
    for domain, name, value in product(DOMAINS, AT_A_NAME, IN_A_TEXT):
        record = own(domain)
        yield State((name, value), domain, (record,), both(name, value, domain, record))


def both(name: str, value: str, domain: str, record: ExpectedRecord) -> tuple[Row, ...]:
    [moved] = made(name, domain, record)
    return tuple(replace(row, name=moved.name) for row in made(value, domain, record))


def in_one_text() -> Iterator[State]:
    """A text in which two things are wrong, and two texts of which one is wrong."""
    forms = [code for code in IN_A_TEXT if code not in ("BYO_CNAME_AWAY", "TXT_MULTIPLE")]
    for domain in DOMAINS:
        record = own(domain)
        for first, second in permutations(forms, 2):
            [row] = made(first, domain, record)
            half_wrong = replace(record, value=row.values[0])
            yield State((first, second), domain, (record,), made(second, domain, half_wrong))
        for form in forms:
            [row] = made(form, domain, record)
            pair = Row(row.name, row.type, (*row.values, record.value))
            yield State(("TXT_MULTIPLE", form), domain, (record,), (pair,))


def all_states() -> list[State]:
    return [*on_two_records(), *on_one_record(), *in_one_text()]


def empty() -> CustomerZones:
    """The customers' zones, ours among them."""
    zones = CustomerZones()
    zones.add_zone(HOSTED)
    return zones


def fill(zones: CustomerZones, state: State) -> None:
    zones.delete_domain(DOMAINS[0])
    for record in state.wanted:
        if record.type is RecordType.CNAME:
            zones.set_record(record.value, "TXT", (next(iter(record.texts)).decode(),))
    for row in {(row.name.lower(), row.type): row for row in state.rows}.values():
        zones.set_record(row.name, row.type, row.values)


def look(zones: CustomerZones, question: Question, stage: Stage) -> Observation:
    """What an authority, or a resolver, says to a question."""
    rtype, name = RdataType[question.type], dns.name.from_text(question.name)
    chain: list[str] = []
    while True:
        found = zones.look_up(name, rtype)
        zone = spelt(found.zone)
        if found.answer is None:
            outcome = Outcome.NODATA if found.exists else Outcome.NXDOMAIN
            return Observation(question, EYES[stage], outcome, outcome, tuple(chain), zone=zone)
        if found.answer.rdtype is not RdataType.CNAME:
            break
        name = found.answer[0].target
        if spelt(name) in (*chain, question.name):
            return Observation(
                question, EYES[stage], Outcome.TEMPORARY, chain=(*chain, spelt(name)), detail=ENDLESS_ALIASES
            )
        chain.append(spelt(name))
        leaves = stage is Stage.AUTHORITY and zones.zone_of(name) != found.zone
        if rtype is RdataType.CNAME or leaves:
            return Observation(question, EYES[stage], Outcome.ANSWER, "NOERROR", tuple(chain), zone=zone)
    seen = Observation(question, EYES[stage], Outcome.ANSWER, "NOERROR", tuple(chain), zone=zone)
    if rtype is RdataType.TXT:
        return replace(seen, texts=tuple(b"".join(one.strings) for one in found.answer))
    if rtype is RdataType.A:
        return replace(seen, addresses=tuple(one.address for one in found.answer))
    return seen


def spelt(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def named(zones: CustomerZones, state: State) -> set[str]:
    """The likeliest mistake of each record, as a check finds it."""
    fill(zones, state)
    apex = spelt(zones.zone_of(dns.name.from_text(state.domain)))
    seen = [look(zones, record.authority_question, Stage.AUTHORITY) for record in state.wanted]
    if not absent_at_authorities(state.wanted, seen):
        seen += [look(zones, record.vantage_question, Stage.VANTAGE) for record in state.wanted]
    report = replace(compare(state.wanted, seen), zone=apex)
    facts = Facts(state.domain, (HOSTED,), zone=apex)
    plan = plan_probes(report, facts)
    probes = [look(zones, question, Stage.AUTHORITY) for question in plan.authorities]
    probes += [look(zones, question, Stage.VANTAGE) for question in plan.outside]
    first: dict[str, Code] = {}
    for one in diagnose(report, facts, probes):
        first.setdefault(one.owner, one.code)
    return {code.value for code in first.values()}


@pytest.mark.timeout(180)
@pytest.mark.suite_dns
def test_of_a_thousand_pairs_of_mistakes_one_is_named_and_none_invented() -> None:
    zones, states = empty(), all_states()
    assert len({(state.made, state.domain, state.rows) for state in states}) >= 1000
    wrong = [
        (s.made, s.domain, told) for s in states if not (told := named(zones, s)) or not told <= set(s.made)
    ]
    assert wrong == []


def test_mistakes_on_two_records_are_both_named() -> None:
    zones, states = empty(), [s for s in on_two_records() if s.wanted[0].owner.endswith(DOMAINS[1])]
    assert len(states) > 150
    missed = [(s.made, told) for s in states if not (told := named(zones, s)) >= set(s.made) - set(HARMLESS)]
    assert missed == []
