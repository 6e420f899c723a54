"""From the evidence of a check to the named mistake, its proof and the one next step.

Rule: pure. `plan_probes` says what else to ask, `diagnose` names what that and the check come to: for each
record one mistake, the likeliest first, and none where there is no proof. What is our fault is never told to
an owner as theirs.
References: RFC 7489 §6.1; docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mailseal.core import diagnosis_aliases, diagnosis_mail_from, diagnosis_texts, diagnosis_zones
from mailseal.core.advice import WORDS, Code
from mailseal.core.diagnosis_case import Case, Diagnosis, Facts, Probed, places_of
from mailseal.core.lifecycle import ErrorType, Evidence
from mailseal.core.names import above_selectors, dmarc_name, nobodys_name
from mailseal.core.observations import Observation, Question, RecordType
from mailseal.core.verification import CheckReport, Finding, RecordReport

__all__ = ["Diagnosis", "Facts", "ProbePlan", "Probed", "diagnose", "plan_probes", "with_own_fault"]

_GUESSES = 2
_OUTSIDE_AT_MOST = 40
_AT_AUTHORITIES_AT_MOST = 8
_RULES: tuple[Callable[[Case], Diagnosis | None], ...] = (
    *diagnosis_zones.AROUND,
    *diagnosis_zones.BETWEEN,
    *diagnosis_aliases.MEANT,
    *diagnosis_texts.TEXTS,
    *diagnosis_aliases.NOT_HERE,
    diagnosis_zones.broken_servers,
    diagnosis_zones.parents_and_childs,
)
_MAIL_FROM_RULES: tuple[Callable[[Case], Diagnosis | None], ...] = (
    diagnosis_zones.domain_expired,
    diagnosis_zones.bogus,
    diagnosis_zones.parent_mismatch,
    diagnosis_zones.wildcard,
    diagnosis_zones.ns_disagree,
    diagnosis_zones.stale_negative,
    diagnosis_zones.split_horizon,
    diagnosis_aliases.loop,
    *diagnosis_mail_from.STANDING,
    *diagnosis_aliases.NOT_HERE,
    diagnosis_zones.broken_servers,
    diagnosis_zones.parents_and_childs,
)
"""Of records that are not below `_domainkey`: what is delegated or denied there does not touch them."""
_WARNINGS = (diagnosis_zones.ns_disagree, diagnosis_aliases.chain_warning, diagnosis_texts.unusual)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What to ask beyond the check: of the domain's own servers, and of a resolver."""

    authorities: tuple[Question, ...] = ()
    outside: tuple[Question, ...] = ()


def plan_probes(report: CheckReport, facts: Facts) -> ProbePlan:
    """The questions that prove or refute what a check lets one suspect; none where all is right or ours."""
    wrong = [r for r in report.records if r.verdict not in (Finding.MATCH, Finding.OURS)]
    if not wrong:
        return ProbePlan()
    inside: list[Question] = []
    domain = facts.domain
    outside = [
        Question(domain, RecordType.SOA),
        Question(domain, RecordType.CNAME),
        Question(nobodys_name(domain), RecordType.TXT),
    ]
    for record in wrong:
        _plan_record(record, facts, inside, outside)
    inside.append(Question(above_selectors(domain), RecordType.NS))
    if facts.zone is not None:
        inside.append(Question(facts.zone, RecordType.NS))
        return ProbePlan(_bounded(inside, _AT_AUTHORITIES_AT_MOST), _bounded(outside, _OUTSIDE_AT_MOST))
    # Where the domain's own servers can't be asked, a resolver may know; it has been asked of these names.
    return ProbePlan((), _bounded([*outside, *inside], _OUTSIDE_AT_MOST))


