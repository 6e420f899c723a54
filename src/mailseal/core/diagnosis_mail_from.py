"""Mistakes in the two records of a MAIL FROM domain: its one MX, and the SPF record that includes ours.

Rule: a case in and a diagnosis or None out, as everywhere; the facts are those of the domain above, for a
resolver that is asked about an absent name, or one below it, remembers the absence of the name itself.
References: RFC 5321 §5.1; RFC 7208 §4.5; RFC 7208 §5.1; RFC 7208 §5.2.
"""

from __future__ import annotations

import re

from mailseal.core.advice import Code
from mailseal.core.diagnosis_aliases import is_slip, wrapped
from mailseal.core.diagnosis_case import Case, Diagnosis
from mailseal.core.observations import RecordType
from mailseal.core.providers import mail_service_of
from mailseal.core.spf import includes, spf_records

_LOOKS_LIKE_SPF = re.compile(rb"\W{0,3}v\W{0,3}=\W{0,3}spf", re.IGNORECASE)
_ALL = re.compile(r" [-+~?]?all\Z", re.IGNORECASE)


def is_an_alias(case: Case) -> Diagnosis | None:
    """A CNAME at the name: beside it there can be nothing."""
    if not case.chain:
        return None
    service = mail_service_of(case.target)
    detail = f"That is a name of {service}. " if service else ""
    return case.told(
        Code.OTHER_PROVIDER,
        [f"CNAME  {case.chain[0]}"],
        detail=f"{detail}Beside a CNAME there can be no other record: remove it.",
    )


def mail_exchanger(case: Case) -> Diagnosis | None:
    """MX records that are not the one that should be there."""
    names = tuple(dict.fromkeys(name.lower() for seen in case.all_seen for name in seen.names))
    if case.expected.type is not RecordType.MX or not names:
        return None
    host, seen = case.expected.value.partition(" ")[2], [f"MX  {name}" for name in names]
    if len(names) > 1:
        detail = f"There are {len(names)}, and it has to be the only one."
        return case.told(Code.OTHER_PROVIDER, seen, detail=detail)
    form = wrapped(host, names[0])
    if form is not None:
        value = case.expected.value
        return case.told(form, seen, write=f"{value}." if form is Code.TARGET_SUFFIXED else value)
    service = mail_service_of(names[0])
    if not service and is_slip(names[0], host):
        return case.told(Code.WRONG_TOKEN, seen, detail="Characters are missing or wrong in it.")
    return case.told(Code.OTHER_PROVIDER, seen, detail=f"That is a name of {service}." if service else "")


def sender_policy(case: Case) -> Diagnosis | None:
    """Texts that are no SPF record, are several, or do not include our host."""
    wanted = case.expected.spf_include
    looks = [text for text in case.texts if _LOOKS_LIKE_SPF.match(text)]
    if not wanted or not looks:
        return None
    told = [f"TXT  {text.decode('latin-1')}" for text in looks]
    records = spf_records(looks)
    if len(records) > 1:
        return case.told(Code.TXT_MULTIPLE, told, detail="A name has one SPF record; put them together.")
    return _included(case, records[0], told) if records else _misspelt(case, looks[0], told)


def _misspelt(case: Case, text: bytes, told: list[str]) -> Diagnosis:
    """A text that is not taken for an SPF record at all."""
    wanted = case.expected.spf_include
    bare = text.replace(b"\\", b"").strip(b'" ')
    if b"\\" in text and includes(bare, wanted):
        return case.told(Code.TXT_ESCAPED, told, write=case.expected.value)
    if b'"' in text and includes(bare, wanted):
        return case.told(Code.TXT_QUOTED, told, write=case.expected.value)
    return case.told(Code.TXT_BAD_TAG, told, detail="It has to begin with v=spf1 and a blank.")


def _included(case: Case, record: bytes, told: list[str]) -> Diagnosis | None:
    """One SPF record that does not pass our hosts."""
    wanted, text = case.expected.spf_include, record.decode("latin-1")
    if includes(record, wanted):
        return None
    term = f"include:{wanted}"
    if term in text.lower().split():
        return case.told(Code.TXT_BAD_TAG, told, detail=f"{term} stands behind all, where nothing is read.")
    own = [one[len("include:") :] for one in text.lower().split() if one.startswith("include:")]
    if any(one and one != wanted and wanted.startswith(one) for one in own) or case.expected.value.startswith(
        text.rstrip()
    ):
        return case.told(Code.TXT_TRUNCATED, told, write=case.expected.value)
    if any(is_slip(one.removesuffix("."), wanted) for one in own):
        detail = "Characters are missing or wrong in its include."
        return case.told(Code.WRONG_TOKEN, told, write=case.expected.value, detail=detail)
    ending = _ALL.search(text)
    at = len(text) if ending is None else ending.start()
    write = f"{text[:at]} {term}{text[at:]}" if text.isprintable() else case.expected.value
    detail = f"It does not have {term}; what else stands in it may stay."
    return case.told(Code.OTHER_PROVIDER, told, write=write, detail=detail)


STANDING = (is_an_alias, mail_exchanger, sender_policy)
"""What stands at the MAIL FROM domain's own name."""
