"""What must be in the DNS, and what the observations of one check come to.

Rule: a finding is a value for each record and stage; only a resolver's word (stage VANTAGE) makes evidence
POSITIVE, and "could not ask" never makes it NEGATIVE.
References: RFC 6376 §3.6.2; RFC 1034 §3.6.2; RFC 2308 §2.1; AWS SESv2 VerificationError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailseal.core.identity import (
    ByoDkim,
    EasyDkim,
    Identity,
    Parent,
    ParentKind,
    Replica,
    Setting,
    wants_ed25519,
)
from mailseal.core.keys import KeyRef
from mailseal.core.lifecycle import Check, ErrorType, Evidence
from mailseal.core.names import dkim_name
from mailseal.core.observations import Observation, Outcome, Question, RecordType, SoaRecord, Stage, Trouble
from mailseal.core.policy import Policy
from mailseal.core.rotation import KeySlot, Slots, SlotState, answer_of
from mailseal.core.spf import includes, spf_records
from mailseal.dkim.keyrecord import Accepted, format_key_record, judge_byodkim


class Finding(StrEnum):
    """What one observation, or all of one record's, came to."""

    MATCH = "MATCH"
    NXDOMAIN = "NXDOMAIN"
    NODATA = "NODATA"
    MISMATCH = "MISMATCH"
    BOGUS = "BOGUS"
    TEMP = "TEMP"
    OURS = "OURS"
    NOT_ASKED = "NOT_ASKED"


DEFINITIVE = frozenset({Finding.NXDOMAIN, Finding.NODATA, Finding.MISMATCH})
ABSENT = frozenset({Finding.NXDOMAIN, Finding.NODATA})

_ERRORS: dict[Finding, ErrorType] = {
    Finding.NXDOMAIN: ErrorType.HOST_NOT_FOUND,
    Finding.NODATA: ErrorType.TYPE_NOT_FOUND,
    Finding.MISMATCH: ErrorType.INVALID_VALUE,
    Finding.BOGUS: ErrorType.DNS_SERVER_ERROR,
    Finding.TEMP: ErrorType.DNS_SERVER_ERROR,
    Finding.OURS: ErrorType.SERVICE_ERROR,
}
_WORST_FIRST = (Finding.OURS, Finding.MISMATCH, Finding.NXDOMAIN, Finding.NODATA, Finding.BOGUS, Finding.TEMP)


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """A record that the domain's owner has to publish, and how to know it again."""

    owner: str
    type: RecordType
    value: str
    """The CNAME's target, or the TXT's content."""
    slot: int | None = None
    key: KeyRef | None = None
    texts: frozenset[bytes] = frozenset()
    """For a CNAME: what may stand at its target at this moment."""
    spf_include: str = ""
    """For an SPF record: the domain whose own record it has to include."""

    @property
    def is_mail_from(self) -> bool:
        """Whether it is one of the two records of a MAIL FROM domain."""
        return self.type is RecordType.MX or bool(self.spf_include)

    @property
    def authority_question(self) -> Question:
        """What to ask the domain's own servers."""
        return Question(self.owner, self.type)

    @property
    def vantage_question(self) -> Question:
        """What to ask a resolver: of keys always the TXT, as receivers do; the CNAMEs come with it."""
        return Question(self.owner, RecordType.MX if self.type is RecordType.MX else RecordType.TXT)

    def is_told_by(self, seen: Observation) -> bool:
        """Whether an observation answers one of this record's questions."""
        return seen.question in (self.authority_question, self.vantage_question)


def expected_records(
    identity: Identity, setting: Setting, now: datetime, policy: Policy
) -> tuple[ExpectedRecord, ...]:
    """The records that prove a setting: three CNAMEs for Easy DKIM, one TXT for BYODKIM."""
    match setting.method:
        case ByoDkim(selector=selector, key=key):
            value = format_key_record(key.spki).decode()
            return (ExpectedRecord(dkim_name(selector, identity.name), RecordType.TXT, value, key=key),)
        case EasyDkim():
            return _aliases(identity, identity.slots, now, policy)
        case Replica(parent=parent):
            return _aliases(identity, parent.slots, now, policy)


