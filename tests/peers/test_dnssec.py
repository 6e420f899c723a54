"""A customer's zone that BIND's tools signed, well or badly, behind NSD and a validating Unbound."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailseal.core.lifecycle import Check, ErrorType, Evidence
from mailseal.core.observations import Observation, Outcome, RecordType
from mailseal.core.verification import ExpectedRecord, compare
from mailseal.dkim.keyrecord import format_key_record
from mailseal.resolver.asking import DnsResolver
from tests.peers import dns_daemons
from tests.unit.core.scenes import key

ZONE = "signed.example.org"
KEY = key(1)
NAME = f"s1._domainkey.{ZONE}"
TEXT = format_key_record(KEY.spki).decode()
RECORD = ExpectedRecord(NAME, RecordType.TXT, TEXT, key=KEY)
DAY = timedelta(days=1)
VALIDATING = '  module-config: "validator iterator"\n'

pytestmark = [pytest.mark.suite_dns, pytest.mark.needs_debian("bind9-utils", "nsd", "unbound")]


def strings(text: str) -> str:
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def signed_zone(folder: Path, begins: timedelta, ends: timedelta) -> Path:
    """The zone, its signatures good from and to these distances from now."""
    plain, signed = folder / "plain.zone", folder / "signed.zone"
    plain.write_text(
        f"$TTL 60\n@ SOA ns.{ZONE}. admin.{ZONE}. 1 1 1 1 60\n@ NS ns.{ZONE}.\nns A 127.0.0.1\n"
        f"s1._domainkey TXT {strings(TEXT)}\n"
    )
    for more in ([], ["-f", "KSK"]):
        made = ["dnssec-keygen", "-q", "-K", folder, "-a", "ECDSAP256SHA256", *more, ZONE]
        subprocess.run(made, check=True, capture_output=True, timeout=30)
    now = datetime.now(UTC)
    times = [option for pair in zip(("-s", "-e"), (now + begins, now + ends), strict=True) for option in pair]
    stamps = [f"{one:%Y%m%d%H%M%S}" if isinstance(one, datetime) else one for one in times]
    command = ["dnssec-signzone", "-q", "-P", "-S", "-K", folder, *stamps, "-o", ZONE, "-f", signed, plain]
    subprocess.run(command, check=True, capture_output=True, timeout=30, cwd=folder)
    return signed


def changed(zone: str) -> str:
    """The zone with another key under the old signature."""
    at = zone.index("p=MII") + 40
    return zone[:at] + ("A" if zone[at] != "A" else "B") + zone[at + 1 :]


def as_it_is(zone: str) -> str:
    return zone


@dataclass(frozen=True)
class Case:
    """How the zone was signed, what became of it, and what a check comes to."""

    begins: timedelta
    ends: timedelta
    change: Callable[[str], str]
    outcome: Outcome
    evidence: Evidence
    word: str


CASES = {
    "good": Case(-DAY, 30 * DAY, as_it_is, Outcome.ANSWER, Evidence.POSITIVE, ""),
    "expired": Case(-30 * DAY, -10 * DAY, as_it_is, Outcome.BOGUS, Evidence.TEMPORARY, "dnssec"),
    "not yet valid": Case(10 * DAY, 30 * DAY, as_it_is, Outcome.BOGUS, Evidence.TEMPORARY, "dnssec"),
    "bogus": Case(-DAY, 30 * DAY, changed, Outcome.BOGUS, Evidence.TEMPORARY, "dnssec"),
}


def seen_through_unbound(folder: Path, case: Case) -> Observation:
    signed = signed_zone(folder, case.begins, case.ends)
    served = folder / "served.zone"
    served.write_text(case.change(signed.read_text()))
    with dns_daemons.nsd(folder, ZONE, served) as authority:
        anchor = f'  trust-anchor: "{dns_daemons.dnskeys(ZONE, authority)}"\n{VALIDATING}'
        with dns_daemons.unbound(folder, {ZONE: authority}, anchor) as port:
            resolver = DnsResolver([f"udp://127.0.0.1:{port}"])
            [seen] = asyncio.run(resolver.ask_vantages([RECORD.vantage_question]))
            return seen


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_only_a_record_whose_signature_holds_is_evidence(case: Case, tmp_path: Path) -> None:
    seen = seen_through_unbound(tmp_path, case)
    assert seen.outcome is case.outcome, seen
    assert seen.authenticated is (case.outcome is Outcome.ANSWER)
    assert case.word in seen.detail.lower()
    check: Check = compare([RECORD], [seen]).check
    assert check.evidence is case.evidence
    assert check.error_type is (None if case.evidence is Evidence.POSITIVE else ErrorType.DNS_SERVER_ERROR)
