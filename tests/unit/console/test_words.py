"""The console's words and pictures: every mistake has them, and grey is never red."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailseal.console.evidence import finding_of, right_of, told_of
from mailseal.console.keyfile import base64_of
from mailseal.console.newpage import meant
from mailseal.console.records import cards_of, host_of, told_boxes, witnesses_of
from mailseal.console.sentences import SAY, rank
from mailseal.console.slotpicture import NOW_AT, picture_of
from mailseal.console.timeline import moment_of
from mailseal.core.advice import Code, Severity
from mailseal.core.errors import BadRequest
from mailseal.core.observations import RecordType
from mailseal.core.policy import Policy
from mailseal.core.rotation import SlotState
from mailseal.core.stored import StoredEvent
from mailseal.core.suffixes import NO_SUFFIXES
from mailseal.core.verification import ExpectedRecord
from tests.unit.core.scenes import START, easy_identity

OWNER, TARGET = "abc._domainkey.example.com", "abc.dkim.mx.example.net"


def seen(**members: Any) -> dict[str, Any]:
    """One server's answer in a report."""
    given = {
        "by": "ns1.example.net 192.0.2.1",
        "stage": "AUTHORITY",
        "type": "CNAME",
        "outcome": "NXDOMAIN",
        "rcode": "NXDOMAIN",
        "chain": [],
        "names": [],
        "addresses": [],
        "texts": [],
        "zone": None,
        "serial": None,
        "negative_ttl": 60,
        "ttl": None,
        "detail": "",
        "took_ms": 3,
    }
    return given | members


def record(finding: str, **members: Any) -> dict[str, Any]:
    """One record of a report."""
    given = {
        "name": OWNER,
        "type": "CNAME",
        "value": TARGET,
        "finding": finding,
        "diagnosis": None,
        "authorities": {"asked": 1, "matching": 0},
        "resolvers": {"asked": 1, "matching": 0},
        "seen": [seen()],
    }
    return given | members


def diagnosis(code: Code, severity: Severity = Severity.FAULT, name: str = OWNER) -> dict[str, Any]:
    """One diagnosis of a report."""
    return {
        "code": code,
        "severity": severity,
        "name": name,
        "sentence": "The record is so.",
        "seen": [f"{OWNER}.example.com"],
        "expected": OWNER,
        "write": "abc._domainkey",
        "detail": "",
        "provider": "GoDaddy",
        "habit": "",
        "step": "shorten the name",
    }


def report(*diagnoses: Mapping[str, Any], finding: str = "NXDOMAIN", **members: Any) -> dict[str, Any]:
    """A stored report of one record."""
    return {"records": [record(finding, **members)], "diagnoses": list(diagnoses), "zone": "example.com"}


def test_every_mistake_of_the_catalogue_has_its_words_and_a_place_in_the_order() -> None:
    assert set(SAY) == set(Code)
    assert (
        rank(Code.OUR_ZONE) < rank(Code.DOMAIN_EXPIRED) < rank(Code.DNSSEC_BOGUS) < rank(Code.DOUBLED_DOMAIN)
    )
    assert rank(Code.DOUBLED_DOMAIN) < rank(Code.FLATTENED) < rank(Code.TARGET_SUFFIXED)
    assert rank(Code.TARGET_SUFFIXED) < rank(Code.RECORD_MISSING) < rank(Code.STALE_NEGATIVE)


@pytest.mark.parametrize("code", list(Code))
def test_each_mistake_is_told_in_whole_sentences(code: Code) -> None:
    told = told_of(report(diagnosis(code)), "example.com")[0]
    assert told.what.endswith(".")
    assert told.why.endswith(".")
    assert "{" not in told.what + told.why
    assert "please" not in (told.what + told.why).lower()


def test_only_the_end_that_is_too_much_is_marked() -> None:
    compare = told_of(report(diagnosis(Code.DOUBLED_DOMAIN)), "example.com")[0].compares[0]
    assert (compare.seen, compare.added) == (OWNER, ".example.com")