def ed25519_records(identity: Identity, now: datetime, policy: Policy) -> tuple[ExpectedRecord, ...]:
    """The records that the second signature needs: a CNAME for each of its slots; none where none is made."""
    return _aliases(identity, identity.ed25519.slots, now, policy) if wants_ed25519(identity, policy) else ()


def _aliases(identity: Identity, slots: Slots, now: datetime, policy: Policy) -> tuple[ExpectedRecord, ...]:
    return tuple(
        ExpectedRecord(
            dkim_name(slot.token, identity.name),
            RecordType.CNAME,
            slot.owner,
            slot=slot.number,
            texts=_acceptable(slot, now, policy),
        )
        for slot in slots
    )


_REPLICATION_ERRORS: dict[ParentKind, ErrorType] = {
    ParentKind.NOT_THERE: ErrorType.REPLICATION_PRIMARY_NOT_FOUND,
    ParentKind.BYODKIM: ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED,
    ParentKind.REPLICA: ErrorType.REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED,
}


def without_parent(identity: Identity, setting: Setting, regions: tuple[str, ...]) -> CheckReport | None:
    """The report of a replica that has nothing to borrow from, or None where the DNS has to be asked."""
    match setting.method:
        case Replica(region=region) if region == identity.region or region not in regions:
            error = ErrorType.REPLICATION_PRIMARY_INVALID_REGION
        case Replica(denied=True):
            error = ErrorType.REPLICATION_ACCESS_DENIED
        case Replica(parent=Parent(kind=kind)) if kind in _REPLICATION_ERRORS:
            error = _REPLICATION_ERRORS[kind]
        case _:
            return None
    return CheckReport((), Check(Evidence.NEGATIVE, error), {})


def _acceptable(slot: KeySlot, now: datetime, policy: Policy) -> frozenset[bytes]:
    """The texts that prove a slot: of the active one its key alone, of the others also unexpired answers."""
    present = answer_of(slot, policy).text
    texts = {present} if present is not None else set()
    if slot.state is not SlotState.ACTIVE:
        texts |= {old.text for old in slot.earlier if old.until > now and old.text is not None}
    return frozenset(texts)


def classify(expected: ExpectedRecord, seen: Observation) -> Finding:
    """What one observation says about one expected record."""
    if seen.outcome is Outcome.BOGUS:
        return Finding.BOGUS
    if seen.outcome is Outcome.TEMPORARY:
        return Finding.TEMP
    if expected.type is RecordType.CNAME:
        return _classify_alias(expected, seen)
    if expected.is_mail_from:
        return _classify_mail_from(expected, seen)
    return _classify_text(expected, seen)


def _classify_mail_from(expected: ExpectedRecord, seen: Observation) -> Finding:
    """An MX, exactly one, or the one SPF record of a name that may have other texts."""
    if seen.outcome is Outcome.NXDOMAIN:
        return Finding.NXDOMAIN
    if seen.outcome is Outcome.ANSWER and seen.chain and not seen.names and not seen.texts:
        # The alias leads out of this server's zones; what stands at its end only a resolver tells.
        return Finding.TEMP
    fits = _mail_from_fits(expected, seen)
    if not fits:
        return Finding.NODATA
    return Finding.MATCH if fits == [True] else Finding.MISMATCH


def _mail_from_fits(expected: ExpectedRecord, seen: Observation) -> list[bool]:
    """Whether each MX, or each SPF record, that was seen is the one that should be there."""
    if expected.type is RecordType.MX:
        host = expected.value.partition(" ")[2]
        return [name.lower() == host for name in seen.names]
    return [includes(record, expected.spf_include) for record in spf_records(seen.texts)]


def is_mail_from_record(expected: ExpectedRecord, seen: Observation) -> bool:
    """Whether a record of a MAIL FROM domain is among what was seen, at whatever name."""
    return any(_mail_from_fits(expected, seen))


