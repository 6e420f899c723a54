"""Mistakes that are not in the record but around it: servers, delegation, DNSSEC, caches, and our own zone.

Rule: each rule takes a case and gives a diagnosis or None; a fault of our own zone is looked for first, so
that nobody else is told of it.
References: RFC 1034 §4.2.1; RFC 2308 §5; RFC 4592 §2.2; RFC 8020 §2; RFC 8914 §4.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailseal.core.advice import Code, Severity
from mailseal.core.diagnosis_case import UNUSABLE, Case, Diagnosis
from mailseal.core.names import above_selectors, nobodys_name
from mailseal.core.observations import Observation, Outcome, RecordType, Stage, Trouble
from mailseal.core.providers import is_parked
from mailseal.core.verification import ABSENT, DEFINITIVE, Finding, classify


def our_zone(case: Case) -> Diagnosis | None:
    """The CNAME is right and what stands in our own zone did not come."""
    if case.record.verdict is Finding.OURS or (_alias_is_right(case) and _our_name_fails(case)):
        why = next((o.detail for o in case.record.seen if o.asked.stage is Stage.VANTAGE and o.detail), "")
        return case.told(Code.OUR_ZONE, [f"CNAME  {case.expected.value}"], detail=why)
    return None


def _alias_is_right(case: Case) -> bool:
    value = case.expected.value.lower()
    failed = case.record.verdict in (Finding.TEMP, Finding.BOGUS)
    return case.is_alias and failed and any(o.chain and o.chain[-1].lower() == value for o in case.all_seen)


def _our_name_fails(case: Case) -> bool:
    """Whether our own name, asked for by itself, does not give what it should."""
    asked = [o for o in case.probed.observations if o.question.name == case.expected.value]
    return bool(asked) and not any(
        o.outcome is Outcome.ANSWER and len(o.texts) == 1 and o.texts[0] in case.expected.texts for o in asked
    )


def domain_expired(case: Case) -> Diagnosis | None:
    """The registry knows no such domain, or sends everybody to a parking page."""
    domain, facts = case.facts.domain, case.facts
    seen = case.probed.best(domain, RecordType.SOA)
    if seen is not None and seen.outcome is Outcome.NXDOMAIN and facts.is_suffix(seen.zone):
        return case.told(Code.DOMAIN_EXPIRED, [f"{domain}  NXDOMAIN"], expected=f"a delegation of {domain}")
    if is_parked(case.servers):
        return case.told(Code.DOMAIN_EXPIRED, case.servers, expected="name servers of your own")
    return None


def apex_cname(case: Case) -> Diagnosis | None:
    """The domain itself is a CNAME where it must not be one: at the top of its zone."""
    domain = case.facts.domain
    seen = case.probed.best(domain, RecordType.CNAME)
    if seen is None or not seen.chain or case.facts.zone not in (None, domain):
        return None
    return case.told(Code.APEX_CNAME, [f"{domain}  CNAME  {seen.chain[0]}"], expected=f"{domain}  no CNAME")


def subdelegated(case: Case) -> Diagnosis | None:
    """Everything below `_domainkey` belongs to other servers, and these have not got the record."""
    above = above_selectors(case.facts.domain)
    named = [name for o in case.probed.at(above, RecordType.NS) for name in o.names]
    told = [o for o in case.seen_by(Stage.AUTHORITY) if o.zone == above or o.trouble is Trouble.DELEGATED]
    if not named and not told:
        return None
    servers = named or [o.asked.server for o in told]
    return case.told(Code.SUBDELEGATED, [f"{above}  NS  {server}" for server in servers])


def bogus(case: Case) -> Diagnosis | None:
    """A validating resolver does not believe the domain."""
    told = [o for o in case.seen_by(Stage.VANTAGE) if o.outcome is Outcome.BOGUS]
    told += [o for o in case.probed.observations if o.outcome is Outcome.BOGUS]
    if not told or case.record.verdict not in (Finding.BOGUS, Finding.TEMP):
        return None
    said = [f"{o.asked.server}: {o.detail}" for o in told]
    return case.told(Code.DNSSEC_BOGUS, said[:2], expected="signatures that hold, or no DS record at all")


def parent_mismatch(case: Case) -> Diagnosis | None:
    """The registry sends everybody to servers without the record; those that the zone names have it."""
    found = parents_and_childs(case)
    told = [classify(case.expected, o) for o in case.seen_by(Stage.AUTHORITY)]
    return found if Finding.MATCH in told else None


def parents_and_childs(case: Case) -> Diagnosis | None:
    """Servers that the registry names and the zone does not, none of which has the record."""
    zone = case.facts.zone
    told = [(*o.asked.server.partition(" ")[::2], o) for o in case.seen_by(Stage.AUTHORITY)]
    if zone is None or case.record.verdict is Finding.MATCH:
        return None
    named = {name for o in case.probed.at(zone, RecordType.NS) for name in o.names}
    shared = {address for name, address, _ in told if name in named}
    registry = [(name, o) for name, address, o in told if name not in named and address not in shared]
    if not named or not registry or any(classify(case.expected, o) not in ABSENT for _, o in registry):
        return None
    seen = [
        f"registry  {', '.join(sorted({name for name, _ in registry}))}",
        f"zone  {', '.join(sorted(named))}",
    ]
    return case.told(Code.PARENT_MISMATCH, seen, expected="the same name servers in both")


def wildcard(case: Case) -> Diagnosis | None:
    """What answers at the record's name answers at any name."""
    nobody = nobodys_name(case.facts.domain)
    for rtype in (RecordType.TXT, RecordType.A):
        anywhere = case.probed.best(nobody, rtype)
        if anywhere is None or (anywhere.outcome is Outcome.NXDOMAIN and not anywhere.chain):
            continue
        here = [o for o in case.all_seen if o.question.type in (rtype, RecordType.CNAME)]
        if any(_answers_alike(o, anywhere) for o in here):
            values = [*(f"CNAME  {name}" for name in anywhere.chain[:1]), *anywhere.addresses]
            values += [f"TXT  {text.decode('latin-1')}" for text in anywhere.texts]
            return case.told(Code.WILDCARD, [f"{nobody}  {value}" for value in values])
    return None


