"""Mistakes in a CNAME: at another name, with another value, of another type.

Rule: each rule takes a case and gives a diagnosis or None; a record that lies elsewhere is believed first
where it leads to our own target or holds our own key.
References: RFC 1034 §3.6.2; RFC 1035 §5.1.
"""

from __future__ import annotations

from mailseal.core.advice import Code, Severity
from mailseal.core.diagnosis_case import Case, Diagnosis, places_of
from mailseal.core.names import nobodys_name
from mailseal.core.observations import ENDLESS_ALIASES, Observation, Outcome, RecordType, Stage
from mailseal.core.providers import mail_service_of
from mailseal.core.verification import Finding, is_mail_from_record
from mailseal.dkim.keyrecord import Accepted, judge_byodkim

_PLACES = {
    "doubled": Code.DOUBLED_DOMAIN,
    "host_only": Code.HOST_ONLY,
    "no_underscore": Code.MISSING_UNDERSCORE,
    "elsewhere": Code.WRONG_ZONE,
}
_TYPOS_AT_MOST = 3


def misplaced(case: Case) -> Diagnosis | None:
    """The record, found at another name than its own."""
    if not case.is_absent or case.chain or case.texts:
        return None
    places = places_of(case.expected, case.facts)
    proofs = (_is_the_record,) if case.expected.is_mail_from else (_is_the_record, _is_some_record)
    for is_proof in proofs:
        for place, names in places.items():
            for name in names:
                seen = case.probed.best(name, case.expected.vantage_question.type)
                if seen is not None and is_proof(case, seen):
                    return _found_at(case, _PLACES[place], name)
    return None


def _found_at(case: Case, code: Code, name: str) -> Diagnosis:
    provider = case.provider
    habit = provider.on_names if provider and code is Code.DOUBLED_DOMAIN else ""
    return case.told(code, [name], expected=case.owner, write=case.short(case.owner), habit=habit)


def _is_the_record(case: Case, seen: Observation) -> bool:
    """Whether what stands there is meant to be this record: its target, or its key, however written."""
    if case.is_alias:
        value = case.expected.value.lower()
        return any(value in name.lower() for name in seen.chain) or any(
            value in text.decode("latin-1").lower() for text in seen.texts
        )
    if case.expected.is_mail_from:
        return is_mail_from_record(case.expected, seen)
    key = case.expected.key
    return key is not None and any(key_of(text) == key.spki for text in seen.texts)


def _is_some_record(case: Case, seen: Observation) -> bool:
    """A weaker proof: the name exists with something, and a name that nobody made does not."""
    nobody = case.probed.best(nobodys_name(case.facts.domain), RecordType.TXT)
    if nobody is None or nobody.outcome is not Outcome.NXDOMAIN:
        return False
    # What stands at every place where such a record lands is a wildcard's.
    names = [name for each in places_of(case.expected, case.facts).values() for name in each]
    told = [case.probed.best(name, seen.question.type) for name in names]
    return _exists(seen) and any(one is not None and not _exists(one) for one in told)


def _exists(seen: Observation) -> bool:
    return seen.outcome is not Outcome.NXDOMAIN or bool(seen.chain)


def loop(case: Case) -> Diagnosis | None:
    """Aliases that come back to where they began, or are too many to follow."""
    hops = {o.question.name: o.chain[0] for o in case.probed.observations if o.chain}
    hops |= {case.owner: case.chain[0]} if case.chain else {}
    endless = [o for o in case.all_seen if ENDLESS_ALIASES in o.detail]
    way = [case.owner]
    while (following := hops.get(way[-1])) is not None:
        if following in way:
            return case.told(Code.LOOP, [f"CNAME  {name}" for name in (*way[1:], following)])
        way.append(following)
    for seen in endless:
        if len(set(seen.chain)) == len(seen.chain) and case.owner not in seen.chain and len(seen.chain) > 1:
            return case.told(
                Code.CHAIN,
                [f"CNAME  {seen.chain[0]}"],
                detail="There are more than 8 aliases.",
                severity=Severity.FAULT,
            )
    if endless:
        return case.told(Code.LOOP, [f"CNAME  {name}" for name in case.chain[:1]])
    return None


def target_form(case: Case) -> Diagnosis | None:
    """The right value, with something around it."""
    if not case.is_alias:
        return None
    # A wildcard may lead on from a target that does not exist: it need not be the last.
    forms = [(wrapped(case.expected.value.lower(), name.lower()), name) for name in case.chain]
    form, target = next(((form, name) for form, name in forms if form), (None, ""))
    provider = case.provider
    if form is None:
        return None
    is_suffixed = form is Code.TARGET_SUFFIXED
    return case.told(
        form,
        [f"CNAME  {target}"],
        write=f"{case.expected.value}." if is_suffixed else case.expected.value,
        habit=provider.on_targets if provider and is_suffixed else "",
    )


