"""Mistakes in a key record that the domain's owner publishes: what stands there, and the first wrong byte.

Rule: what a record is worth is `judge_byodkim`'s to say; this only finds the name of the reason.
References: RFC 6376 §3.6.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from itertools import permutations

from mailseal.core.advice import Code
from mailseal.core.diagnosis_aliases import key_of
from mailseal.core.diagnosis_case import Case, Diagnosis
from mailseal.core.verification import Finding
from mailseal.dkim.keyrecord import Accepted, RefusedRecord, judge_byodkim

_JOINED_AT_MOST = 4
_FIRST_STRING = 255
_CODES = {
    "quoted": Code.TXT_QUOTED,
    "escaped": Code.TXT_ESCAPED,
    "damaged_key": Code.TXT_TRUNCATED,
    "revoked": Code.KEY_REVOKED,
}
_OFFENDING = {
    "not_ascii": rb"[^\x00-\x7f]",
    "escaped": rb"\\",
    "quoted": rb'"',
    "pem_lines": rb"-----BEGIN",
    "not_dkim": rb"v=spf1",
    "commas": rb",",
    "zone_line": rb"(?i)\b(?:TXT|IN)\b",
    "url_safe_base64": rb"(?<=[A-Za-z0-9+/])[-_]",
    "bad_version": rb"(?i)v\s*=\s*\S",
    "bad_key_type": rb"(?i)k\s*=\s*\S",
    "granularity": rb"g\s*=",
    "hash_excluded": rb"h\s*=",
    "service_excluded": rb"s\s*=",
    "revoked": rb"p\s*=",
    "pkcs1": rb"p\s*=\s*\S",
}
_ODD = {
    "version_not_first": "v= does not stand first.",
    "version_tag_in_capitals": "V= is written in capitals.",
    "test_mode": "t=y says that the key is only being tested: some receivers then ignore the signature.",
    "missing_padding": "The key lacks the = signs at its end.",
}


def texts(case: Case) -> Diagnosis | None:
    """What is wrong with the text, or with there being several."""
    if case.is_alias or case.record.verdict is not Finding.MISMATCH or not case.texts:
        return None
    told = [f"TXT  {text.decode('latin-1')}" for text in case.texts]
    if any(len(seen.texts) > 1 for seen in case.record.seen):
        return case.told(Code.TXT_MULTIPLE, told, detail=_joined(case))
    for text in case.texts:
        verdict = judge_byodkim(text)
        if isinstance(verdict, RefusedRecord):
            return _refused(case, text, verdict, told)
        if case.expected.key is not None and verdict.spki != case.expected.key.spki:
            return case.told(Code.KEY_DIFFERENT, told, detail="It is a good key of somebody's, not this one.")
    return None


def _refused(case: Case, text: bytes, verdict: RefusedRecord, told: Sequence[str]) -> Diagnosis:
    code = _CODES.get(verdict.code, Code.TXT_BAD_TAG)
    if verdict.code == "weak_key":
        code = Code.KEY_DIFFERENT
    return case.told(code, told, detail=f"{verdict.sentence} {_place(case, text, verdict)}".rstrip())


def _place(case: Case, text: bytes, verdict: RefusedRecord) -> str:
    """Where the first wrong byte stands, counted from 0."""
    if verdict.code == "damaged_key":
        return _cut_off(case, text)
    found = re.search(_OFFENDING.get(verdict.code, rb"\Z."), text)
    return "" if found is None else f"The first wrong byte is at {found.start()}."


def _cut_off(case: Case, text: bytes) -> str:
    """How far the key is the right one."""
    if case.expected.key is None:
        return ""
    own = base64.b64encode(case.expected.key.spki)
    start = text.find(b"p=") + 2
    there = b"".join(text[start:].split(b";")[0].split())
    same = next((at for at, (one, other) in enumerate(zip(there, own, strict=False)) if one != other), None)
    if same is not None:
        return f"It differs from byte {start + same} on."
    cut = len(text) == _FIRST_STRING
    why = " One string of a TXT holds 255; the rest belongs into a second." if cut else ""
    return f"It ends after {len(there)} of {len(own)} characters.{why}"


def _joined(case: Case) -> str:
    """Whether the texts are one key record cut into several records."""
    pieces = case.texts[:_JOINED_AT_MOST]
    key = case.expected.key
    if key is None:
        return ""
    if any(key_of(piece) == key.spki for piece in pieces):
        return "One of them is right: remove the others."
    if any(key_of(b"".join(order)) == key.spki for order in permutations(pieces)):
        return "They are one value split into several records: it has to be one record."
    return ""


def moved_away(case: Case) -> Diagnosis | None:
    """A selector that is a CNAME, at whose end there is not the key."""
    if case.is_alias or not case.chain or case.record.verdict is Finding.MATCH:
        return None
    return case.told(Code.BYO_CNAME_AWAY, [f"CNAME  {name}" for name in case.chain])


def unusual(case: Case) -> Diagnosis | None:
    """A record that every verifier takes, with something worth tidying up."""
    if case.is_alias or len(case.texts) != 1:
        return None
    verdict = judge_byodkim(case.texts[0])
    odd = [_ODD.get(one, one) for one in verdict.warnings] if isinstance(verdict, Accepted) else []
    return case.told(Code.TXT_UNUSUAL, detail=" ".join(odd)) if odd else None


TEXTS = (moved_away, texts)