def _plan_record(record: RecordReport, facts: Facts, inside: list[Question], outside: list[Question]) -> None:
    """Adds what one record that is not right gives reason to ask."""
    expected, domain = record.expected, facts.domain
    owner = expected.owner
    verdicts = {record.verdict, record.authorities}
    is_absent = record.verdict is Finding.NXDOMAIN
    if is_absent or (expected.is_mail_from and record.verdict is Finding.NODATA):
        rtype, places = expected.vantage_question.type, places_of(expected, facts)
        outside += [Question(name, rtype) for names in places.values() for name in names]
    if not is_absent and not expected.is_mail_from and Finding.NODATA in verdicts:
        inside += [Question(owner, RecordType.TXT), Question(owner, RecordType.A)]
        outside.append(Question(nobodys_name(domain), RecordType.A))
    elif not is_absent and Finding.MISMATCH in verdicts and expected.type is RecordType.CNAME:
        inside.append(Question(owner, RecordType.TXT))
        targets = {o.chain[0] for o in record.seen if o.chain}
        outside += [Question(name, RecordType.CNAME) for name in sorted(targets) if not facts.is_ours(name)]
    if record.verdict in (Finding.TEMP, Finding.BOGUS):
        outside += [Question(zone, RecordType.SOA) for zone in facts.our_zones[:1]]
        if expected.type is RecordType.CNAME:
            outside += [Question(owner, RecordType.CNAME), Question(expected.value, RecordType.TXT)]


def _bounded(questions: Sequence[Question], at_most: int) -> tuple[Question, ...]:
    return tuple(dict.fromkeys(questions))[:at_most]


def diagnose(report: CheckReport, facts: Facts, probes: Sequence[Observation] = ()) -> tuple[Diagnosis, ...]:
    """What is wrong with each record, and warnings about those that are right; at most two for a record."""
    probed = Probed(tuple(probes))
    beside = tuple(record.expected for record in report.records)
    told: list[Diagnosis] = []
    for record in report.records:
        case = Case(record, facts, probed, beside)
        rules = _MAIL_FROM_RULES if record.expected.is_mail_from else _RULES
        rules = _WARNINGS if record.verdict is Finding.MATCH else rules
        told += _first(case, rules)
    return (*told, *_strict_policy(facts, probed))


def _first(case: Case, rules: Sequence[Callable[[Case], Diagnosis | None]]) -> list[Diagnosis]:
    """The likeliest diagnoses of one record, different codes each."""
    told: list[Diagnosis] = []
    for rule in rules:
        found = rule(case)
        if found is not None and all(found.code is not one.code for one in told):
            told.append(found)
        if len(told) == _GUESSES or (found is not None and found.code is Code.OUR_ZONE):
            break
    return told


def _strict_policy(facts: Facts, probed: Probed) -> tuple[Diagnosis, ...]:
    """The warning about a DMARC policy under which a domain's signature is nothing to its subdomains."""
    name = dmarc_name(facts.domain)
    texts = [text for o in probed.at(name, RecordType.TXT) for text in o.texts]
    policies = [text for text in texts if text.replace(b" ", b"").startswith(b"v=DMARC1")]
    strict = [text for text in policies if b"adkim=s" in text.replace(b" ", b"").lower().split(b";")]
    if not strict:
        return ()
    seen = f"{name}  TXT  {strict[0].decode('latin-1')}"
    severity = WORDS[Code.DMARC_STRICT].severity
    return (Diagnosis(Code.DMARC_STRICT, "", (seen[:600],), "adkim=r", severity=severity),)


def policy_question(domain: str) -> Question:
    """What to ask for a domain's DMARC policy."""
    return Question(dmarc_name(domain), RecordType.TXT)


def with_own_fault(report: CheckReport, diagnoses: Sequence[Diagnosis]) -> CheckReport:
    """The report, counted as our fault where that is what the diagnosis says and nothing is the owner's."""
    ours = {one.owner for one in diagnoses if one.code is Code.OUR_ZONE}
    wrong = [record for record in report.records if record.verdict is not Finding.MATCH]
    if not ours or any(record.expected.owner not in ours for record in wrong):
        return report
    check = replace(report.check, evidence=Evidence.OURS, error_type=ErrorType.SERVICE_ERROR)
    records = tuple(
        replace(r, verdict=Finding.OURS) if r.expected.owner in ours else r for r in report.records
    )
    return replace(report, records=records, check=check)