def wrapped(value: str, target: str) -> Code | None:
    """What a target has around the value that it should be; None where it does not hold that."""
    if value not in target or target == value:
        return None
    if '\\"' in target:
        return Code.TARGET_QUOTED
    if "://" in target or target.startswith(("http:", "https:")):
        return Code.TARGET_URL
    return Code.TARGET_SUFFIXED if target.startswith(f"{value}.") else None


def other_target(case: Case) -> Diagnosis | None:
    """A value that is another one: of ours, somebody's of ours, or not ours."""
    if not case.is_alias or not case.chain or case.target == case.expected.value.lower():
        return None
    if case.record.verdict is not Finding.MISMATCH:
        return None
    seen = [f"CNAME  {case.chain[-1]}"]
    if case.target in {record.value.lower() for record in case.beside}:
        return case.told(Code.WRONG_TOKEN, seen, detail="That is the value of another record of this domain.")
    if case.target in case.facts.known_targets:
        return case.told(Code.OLD_TOKEN, seen)
    service = mail_service_of(case.target)
    if case.facts.is_ours(case.target) or (not service and _is_typo(case)):
        return case.told(Code.WRONG_TOKEN, seen, detail="Characters are missing or wrong in it.")
    return case.told(Code.OTHER_PROVIDER, seen, detail=f"That is a name of {service}." if service else "")


def _is_typo(case: Case) -> bool:
    value = case.expected.value.lower()
    return case.target.partition(".")[0] == value.partition(".")[0] or is_slip(case.target, value)


def is_slip(text: str, wanted: str) -> bool:
    """Whether so few characters differ that it is a slip of the hand."""
    return _distance(text, wanted, _TYPOS_AT_MOST) <= _TYPOS_AT_MOST


def _distance(one: str, other: str, at_most: int) -> int:
    """How many characters differ, are missing or too many (Levenshtein), counted to `at_most` + 1."""
    if abs(len(one) - len(other)) > at_most:
        return at_most + 1
    row = list(range(len(other) + 1))
    for place, character in enumerate(one, 1):
        above, row = row, [place]
        for at, wanted in enumerate(other, 1):
            row.append(min(above[at] + 1, row[-1] + 1, above[at - 1] + (character != wanted)))
    return row[-1]


def other_type(case: Case) -> Diagnosis | None:
    """Something of another type at the very name."""
    if not case.is_alias or case.chain or not case.name_exists:
        return None
    told = [f"TXT  {text.decode('latin-1')}" for text in case.texts]
    if any(_is_key(text) for text in case.texts):
        own = {key_of(text) for record in case.beside for text in record.texts} - {None}
        detail = "" if own & {key_of(text) for text in case.texts} else "It is not the present key."
        return case.told(Code.KEY_PASTED, told, detail=detail)
    if any(case.expected.value.lower() in text.decode("latin-1").lower() for text in case.texts):
        return case.told(Code.TXT_INSTEAD, told)
    addresses = [
        address
        for rtype in (RecordType.A, RecordType.AAAA)
        for o in case.probed.at(case.owner, rtype)
        for address in o.addresses
    ]
    if addresses:
        habit = case.provider.on_proxies if case.provider else ""
        return case.told(Code.FLATTENED, [f"address  {one}" for one in addresses], habit=habit)
    return None


def missing(case: Case) -> Diagnosis | None:
    """Nothing at all, neither at its name nor where such records often lie."""
    if not case.is_absent:
        return None
    # Where all was asked of the authorities and nobody outside could be, it is still not there.
    return case.told(
        Code.RECORD_MISSING,
        [f"{o.asked.server}  {o.rcode}" for o in case.seen_by(Stage.AUTHORITY)],
        expected=f"{case.expected.type}  {case.expected.value}",
        write=case.short(case.owner),
        habit=case.provider.on_names if case.provider else "",
    )


def _is_key(text: bytes) -> bool:
    return b"p=" in text and (b"MI" in text or b"DKIM1" in text)


def key_of(text: bytes) -> bytes | None:
    """The key of a text that every verifier takes for a key record, else None."""
    verdict = judge_byodkim(text)
    return verdict.spki if isinstance(verdict, Accepted) else None


def chain_warning(case: Case) -> Diagnosis | None:
    """A right record that goes through aliases of others."""
    if not case.is_alias or len(case.chain) < 2:
        return None
    return case.told(Code.CHAIN, [f"CNAME  {name}" for name in case.chain])


MEANT = (loop, target_form, other_type, other_target)
"""What stands at the record's own name."""
NOT_HERE = (misplaced, missing)
