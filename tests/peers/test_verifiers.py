"""Verifiers that we did not write have the last word on every signature we make."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailseal.core.commands import Attachment, Recipients, SimpleMessage, TextContent
from mailseal.core.compose import complete_raw, compose_simple
from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import generate_ed25519_key, generate_private_key
from mailseal.dkim.message import parse_message
from mailseal.dkim.sign import OVERSIGNED, Signer, SignOptions, sign
from tests.peers.verifiers import KINDS, Verifier, all_running, running, verify_by_all
from tests.properties.messages import messages

VECTORS = Path(__file__).parents[1] / "vectors"
KEYS = {bits: generate_private_key(bits) for bits in (1024, 2048)}
SIGNERS = {
    bits: Signer(f"k{bits}.example.com", "sel", key.sign_digest, bits // 8) for bits, key in KEYS.items()
}
RECORDS = {
    f"sel._domainkey.k{bits}.example.com": format_key_record(key.spki).decode() for bits, key in KEYS.items()
}
ED25519 = generate_ed25519_key()
BOTH_KNOWN_TO = {"dkimpy", "mailauth"}
ALL = [
    pytest.param(
        kind, id=kind.name, marks=[pytest.mark.needs_debian(*kind.debian), pytest.mark.needs_npm(*kind.npm)]
    )
    for kind in KINDS
]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
PHASES = [
    Phase.generate
]  # shrinking asks four programs thousands of times more; the failure is printed whole
TO_SOMEONE = b"From: a@example.com\r\nTo: b@example.org\r\n"
PLAIN = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"


@pytest.fixture(scope="module", params=ALL)
def verifier(request: pytest.FixtureRequest) -> Iterator[Verifier]:
    with running(request.param) as started:
        yield started


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[Verifier]]:
    with all_running() as started:
        yield started


def signed(raw: bytes, *bits: int, options: SignOptions | None = None) -> bytes:
    signers = [SIGNERS[each] for each in bits]
    return sign(parse_message(raw), signers, int(time.time()), options=options or SignOptions()) + raw


def all_pass(verifiers: list[Verifier], message: bytes, count: int = 1) -> None:
    said = verify_by_all(verifiers, message, RECORDS)
    assert said == {each.name: ["pass"] * count for each in verifiers}


def test_a_signature_passes_and_a_changed_message_or_key_does_not(verifier: Verifier) -> None:
    message = signed(PLAIN, 2048)
    assert verifier.verify(message, RECORDS) == ["pass"]
    assert verifier.verify(message.replace(b"body", b"Body"), RECORDS) != ["pass"]
    assert verifier.verify(message.replace(b"Subject: x", b"Subject: y"), RECORDS) != ["pass"]
    assert verifier.verify(message, {}) != ["pass"]
    other = {"sel._domainkey.k2048.example.com": RECORDS["sel._domainkey.k1024.example.com"]}
    assert verifier.verify(message, other) != ["pass"]


@pytest.mark.parametrize("header", list(Canonicalization))
@pytest.mark.parametrize("body", list(Canonicalization))
def test_two_signatures_pass_in_each_canonicalization(
    verifier: Verifier, header: Canonicalization, body: Canonicalization
) -> None:
    raw = b"From: a@example.com\r\nTo: b@example.org,\r\n\t c@example.org \r\n\r\n a  b\t\r\n \r\n\r\n"
    message = signed(raw, 1024, 2048, options=SignOptions(header=header, body=body))
    assert verifier.verify(message, RECORDS) == ["pass", "pass"]


def test_an_ed25519_signature_below_passes_where_it_is_known_and_never_hurts_the_rsa_one(
    verifier: Verifier,
) -> None:
    below = Signer("k2048.example.com", "ed", ED25519.sign_digest, 64, "ed25519-sha256")
    message = sign(parse_message(PLAIN), [SIGNERS[2048], below], int(time.time())) + PLAIN
    records = RECORDS | {"ed._domainkey.k2048.example.com": format_key_record(ED25519.spki).decode()}
    said = verifier.verify(message, records)
    assert said[0] == "pass"
    assert verifier.name not in BOTH_KNOWN_TO or said == ["pass", "pass"]
    # Its record may be missing: the RSA signature stands for itself.
    assert verifier.verify(message, RECORDS)[0] == "pass"
    assert verifier.verify(message.replace(b"body", b"Body"), records).count("pass") == 0


@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_second_field_of_an_oversigned_name_fails_everywhere(verifier: Verifier, name: bytes) -> None:
    message = signed(PLAIN, 1024)
    assert verifier.verify(name + b": added\r\n" + message, RECORDS) != ["pass"]
    assert verifier.verify(message.replace(b"\r\n\r\n", b"\r\n" + name + b": added\r\n\r\n", 1), RECORDS) != [
        "pass"
    ]


def test_the_rfcs_own_example_passes(verifier: Verifier) -> None:
    keys = json.loads((VECTORS / "dkim" / "rfc-keys.json").read_text())
    message = (VECTORS / "dkim" / "rfc6376-a2.eml").read_bytes()
    assert verifier.verify(message, keys) == ["pass"]


@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
@pytest.mark.parametrize("case", ["plain", "v_last", "t_s", "quoted", "k_upper", "h_sha1", "two_semi"])
def test_the_table_of_key_records_is_what_the_verifiers_say(case: str, verifiers: list[Verifier]) -> None:
    cases = json.loads((VECTORS / "key-record-matrix.json").read_text())["cases"]
    found = next(each for each in cases if each["case"] == case)
    published = base64.b64decode(cases[0]["record"].partition("p=")[2])
    record = found["record"].replace(
        base64.b64encode(published).decode(), base64.b64encode(KEYS[2048].spki).decode()
    )
    said = verify_by_all(verifiers, signed(PLAIN, 2048), {"sel._domainkey.k2048.example.com": record})
    assert all(words == ["pass"] for words in said.values()) is found["all_four_pass"]


def composed(
    subject: str, text: str, html: str | None, display: str, attachments: tuple[Attachment, ...] = ()
) -> bytes:
    content = SimpleMessage(
        TextContent(subject),
        TextContent(text),
        None if html is None else TextContent(html),
        attachments=attachments,
    )
    return compose_simple(
        content,
        from_address=f'"{display}" <a@example.com>' if display else "a@example.com",
        destination=Recipients(("b@example.org",)),
        reply_to=(),
        date="Mon, 23 Nov 2026 16:00:00 +0000",
        message_id="<1@mail.example>",
        boundary="=_boundary",
    )


TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200)
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters='"\\'), max_size=60
)


def check_generated(verifiers: list[Verifier], examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=SLOW, database=None)
    @given(
        messages(),
        st.sampled_from((1024, 2048)),
        st.sampled_from(Canonicalization),
        st.sampled_from(Canonicalization),
        st.booleans(),
    )
    def each_passes(
        raw: bytes, bits: int, header: Canonicalization, body: Canonicalization, as_raw_content: bool
    ) -> None:
        if as_raw_content:
            raw = complete_raw(raw, date="Mon, 23 Nov 2026 16:00:00 +0000", message_id="<1@mail.example>")
        all_pass(verifiers, signed(raw, bits, options=SignOptions(header=header, body=body)))

    each_passes()


ATTACHMENTS = st.builds(
    Attachment,
    content=st.binary(max_size=400),
    file_name=TEXTS,
    content_type=st.sampled_from((None, "image/png", "text/plain; charset=utf-8", "message/rfc822")),
    inline=st.booleans(),
    content_id=st.none() | st.from_regex(r"[!-;=?-~]{1,30}", fullmatch=True),
    description=st.none() | TEXTS,
    encoding=st.sampled_from((None, "BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT")),
)


def check_composed(verifiers: list[Verifier], examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=SLOW, database=None, phases=PHASES)
    @given(TEXTS, TEXTS, st.none() | TEXTS, NAMES, st.lists(ATTACHMENTS, max_size=3).map(tuple))
    def each_passes(
        subject: str, text: str, html: str | None, display: str, attachments: tuple[Attachment, ...]
    ) -> None:
        all_pass(verifiers, signed(composed(subject, text, html, display, attachments), 1024))

    each_passes()


@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_generated_messages_pass_in_all_four(verifiers: list[Verifier]) -> None:
    check_generated(verifiers, 80)


@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_composed_messages_pass_in_all_four(verifiers: list[Verifier]) -> None:
    check_composed(verifiers, 40)


@pytest.mark.suite_mail
@pytest.mark.timeout(3600)
@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_two_thousand_generated_messages_pass_in_all_four(verifiers: list[Verifier]) -> None:
    """The long form: MAILSEAL_MESSAGES=10000 ./dev test tests/peers/test_verifiers.py -m suite_mail."""
    count = int(os.environ.get("MAILSEAL_MESSAGES", "2000"))
    check_generated(verifiers, count * 4 // 5)
    check_composed(verifiers, count // 5)


ODDITIES = {
    "odd names": TO_SOMEONE + b"X!#$%&'*+/=?^_`{|}~: y\r\n-: z\r\n1: q\r\n\r\nbody\r\n",
    "a fold that looks like a field": TO_SOMEONE + b"X:\r\n y: z\r\n\r\nbody\r\n",
    "an empty subject": TO_SOMEONE + b"Subject:\r\n\r\nx\r\n",
    "a blank subject": TO_SOMEONE + b"Subject: \r\n\r\nx\r\n",
    "a fold after the colon": TO_SOMEONE + b"Subject: \r\n\t \tx\r\n\r\nx\r\n",
    "a blank before a fold": TO_SOMEONE + b"Subject: a \r\n b\r\n\r\nx\r\n",
    "repeated fields": TO_SOMEONE + b"Cc: a\r\nSubject: 1\r\nCC: c\r\nSubject: 2\r\ncc: d\r\n\r\nx\r\n",
    "no other field": b"From: a@example.com\r\n\r\nx\r\n",
    "the longest lines": TO_SOMEONE + b"Subject: " + b"x" * 989 + b"\r\n\r\n" + b"y" * 998 + b"\r\n",
    "a field of 60 KB": TO_SOMEONE + b"References:" + b" <1@example.com>\r\n" * 3300 + b"\r\nx\r\n",
    "300 signed fields": TO_SOMEONE + b"References: x\r\n" * 300 + b"\r\nx\r\n",
    "900 fields": TO_SOMEONE + b"X: y\r\n" * 900 + b"\r\nx\r\n",
    "control characters": TO_SOMEONE + b"Subject: a\x01\x07\x1b\x1c\x1d\x1e\x1f\x7f b\r\n\r\nx\r\n",
    "octets from 128": TO_SOMEONE + b"Subject: a" + bytes(range(128, 256)) + b"\r\n\r\nx\r\n",
    "every octet in the body": TO_SOMEONE + b"\r\n" + bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n",
    "tabs and form feeds in the body": TO_SOMEONE + b"\r\na\x0b \x0c\r\n\x0c\r\n \x0b\r\n\t\ta\t \r\n",
    "an empty body": TO_SOMEONE + b"\r\n",
    "a body of blanks": TO_SOMEONE + b"\r\n \r\n\t\r\n",
    "a body of empty lines": TO_SOMEONE + b"\r\n" + b"\r\n" * 5000,
    "an encoded-word with a line feed": TO_SOMEONE + b"Subject: =?utf-8?q?=0A?=\r\n\r\nx\r\n",
    "tags in a subject": TO_SOMEONE + b"Subject: b=abc; d=evil.example; v=2\r\n\r\nx\r\n",
    "three megabytes": TO_SOMEONE + b"\r\n" + (b"x" * 76 + b"\r\n") * 40_000,
}


@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
@pytest.mark.parametrize("name", ODDITIES)
def test_odd_messages_that_we_sign_pass_in_all_four(verifiers: list[Verifier], name: str) -> None:
    for header in Canonicalization:
        for body in Canonicalization:
            options = SignOptions(header=header, body=body)
            all_pass(verifiers, signed(ODDITIES[name], 2048, options=options))


def test_our_signature_passes_above_a_worthless_one_of_the_senders(verifier: Verifier) -> None:
    theirs = b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=y; h=from; bh=AAAA; b=AAAA\r\n"
    assert verifier.verify(signed(theirs + PLAIN, 1024), RECORDS)[0] == "pass"


@pytest.mark.needs_debian("opendkim", "libmail-dkim-perl")
@pytest.mark.needs_npm("mailauth")
def test_a_raw_message_with_unix_line_ends_passes_once_completed(verifiers: list[Verifier]) -> None:
    raw = complete_raw(b"From: a@example.com\nBcc: x@y\n\nbody\n\n", date="x", message_id="<1>")
    all_pass(verifiers, signed(raw, 2048))