def _answers_alike(here: Observation, anywhere: Observation) -> bool:
    if here.chain and anywhere.chain:
        return here.chain[0] == anywhere.chain[0]
    same_texts = bool(here.texts) and here.texts == anywhere.texts
    return same_texts or (bool(here.addresses) and set(here.addresses) == set(anywhere.addresses))


def ns_disagree(case: Case) -> Diagnosis | None:
    """One of the domain's servers has the record and another has not."""
    told = [(classify(case.expected, o), o) for o in case.seen_by(Stage.AUTHORITY)]
    kinds = {finding for finding, _ in told}
    if Finding.MATCH not in kinds or not kinds & DEFINITIVE:
        return None
    seen = [f"{o.asked.server}  {_word(finding)}{_serial(o)}" for finding, o in told]
    seen_right = case.record.verdict is Finding.MATCH
    return case.told(Code.NS_DISAGREE, seen, severity=Severity.WARNING if seen_right else None)


def _word(finding: Finding) -> str:
    if finding is Finding.MATCH:
        return "right"
    return "not there" if finding in ABSENT else "another value" if finding in DEFINITIVE else "no answer"


def _serial(seen: Observation) -> str:
    return f", serial {seen.soa.serial}" if seen.soa is not None else ""


def denied_above(case: Case) -> Diagnosis | None:
    """The server has the record and says of the name above it that it does not exist."""
    if case.record.authorities is not Finding.MATCH or not _absent_outside(case):
        return None
    above = above_selectors(case.facts.domain)
    told = [o for o in case.probed.at(above, RecordType.NS) if o.asked.stage is Stage.AUTHORITY]
    if not any(o.outcome is Outcome.NXDOMAIN for o in told):
        return None
    return case.told(Code.ENT_NXDOMAIN, [f"{above}  NXDOMAIN"], expected=f"{above}  NOERROR, without records")


def stale_negative(case: Case) -> Diagnosis | None:
    """The authorities have it; a resolver still gives what it remembers."""
    if case.record.authorities is not Finding.MATCH:
        return None
    older = [o for o in case.seen_by(Stage.VANTAGE) if classify(case.expected, o) in DEFINITIVE]
    if not older:
        return None
    left = max((o.negative_ttl if o.negative_ttl is not None else o.ttl or 0) for o in older)
    seen = [f"{o.asked.server}  {_word(classify(case.expected, o))}" for o in older]
    detail = f"It forgets that within {left} s." if left else ""
    return case.told(Code.STALE_NEGATIVE, seen, detail=detail, severity=Severity.WAIT)


def split_horizon(case: Case) -> Diagnosis | None:
    """Some resolvers see the record and others do not, and the authorities that we reach have not got it."""
    told = [(classify(case.expected, o), o) for o in case.seen_by(Stage.VANTAGE)]
    kinds = {finding for finding, _ in told}
    if Finding.MATCH not in kinds or not kinds & ABSENT:
        return None
    return case.told(Code.SPLIT_HORIZON, [f"{o.asked.server}  {_word(finding)}" for finding, o in told])


def _absent_outside(case: Case) -> bool:
    return any(classify(case.expected, o) in ABSENT for o in case.seen_by(Stage.VANTAGE))


def broken_servers(case: Case) -> Diagnosis | None:
    """None of the domain's servers gives an answer to go by."""
    if case.record.verdict is not Finding.TEMP or not _outside_works(case):
        return None
    asked = case.seen_by(Stage.AUTHORITY)
    left_out = case.facts.left_out
    if any(o.outcome not in UNUSABLE for o in asked):
        return None
    if Trouble.NOT_PUBLIC in case.facts.troubles:
        return case.told(Code.NS_PRIVATE, left_out.split("; "), expected="public addresses")
    lame = [o for o in asked if o.rcode or o.trouble is Trouble.LAME]
    if lame or (not asked and Trouble.LAME in case.facts.troubles):
        return case.told(
            Code.LAME, _servers(lame) or [left_out], expected="an authoritative answer from each"
        )
    silent = _servers(asked) or [left_out]
    silent += [f"{o.asked.server}  {o.detail}" for o in case.seen_by(Stage.VANTAGE)]
    return case.told(Code.NS_DEAD, silent, expected="an answer from each")


def _servers(observations: Sequence[Observation]) -> list[str]:
    return [f"{o.asked.server}  {o.rcode or 'no answer'}" for o in observations]


def _outside_works(case: Case) -> bool:
    """Whether a resolver answered anything at all about our own zone: else the fault may be our network."""
    ours = case.facts.our_zones
    return any(
        o.outcome not in UNUSABLE and (o.question.name in ours or case.facts.is_ours(o.question.name))
        for o in case.probed.observations
        if o.asked.stage is Stage.VANTAGE
    )


AROUND = (our_zone, domain_expired, apex_cname, subdelegated, bogus, parent_mismatch, wildcard)
BETWEEN = (ns_disagree, denied_above, stale_negative, split_horizon)