def _classify_alias(expected: ExpectedRecord, seen: Observation) -> Finding:
    if not seen.chain:
        return Finding.NXDOMAIN if seen.outcome is Outcome.NXDOMAIN else Finding.NODATA
    if seen.chain[-1].lower() != expected.value.lower():
        return Finding.MISMATCH
    if seen.question.type is RecordType.CNAME:
        return Finding.MATCH
    if seen.outcome is not Outcome.ANSWER or len(seen.texts) != 1:
        return Finding.OURS
    return Finding.MATCH if seen.texts[0] in expected.texts else Finding.OURS


def _classify_text(expected: ExpectedRecord, seen: Observation) -> Finding:
    if seen.outcome is Outcome.NXDOMAIN:
        return Finding.NXDOMAIN
    if seen.outcome is Outcome.NODATA or not seen.texts:
        return Finding.NODATA
    if len(seen.texts) != 1:
        return Finding.MISMATCH
    verdict = judge_byodkim(seen.texts[0])
    fits = isinstance(verdict, Accepted) and expected.key is not None and verdict.spki == expected.key.spki
    return Finding.MATCH if fits else Finding.MISMATCH


@dataclass(frozen=True, slots=True)
class RecordReport:
    """One expected record with what was seen of it."""

    expected: ExpectedRecord
    seen: tuple[Observation, ...]
    authorities: Finding
    vantages: Finding
    verdict: Finding

    def count(self, stage: Stage) -> tuple[int, int]:
        """How many were asked at a stage, and how many of them gave the expected record."""
        asked = [seen for seen in self.seen if seen.asked.stage is stage]
        return len(asked), sum(classify(self.expected, seen) is Finding.MATCH for seen in asked)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All records of one check, and what they come to."""

    records: tuple[RecordReport, ...]
    check: Check
    slot_texts: dict[int, bytes]
    """By slot number, the text that a resolver gave under the customer's own name."""
    zone: str | None = None
    """The apex of the zone whose own servers were asked."""
    left_out: str = ""
    """Why the domain's own servers, or some of them, were not asked."""
    troubles: frozenset[Trouble] = frozenset()
    """The same, for a diagnosis."""


def absent_at_authorities(expected: Sequence[ExpectedRecord], observations: Sequence[Observation]) -> bool:
    """Whether some record is definitively absent at every authority that answered.

    Resolvers are not asked then: our own early question would leave a negative answer in their caches.
    """
    return any(_at_authorities(record, observations) in ABSENT for record in expected)


def compare(
    expected: Sequence[ExpectedRecord], observations: Sequence[Observation], soa: SoaRecord | None = None
) -> CheckReport:
    """What the observations of both stages come to."""
    records = tuple(_report(record, observations) for record in expected)
    verdicts = [record.verdict for record in records]
    worst = next((finding for finding in _WORST_FIRST if finding in verdicts), None)
    absences = [o.negative_ttl for o in observations if _is_cached_absence(o)]
    negative = max((ttl for ttl in absences if ttl is not None), default=None)
    standing = [_standing(record) for record in records]
    check = Check(
        evidence=_evidence(verdicts),
        error_type=_ERRORS.get(worst) if worst else None,
        soa=soa,
        negative_ttl=None if negative is None else timedelta(seconds=negative),
        is_disputed=any(_is_disputed(record) for record in records),
        record_ttl=max((ttls[Finding.MATCH] for ttls in standing if Finding.MATCH in ttls), default=None),
        stale_ttl=max(
            (ttls[Finding.MISMATCH] for ttls in standing if Finding.MISMATCH in ttls), default=None
        ),
    )
    return CheckReport(records, check, _slot_texts(records))


def _is_disputed(record: RecordReport) -> bool:
    return record.verdict in DEFINITIVE and record.count(Stage.VANTAGE)[1] > 0


def _standing(record: RecordReport) -> dict[Finding, int]:
    """The TTLs, in seconds, of what stands in a record's place, right or wrong.

    The authorities know; a resolver, which may repeat what stood before, is heard where they are silent.
    """
    silent = record.authorities is Finding.NOT_ASKED or all(
        seen.outcome in (Outcome.TEMPORARY, Outcome.BOGUS)
        for seen in record.seen
        if seen.asked.stage is Stage.AUTHORITY
    )
    at = Stage.VANTAGE if silent else Stage.AUTHORITY
    told: dict[Finding, int] = {}
    for seen in record.seen:
        if seen.asked.stage is at and seen.ttl is not None:
            finding = classify(record.expected, seen)
            told[finding] = max(seen.ttl, told.get(finding, 0))
    return told