def test_while_the_fault_is_ours_no_other_mistake_is_told() -> None:
    both = report(diagnosis(Code.OUR_ZONE, Severity.OURS), diagnosis(Code.DMARC_STRICT, name=""))
    told = told_of(both, "example.com")
    assert [one.code for one in told] == ["OUR_ZONE"]
    assert told[0].sign.word == "Our side"


def test_what_could_not_be_asked_is_grey_and_what_is_not_there_is_red() -> None:
    assert finding_of(record("TEMP")).tone == "none"
    assert finding_of(record("NOT_ASKED")).tone == "none"
    assert finding_of(record("NXDOMAIN")).tone == "bad"
    assert finding_of(record("MATCH")).tone == "ok"
    behind = finding_of(record("TEMP", resolvers={"asked": 2, "matching": 1}))
    assert (behind.tone, behind.word) == ("wait", "Not everywhere yet")
    silent = told_of(report(diagnosis(Code.NS_DEAD), finding="TEMP"), "example.com")[0]
    assert silent.sign.word == "Could not ask"
    cell = witnesses_of(report(seen=[seen(outcome="TEMPORARY", rcode="SERVFAIL")])).authorities[0].cells[0]
    assert cell is not None
    assert (cell.sign.tone, cell.aside) == ("none", "SERVFAIL")


def test_a_copied_name_ends_where_the_zone_begins() -> None:
    expected = (ExpectedRecord("abc._domainkey.news.example.com", RecordType.CNAME, TARGET),)
    card = cards_of(expected, report(), "news.example.com", NO_SUFFIXES)[0]
    assert (card.name, card.added) == ("abc._domainkey.news", ".example.com")
    unasked = cards_of(expected, None, "news.example.com", NO_SUFFIXES)[0]
    assert (unasked.name, unasked.added) == ("abc._domainkey.news", ".example.com")


def test_a_value_has_its_final_dot_where_the_host_wants_one() -> None:
    at_ovh = report(seen=[seen(by="dns1.ovh.net 192.0.2.1")])
    host = host_of(at_ovh)
    assert host is not None
    assert told_boxes(host).startswith("OVH adds the grey part")
    expected = (ExpectedRecord(OWNER, RecordType.CNAME, TARGET),)
    assert cards_of(expected, at_ovh, "example.com", NO_SUFFIXES)[0].value == f"{TARGET}."
    assert cards_of(expected, report(), "example.com", NO_SUFFIXES)[0].value == TARGET


def test_records_in_place_are_counted() -> None:
    assert right_of(report(finding="MATCH")) == (1, 1)
    assert right_of(report()) == (0, 1)
    assert right_of(None) == (0, 0)


def test_the_picture_has_a_lane_for_each_slot_and_one_line_for_now() -> None:
    identity = easy_identity()
    picture = picture_of(identity, START + timedelta(days=3), Policy())
    assert picture is not None
    assert [lane.number for lane in picture.lanes] == [1, 2, 3]
    active = next(lane for lane in picture.lanes if lane.bars)
    assert active.bars[0].begins + active.bars[0].width == pytest.approx(NOW_AT, abs=0.1)
    assert all(bar.begins + bar.width <= 100.7 for lane in picture.lanes for bar in lane.bars)
    blank = replace(
        identity, slots=tuple(replace(s, state=SlotState.BLANK, key=None) for s in identity.slots)
    )
    assert picture_of(blank, START, Policy()) is None


@pytest.mark.parametrize("text", ["-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "", "no!"])
def test_what_is_no_private_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        base64_of(text)
    assert "MIIB" not in str(refused.value)


def test_a_web_address_names_its_domain() -> None:
    assert meant("Https://Fernhill.example/a?b#c") == "fernhill.example"
    assert meant("https://user@fernhill.example:8443") == "fernhill.example"
    assert meant(" example.com. ") == "example.com"


def test_an_event_of_a_foreign_server_is_shown_and_not_obeyed() -> None:
    moment = moment_of(StoredEvent(START, "mail", "not taken: \x1b[31m550 no"), START)
    assert moment.detail == "Not taken: \\x1b[31m550 no"
