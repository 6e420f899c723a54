"""What is wrong with the records of a MAIL FROM domain, by name."""

from __future__ import annotations

import pytest

from mailseal.core.advice import Code
from mailseal.core.diagnosis import Facts, diagnose, plan_probes
from mailseal.core.lifecycle import started
from mailseal.core.mailfrom import MailFrom, MailFromHosts, MxFailure, expected_mail_from_records
from mailseal.core.names import parse_domain
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.core.verification import Finding, compare
from tests.unit.core.scenes import START

BOUNCE = "bounce.example.com"
HOST, OURS = "feedback.example.net", "spf.example.net"
MX, SPF = expected_mail_from_records(
    MailFrom(parse_domain(BOUNCE), MxFailure.USE_DEFAULT_VALUE, started(START)), MailFromHosts(HOST, OURS)
)
FACTS = Facts("example.com", ("dkim.example.net",), zone="example.com")
RESOLVER = Asked(Stage.VANTAGE, "udp://192.0.2.1:53")


def answer(name: str, *values: str, chain: tuple[str, ...] = ()) -> Observation:
    """What a resolver says of the MX, or of the TXT where the values are texts; nothing is an absence."""
    rtype = RecordType.TXT if any(" " in value or '"' in value for value in values) else RecordType.MX
    texts = tuple(value.encode() for value in values) if rtype is RecordType.TXT else ()
    names = values if rtype is RecordType.MX else ()
    outcome = Outcome.ANSWER if values else Outcome.NXDOMAIN
    return Observation(Question(name, rtype), RESOLVER, outcome, "NOERROR", chain, texts, names=names)


def absent(rtype: RecordType, outcome: Outcome = Outcome.NXDOMAIN) -> Observation:
    return Observation(Question(BOUNCE, rtype), RESOLVER, outcome, outcome.value)


def named(seen: Observation, *probes: Observation) -> list[Code]:
    expected = MX if seen.question.type is RecordType.MX else SPF
    return [one.code for one in diagnose(compare([expected], [seen]), FACTS, probes)]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["mx.example.org"], Code.OTHER_PROVIDER),
        (["feedback-smtp.us-east-1.amazonses.com"], Code.OTHER_PROVIDER),
        ([HOST, "mx.example.org"], Code.OTHER_PROVIDER),
        ([f"{HOST}.example.com"], Code.TARGET_SUFFIXED),
        ([f"https://{HOST}"], Code.TARGET_URL),
        ([f'\\"{HOST}\\"'], Code.TARGET_QUOTED),
        (["feedbak.example.net"], Code.WRONG_TOKEN),
    ],
)
def test_a_wrong_mx_is_named(names: list[str], code: Code) -> None:
    seen = Observation(Question(BOUNCE, RecordType.MX), RESOLVER, Outcome.ANSWER, names=tuple(names))
    assert named(seen)[0] is code


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["v=spf1 -all"], Code.OTHER_PROVIDER),
        (["v=spf1 include:amazonses.com ~all"], Code.OTHER_PROVIDER),
        ([f"v=spf1 -all include:{OURS}"], Code.TXT_BAD_TAG),
        ([f"v=spf1, include:{OURS} ~all"], Code.TXT_BAD_TAG),
        ([f"v=spf1 include:{OURS} ~all", "v=spf1 -all"], Code.TXT_MULTIPLE),
        ([f'"v=spf1 include:{OURS} ~all"'], Code.TXT_QUOTED),
        ([f"v\\=spf1 include:{OURS} ~all"], Code.TXT_ESCAPED),
        (["v=spf1 include:spf.exam"], Code.TXT_TRUNCATED),
        (["v=spf1 include:spf.exmple.net ~all"], Code.WRONG_TOKEN),
    ],
)
def test_a_wrong_spf_record_is_named(texts: list[str], code: Code) -> None:
    assert named(answer(BOUNCE, *texts))[0] is code


def test_what_else_stands_in_an_spf_record_may_stay() -> None:
    [told] = diagnose(compare([SPF], [answer(BOUNCE, "v=spf1 ip4:192.0.2.7 -all")]), FACTS)
    assert told.write == f"v=spf1 ip4:192.0.2.7 include:{OURS} -all"


@pytest.mark.parametrize("outcome", [Outcome.NXDOMAIN, Outcome.NODATA])
@pytest.mark.parametrize("place", ["bounce.example.com.example.com", "example.com"])
def test_a_record_at_another_name_is_found_there(place: str, outcome: Outcome) -> None:
    code = Code.WRONG_ZONE if place == "example.com" else Code.DOUBLED_DOMAIN
    assert named(absent(RecordType.MX, outcome), answer(place, HOST))[0] is code
    assert named(absent(RecordType.TXT, outcome), answer(place, SPF.value))[0] is code
    report = compare([MX], [absent(RecordType.MX, outcome)])
    assert Question(place, RecordType.MX) in plan_probes(report, FACTS).outside


def test_the_mx_of_the_domain_above_is_no_misplaced_one() -> None:
    assert named(absent(RecordType.MX), answer("example.com", "mx.example.com")) == [Code.RECORD_MISSING]


def test_nothing_is_asked_of_a_resolver_that_would_let_it_remember_an_absence() -> None:
    report = compare([MX, SPF], [absent(RecordType.MX), absent(RecordType.TXT)])
    for facts in (FACTS, Facts("example.com", ())):
        asked = [question.name for question in plan_probes(report, facts).outside]
        assert asked
        assert not [name for name in asked if name == BOUNCE or name.endswith(f".{BOUNCE}")]


def test_an_alias_in_the_place_of_both_is_named() -> None:
    seen = Observation(Question(BOUNCE, RecordType.MX), RESOLVER, Outcome.NODATA, chain=("u1.sendgrid.net",))
    report = compare([MX], [seen])
    assert report.records[0].verdict is not Finding.MATCH
    told = diagnose(report, FACTS)[0]
    assert (told.code, told.seen, told.type) == (Code.OTHER_PROVIDER, ("CNAME  u1.sendgrid.net",), "MX")


def test_right_records_are_not_talked_about() -> None:
    assert named(answer(BOUNCE, HOST)) == []
    assert named(answer(BOUNCE, f"v=spf1 include:{OURS} -all")) == []
