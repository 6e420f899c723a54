"""The catalogue of mistakes, played by the sandbox's customers and named by a check that really asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailseal.core.advice import Code
from mailseal.core.observations import RecordType
from mailseal.core.verification import ExpectedRecord
from mailseal.sandbox.mistakes import known
from tests.unit.sandbox.mistaken import Domain, codes, tell

RIGHT = {Code.CHAIN, Code.CASE, Code.NS_DISAGREE, Code.TXT_UNUSUAL, Code.DMARC_STRICT}
EASY = [
    "APEX_CNAME CASE CHAIN DNSSEC_BOGUS DOMAIN_EXPIRED DOUBLED_DOMAIN ENT_NXDOMAIN FLATTENED",
    "HOST_ONLY KEY_PASTED LAME LOOP MISSING_UNDERSCORE NS_DEAD NS_DISAGREE NS_PRIVATE OLD_TOKEN",
    "OTHER_PROVIDER PARENT_MISMATCH RECORD_MISSING SPLIT_HORIZON STALE_NEGATIVE SUBDELEGATED",
    "TARGET_QUOTED TARGET_SUFFIXED TARGET_URL TXT_INSTEAD WILDCARD WRONG_TOKEN WRONG_ZONE",
]
OWN = [
    "BYO_CNAME_AWAY DNSSEC_BOGUS DOMAIN_EXPIRED DOUBLED_DOMAIN HOST_ONLY KEY_DIFFERENT KEY_REVOKED LAME",
    "MISSING_UNDERSCORE NS_DEAD NS_DISAGREE RECORD_MISSING STALE_NEGATIVE TXT_BAD_TAG TXT_ESCAPED",
    "TXT_MULTIPLE TXT_QUOTED TXT_TRUNCATED TXT_UNUSUAL WRONG_ZONE",
]


NOT_A_CUSTOMERS = {Code.OUR_ZONE: "a fault of the service: no owner of a domain can make it"}


def test_every_mistake_of_the_catalogue_can_be_played_but_for_those_with_a_reason() -> None:
    played = {Code(code) for code in " ".join([*EASY, *OWN]).split()} | {Code.DMARC_STRICT}
    easy, own = (
        known([ExpectedRecord("a._domainkey.example.com", kind, "x")])
        for kind in (RecordType.CNAME, RecordType.TXT)
    )
    assert set(easy) | set(own) == {code.value for code in played}
    assert set(Code) - played == set(NOT_A_CUSTOMERS)


@pytest.mark.parametrize("code", " ".join(EASY).split())
def test_each_mistake_with_three_cnames_is_named(tmp_path: Path, code: str) -> None:
    tell(tmp_path, lambda domain: _is_named(domain, Code(code), own_key=False))


@pytest.mark.parametrize("code", " ".join(OWN).split())
def test_each_mistake_with_an_own_key_is_named(tmp_path: Path, code: str) -> None:
    tell(tmp_path, lambda domain: _is_named(domain, Code(code), own_key=True))


async def _is_named(domain: Domain, code: Code, *, own_key: bool) -> None:
    await domain.create(own_key=own_key)
    await domain.mistake(code)
    found = await domain.check()
    if code is Code.CASE:
        assert codes(found) == set()
    else:
        assert codes(found) == {code}, found
    assert all(record["finding"] == "MATCH" for record in found["records"]) is (code in RIGHT)