def _is_cached_absence(seen: Observation) -> bool:
    return seen.asked.stage is Stage.VANTAGE and seen.outcome in (Outcome.NXDOMAIN, Outcome.NODATA)


def _evidence(verdicts: Sequence[Finding]) -> Evidence:
    if verdicts and all(verdict is Finding.MATCH for verdict in verdicts):
        return Evidence.POSITIVE
    if Finding.OURS in verdicts:
        return Evidence.OURS
    if any(verdict in DEFINITIVE for verdict in verdicts):
        return Evidence.NEGATIVE
    return Evidence.TEMPORARY


def _report(record: ExpectedRecord, observations: Sequence[Observation]) -> RecordReport:
    seen = tuple(o for o in observations if record.is_told_by(o))
    authorities = _at_authorities(record, seen)
    looks = [o for o in seen if o.asked.stage is Stage.VANTAGE]
    own = [classify(record, o) for o in looks if not o.asked.is_remote]
    remote = [classify(record, o) for o in looks if o.asked.is_remote]
    vantages = _quorum(own, remote, authorities)
    return RecordReport(record, seen, authorities, vantages, _verdict(authorities, vantages))


def _at_authorities(record: ExpectedRecord, observations: Sequence[Observation]) -> Finding:
    """The word of the authorities: the first that is reachable decides, unless another one disagrees."""
    votes = {
        classify(record, o) for o in observations if record.is_told_by(o) and o.asked.stage is Stage.AUTHORITY
    }
    reachable = votes - {Finding.TEMP, Finding.BOGUS}
    if not votes:
        return Finding.NOT_ASKED
    if not reachable:
        return Finding.TEMP
    if Finding.MATCH in reachable and len(reachable) > 1:
        return Finding.TEMP
    return next(finding for finding in (*_WORST_FIRST, Finding.MATCH) if finding in reachable)


def dissent_allowed(vantages: int) -> int:
    """How many of so many vantages may say otherwise: one of two to five, two of six or more."""
    return 0 if vantages < 2 else 1 if vantages <= 5 else 2


def _quorum(own: Sequence[Finding], remote: Sequence[Finding], authorities: Finding) -> Finding:
    """What all vantages come to.

    Dissent is silence, or an absence that all reachable authorities contradict; anything else blocks. Others'
    resolvers may block, but never prove: one of our own has to have seen the record.
    """
    votes = (*own, *remote)
    if not votes:
        return Finding.NOT_ASKED
    for blocking in (Finding.OURS, Finding.BOGUS, Finding.MISMATCH):
        if blocking in votes:
            return blocking
    dissent = [vote for vote in votes if vote is not Finding.MATCH]
    stale = [vote for vote in dissent if vote in ABSENT]
    is_proven = Finding.MATCH in own and len(dissent) <= dissent_allowed(len(votes))
    if is_proven and (not stale or authorities is Finding.MATCH):
        return Finding.MATCH
    return next((finding for finding in _WORST_FIRST if finding in dissent), Finding.TEMP)


def _verdict(authorities: Finding, vantages: Finding) -> Finding:
    """Both stages together: absence that a resolver reports and all authorities deny is a stale cache."""
    if vantages is Finding.NOT_ASKED:
        return Finding.TEMP if authorities in (Finding.MATCH, Finding.NOT_ASKED) else authorities
    if vantages in ABSENT and authorities is Finding.MATCH:
        return Finding.TEMP
    return vantages


def _slot_texts(records: Sequence[RecordReport]) -> dict[int, bytes]:
    return {
        record.expected.slot: seen.texts[0]
        for record in records
        for seen in record.seen
        if record.expected.slot is not None
        and seen.asked.stage is Stage.VANTAGE
        and seen.chain
        and seen.chain[-1].lower() == record.expected.value.lower()
        and len(seen.texts) == 1
    }
