"""MAIL FROM domains: which may be asked for, what proves them, and what mail makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailseal.core.errors import BadRequest, MailFromDomainNotVerified
from mailseal.core.lifecycle import DkimStatus, ErrorType, Evidence, started
from mailseal.core.mailfrom import (
    MailFrom,
    MailFromHosts,
    MxFailure,
    envelope_sender,
    expected_mail_from_records,
    mail_from_domain,
    with_mail_from,
    with_mail_from_check,
)
from mailseal.core.names import Domain
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.core.policy import Policy
from mailseal.core.verification import CheckReport, Finding, absent_at_authorities, compare
from tests.unit.core.scenes import START

HOSTS = MailFromHosts("feedback.mx.example.net", "spf.mx.example.net")
BOUNCE = Domain("bounce.example.com")
SPF = b"v=spf1 include:spf.mx.example.net ~all"
MX, TXT = RecordType.MX, RecordType.TXT


def mail_from(status: DkimStatus = DkimStatus.PENDING, failure: str = "USE_DEFAULT_VALUE") -> MailFrom:
    return MailFrom(BOUNCE, MxFailure(failure), replace(started(START), status=status))


def seen(
    rtype: RecordType, stage: Stage = Stage.VANTAGE, outcome: str = "ANSWER", **answer: Any
) -> Observation:
    return Observation(Question(BOUNCE, rtype), Asked(stage, "one"), Outcome(outcome), **answer)


def report(*observations: Observation) -> CheckReport:
    return compare(expected_mail_from_records(mail_from(), HOSTS), observations)


RIGHT_MX = seen(MX, names=("feedback.mx.example.net",))
RIGHT_SPF = seen(TXT, texts=(b"some other text", SPF))


@pytest.mark.parametrize("identity", ["example.com", "me@example.com", "Me@Example.com"])
def test_a_mail_from_domain_lies_below_the_identitys_domain(identity: str) -> None:
    assert mail_from_domain("Bounce.Example.com", identity) == BOUNCE


@pytest.mark.parametrize(
    "text", ["example.com", "bounce.example.org", "xexample.com", "example.com.example.org", "com"]
)
def test_any_other_domain_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        mail_from_domain(text, "example.com")


@pytest.mark.parametrize(
    "text", ["bounce.example.com.", "bo_unce.example.com", "bounce..example.com", "bö.example.com"]
)
def test_what_is_no_domain_is_refused_without_a_word_of_the_identity(text: str) -> None:
    with pytest.raises(BadRequest, match="Invalid MAIL FROM domain name") as told:
        mail_from_domain(text, "example.com")
    assert "EmailIdentity" not in told.value.message


def test_asking_for_the_same_domain_again_keeps_its_proof_unless_it_failed() -> None:
    later = START + timedelta(days=4)
    for status in DkimStatus:
        again = with_mail_from(mail_from(status), BOUNCE, MxFailure.REJECT_MESSAGE, later)
        assert again.on_failure is MxFailure.REJECT_MESSAGE
        is_restarted = status is DkimStatus.FAILED
        assert (again.proof == started(later)) is is_restarted


def test_another_domain_begins_anew_and_keeps_the_behaviour_that_nobody_names() -> None:
    proven = mail_from(DkimStatus.SUCCESS, "REJECT_MESSAGE")
    other = with_mail_from(proven, Domain("mail.example.com"), None, START)
    assert other == MailFrom(Domain("mail.example.com"), MxFailure.REJECT_MESSAGE, started(START))
    assert with_mail_from(None, BOUNCE, None, START).on_failure is MxFailure.USE_DEFAULT_VALUE


def test_both_records_prove_it() -> None:
    assert report(RIGHT_MX, RIGHT_SPF).check.evidence is Evidence.POSITIVE


@pytest.mark.parametrize(
    ("mx", "spf", "error"),
    [
        (RIGHT_MX, seen(TXT, outcome="NODATA"), ErrorType.TYPE_NOT_FOUND),
        (RIGHT_MX, seen(TXT, texts=(b"hello",)), ErrorType.TYPE_NOT_FOUND),
        (RIGHT_MX, seen(TXT, texts=(b"v=spf1 -all",)), ErrorType.INVALID_VALUE),
        (RIGHT_MX, seen(TXT, texts=(SPF, SPF)), ErrorType.INVALID_VALUE),
        (seen(MX, outcome="NXDOMAIN"), seen(TXT, outcome="NXDOMAIN"), ErrorType.HOST_NOT_FOUND),
        (seen(MX, outcome="NODATA"), RIGHT_SPF, ErrorType.TYPE_NOT_FOUND),
        (seen(MX, names=("mx.example.org",)), RIGHT_SPF, ErrorType.INVALID_VALUE),
        (
            seen(MX, names=("feedback.mx.example.net", "mx.example.org")),
            RIGHT_SPF,
            ErrorType.INVALID_VALUE,
        ),
    ],
)
def test_one_wrong_record_is_definitive_and_its_kind_is_told(
    mx: Observation, spf: Observation, error: ErrorType
) -> None:
    check = report(mx, spf).check
    assert (check.evidence, check.error_type) == (Evidence.NEGATIVE, error)


def test_silence_about_one_record_is_no_evidence_about_the_domain() -> None:
    check = report(RIGHT_MX, seen(TXT, outcome="TEMPORARY")).check
    assert check.evidence is Evidence.TEMPORARY


def test_an_answer_about_one_type_is_not_taken_for_the_other() -> None:
    told = report(RIGHT_MX, RIGHT_SPF)
    assert [[one.question.type for one in record.seen] for record in told.records] == [[MX], [TXT]]


def test_an_alias_that_leads_out_of_the_authority_is_left_to_resolvers() -> None:
    alias = seen(MX, Stage.AUTHORITY, chain=("elsewhere.example.net",))
    expected = expected_mail_from_records(mail_from(), HOSTS)
    assert not absent_at_authorities(expected, [alias])
    told = compare(expected, [alias, RIGHT_MX, RIGHT_SPF])
    assert [record.authorities for record in told.records] == [Finding.TEMP, Finding.NOT_ASKED]
    assert told.check.evidence is Evidence.POSITIVE


def test_the_status_moves_by_the_table_of_dkim() -> None:
    policy = Policy()
    now, state = START, mail_from()
    for seconds in (0, 6):
        now += timedelta(seconds=seconds)
        state = with_mail_from_check(state, report(RIGHT_MX, RIGHT_SPF), now, policy)
    assert state.proof.status is DkimStatus.SUCCESS
    gone = report(seen(MX, outcome="NODATA"), RIGHT_SPF)
    for _ in range(policy.confirmations):
        now += timedelta(minutes=5)
        state = with_mail_from_check(state, gone, now, policy)
    assert state.proof.status is DkimStatus.TEMPORARY_FAILURE
    while now < START + timedelta(hours=80):
        now += timedelta(minutes=15)
        state = with_mail_from_check(state, gone, now, policy)
    assert state.proof.status is DkimStatus.FAILED


@pytest.mark.parametrize("status", list(DkimStatus))
def test_only_a_proven_domain_is_the_envelopes(status: DkimStatus) -> None:
    sender = envelope_sender(mail_from(status), "0100-1")
    assert sender == ("0100-1@bounce.example.com" if status is DkimStatus.SUCCESS else None)


def test_whoever_wants_no_mail_without_it_gets_none_until_it_is_proven() -> None:
    with pytest.raises(MailFromDomainNotVerified, match="is PENDING, and BehaviorOnMxFailure"):
        envelope_sender(mail_from(failure="REJECT_MESSAGE"), "0100-1")
    proven = mail_from(DkimStatus.SUCCESS, "REJECT_MESSAGE")
    assert envelope_sender(proven, "0100-1") == "0100-1@bounce.example.com"
    assert envelope_sender(None, "0100-1") is None
