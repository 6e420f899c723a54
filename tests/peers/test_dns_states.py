"""No false SUCCESS: whatever stands in the DNS, a satisfied check means that mail verifies everywhere.

The states are the right one, changed at random; the oracle is four verifiers that are not ours, given the
text that a receiver would fetch. `MAILSEAL_STATES=50000 ./dev test -m suite_dns -k states` tries more.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailseal.core.keys import KeyRef
from mailseal.core.lifecycle import Evidence
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.core.verification import ExpectedRecord, compare
from mailseal.dkim.keyrecord import Accepted, format_key_record, judge_byodkim
from mailseal.dkim.message import parse_message
from mailseal.dkim.sign import Signer, sign
from tests.fakes import pooled_key
from tests.peers.verifiers import Verifier, all_running, verify_by_all

STATES = int(os.environ.get("MAILSEAL_STATES", "3000"))
VECTORS = Path(__file__).parents[1] / "vectors"
KEY, OTHER = pooled_key(0), pooled_key(1)
OWNER = "s1._domainkey.example.com"
TARGET = "token1.dkim.mx.example.net"
RIGHT = format_key_record(KEY.spki)
PLAIN = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
SEED = "20261123"

Texts = tuple[bytes, ...]
Change = Callable[[random.Random, bytes], bytes]


def byodkim(spki: bytes = KEY.spki) -> ExpectedRecord:
    reference = KeyRef("key", 2048, spki)
    return ExpectedRecord(OWNER, RecordType.TXT, RIGHT.decode(), key=reference)


def easy() -> ExpectedRecord:
    return ExpectedRecord(OWNER, RecordType.CNAME, TARGET, slot=1, texts=frozenset({RIGHT}))


def evidence(expected: ExpectedRecord, chain: tuple[str, ...], texts: Texts) -> Evidence:
    """What a check comes to when a resolver sees this."""
    outcome = Outcome.ANSWER if texts else Outcome.NXDOMAIN
    asked = Asked(Stage.VANTAGE, "udp://127.0.0.1:53")
    seen = Observation(
        Question(OWNER, RecordType.TXT), asked, outcome, rcode="NOERROR", chain=chain, texts=texts
    )
    return compare([expected], [seen]).check.evidence


def _a_byte(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes((chance.randrange(256),)) + text[at + 1 :]


def _gone(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randint(1, 3) :]


def _added(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text) + 1)
    piece = chance.choice([b" ", b"\t", b";", b'"', b"\\", b"=", b"p=", b"\xc2\xa0", b",", b"-", b"\r\n "])
    return text[:at] + piece + text[at:]


def _tag(chance: random.Random, text: bytes) -> bytes:
    tags = "v=DKIM1 v=dkim1 v=DKIM2 k=rsa k=RSA k=ed25519 t=y t=s t=y:s s=email s=* s=web h=sha256 g=* g=x"
    tag = chance.choice(tags.split()).encode()
    first = chance.random() < 0.5
    between = chance.choice([b";", b"; ", b" ;", b";;", b","])
    return tag + between + text if first else text.rstrip(b";") + between + tag


def _cut(chance: random.Random, text: bytes) -> bytes:
    return text[: chance.choice([255, len(text) - 1, len(text) - 4, chance.randrange(len(text))])]


def _cased(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at : at + 1].swapcase() + text[at + 1 :]


CHANGES: tuple[Change, ...] = (_a_byte, _gone, _added, _tag, _cut, _cased)


def a_text(chance: random.Random, spellings: list[bytes]) -> bytes:
    text = chance.choice([RIGHT, RIGHT, format_key_record(OTHER.spki), chance.choice(spellings)])
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        text = chance.choice(CHANGES)(chance, text) or RIGHT
    return text


def spelt() -> list[tuple[bytes, bool]]:
    """The spellings of one key that were tried on all four, and whether all four took them."""
    cases = json.loads((VECTORS / "key-record-matrix.json").read_text())["cases"]
    return [(case["record"].encode(), bool(case["all_four_pass"])) for case in cases]


def own_spellings() -> list[bytes]:
    """The same with our key, where theirs stands in one piece."""
    theirs = spelt()[0][0].partition(b"p=")[2]
    return [text.replace(theirs, RIGHT.removeprefix(b"p=")) for text, _ in spelt() if theirs in text]


def everybody_verifies(verifiers: list[Verifier], text: bytes) -> bool:
    signer = Signer("example.com", "s1", KEY.sign_digest, 256)
    message = sign(parse_message(PLAIN), [signer], int(time.time())) + PLAIN
    said = verify_by_all(verifiers, message, {OWNER: text.decode("latin-1")})
    return all(results == ["pass"] for results in said.values())


@pytest.mark.suite_dns
@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_of_thousands_of_states_none_that_satisfies_a_check_fails_a_verifier() -> None:
    chance, satisfied = random.Random(f"states {SEED}"), 0
    spellings = own_spellings()
    chains = [
        (),
        (TARGET,),
        ("alias.example.org", TARGET),
        (f"{TARGET}.example.com",),
        ("elsewhere.example.org",),
    ]
    with all_running() as verifiers:
        for number in range(STATES):
            texts = tuple(
                a_text(chance, spellings) for _ in range(chance.choice([0, 1, 1, 1, 1, 1, 1, 1, 2]))
            )
            chain = chance.choice(chains)
            found = {evidence(byodkim(), chain, texts), evidence(easy(), chain, texts)}
            if Evidence.POSITIVE not in found:
                continue
            satisfied += 1
            assert len(texts) == 1, (number, texts)
            assert everybody_verifies(verifiers, texts[0]), (number, texts)
    assert satisfied > STATES // 20, "too few of the states are right for the test to mean anything"


@pytest.mark.suite_dns
@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_the_oracle_fails_where_a_record_is_not_the_right_one() -> None:
    with all_running() as verifiers:
        assert everybody_verifies(verifiers, RIGHT)
        assert not everybody_verifies(verifiers, format_key_record(OTHER.spki))
        assert not everybody_verifies(verifiers, RIGHT[:255])


def test_the_twenty_spellings_that_all_four_take_satisfy_a_check_and_no_other_does() -> None:
    plain = judge_byodkim(spelt()[0][0])
    assert isinstance(plain, Accepted)
    expected = byodkim(plain.spki)
    taken = [evidence(expected, (), (text,)) is Evidence.POSITIVE for text, _ in spelt()]
    assert taken == [unanimous for _, unanimous in spelt()]
    assert sum(taken) == 20
