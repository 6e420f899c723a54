"""Behind a real Postfix: what leaves it verifies everywhere, spoofs stay unsigned, errors of ours defer."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mailseal.milter.listen import Limits
from tests.peers.postfix import Postfix, running_postfix
from tests.peers.signing_milter import SigningMilter, running_milter
from tests.peers.test_verifiers import ODDITIES
from tests.peers.verifiers import Verifier, all_running, verify_by_all
from tests.properties.messages import messages
from tests.unit.milter.test_listen import AWAY, FAULTS
from tests.unit.service.scenes import MAIL

pytestmark = [
    pytest.mark.suite_mail,
    pytest.mark.timeout(240),
    pytest.mark.needs_debian("postfix", "opendkim", "libmail-dkim-perl"),
    pytest.mark.needs_npm("mailauth"),
]
UNHEARD = MAIL.replace(b"From: news@", b"From: unheard@")
"""Of a sender that nothing is remembered of."""
OUTSIDE = "192.0.2.7"
ADDED = (b"From: evil@example.org\r\n", b"Subject: added\r\n", b"Date: Mon, 23 Nov 2026 15:00:00 +0000\r\n")


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running_postfix() as running:
        yield running


@pytest.fixture(scope="module")
def milter(postfix: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningMilter]:
    folder = tmp_path_factory.mktemp("milter")
    with running_milter(
        folder, postfix.milter_socket, group="postfix", limits=Limits(answer_s=20)
    ) as running:
        yield running


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[Verifier]]:
    with all_running() as started:
        yield started


class Numbers:
    """A new recipient for each letter."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> str:
        self._last += 1
        return f"r{self._last}-{time.monotonic_ns()}@example.org"


NUMBERS = Numbers()


def passed(postfix: Postfix, raw: bytes, *, login: str = "", address: str = "") -> bytes:
    """The letter as the next hop got it."""
    recipient = NUMBERS.next()
    with postfix.client(login=login, address=address) as client:
        code, text = postfix.hand_in(client, raw, recipient)
    assert code == 250, text
    postfix.kept.wait_for(recipient)
    return postfix.kept.mails[recipient]


def all_say(verifiers: list[Verifier], milter: SigningMilter, mail: bytes) -> dict[str, list[str]]:
    return verify_by_all(verifiers, mail, milter.keys())


def test_a_local_letter_is_signed_and_passes_in_all_four_until_something_is_added(
    postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    mail = passed(postfix, MAIL)
    assert mail.count(b"DKIM-Signature:") == 1
    assert mail.endswith(MAIL.partition(b"Message-ID")[2])
    assert all_say(verifiers, milter, mail) == {one.name: ["pass"] for one in verifiers}
    for field in ADDED:
        for changed in (field + mail, mail.replace(b"\r\nTo: ", b"\r\n" + field + b"To: ", 1)):
            said = all_say(verifiers, milter, changed)
            assert all(words != ["pass"] for words in said.values()), (field, said)


def test_a_spoof_from_outside_stays_unsigned_and_the_same_with_a_login_is_signed(
    postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    before = milter.letters("client")
    assert b"DKIM-Signature" not in passed(postfix, MAIL, address=OUTSIDE)
    assert milter.letters("client") == before + 1
    mail = passed(postfix, MAIL, address=OUTSIDE, login="me")
    assert all_say(verifiers, milter, mail) == {one.name: ["pass"] for one in verifiers}


def test_a_letter_of_the_machines_own_programs_is_signed(
    postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    recipient = NUMBERS.next()
    # Without Date and Message-ID: Postfix adds them behind the milter.
    raw = b"From: news@example.com\nSubject: cron\n\nhello\n"
    command = ["sendmail", "-C", str(postfix.folder / "conf"), "-f", "news@example.com", recipient]
    subprocess.run(command, input=raw, check=True, timeout=60)
    postfix.kept.wait_for(recipient)
    mail = postfix.kept.mails[recipient]
    assert b"\r\nMessage-Id: <" in mail
    assert all_say(verifiers, milter, mail) == {one.name: ["pass"] for one in verifiers}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_fails_inside_postfix_defers_the_letter(
    name: str, postfix: Postfix, milter: SigningMilter
) -> None:
    part, fault = FAULTS[name]
    recipient = NUMBERS.next()
    deferred = milter.letters("deferred")
    with milter.broken(**{part: fault}), postfix.client() as client:
        code, text = postfix.hand_in(client, UNHEARD, recipient)
    assert (code, milter.letters("deferred")) == (451, deferred + 1), text
    assert recipient not in postfix.kept.mails


@pytest.mark.parametrize("name", AWAY)
def test_known_senders_are_signed_for_while_the_database_is_away(
    name: str, postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    passed(postfix, MAIL)
    part, fault = FAULTS[name]
    with milter.broken(**{part: fault}):
        mail = passed(postfix, MAIL)
    assert all_say(verifiers, milter, mail) == {one.name: ["pass"] for one in verifiers}


def test_without_the_milter_postfix_defers(postfix: Postfix, milter: SigningMilter) -> None:
    away = postfix.milter_socket.with_name("away")
    postfix.milter_socket.rename(away)
    try:
        with postfix.client() as client:
            code, text = client.mail("bounces@example.com")
            assert code == 451, text
    finally:
        away.rename(postfix.milter_socket)
    assert b"DKIM-Signature" in passed(postfix, MAIL)


def test_a_letter_beyond_what_the_milter_may_hold_is_deferred(
    postfix: Postfix, milter: SigningMilter
) -> None:
    recipient, deferred, usual = NUMBERS.next(), milter.letters("deferred"), milter.limits
    milter.limited(replace(usual, held_bytes=100_000))
    try:
        with postfix.client() as client:
            code, text = postfix.hand_in(client, MAIL + b"x" * 70 + (b"\r\n" + b"x" * 70) * 4000, recipient)
    finally:
        milter.limited(usual)
    assert (code, milter.letters("deferred")) == (451, deferred + 1), text
    assert recipient not in postfix.kept.mails


def test_a_milter_that_dies_while_it_signs_defers_the_letter(postfix: Postfix, milter: SigningMilter) -> None:
    recipient = NUMBERS.next()

    def cut() -> None:
        for _ in range(3000):
            if milter.is_at_work():
                break
            time.sleep(0.01)
        milter.cut()

    cutting = threading.Thread(target=cut)
    part, never = FAULTS["the database never answers"]
    with milter.broken(**{part: never}), postfix.client() as client:
        cutting.start()
        code, text = postfix.hand_in(client, UNHEARD, recipient)
        cutting.join(60)
    assert code == 451, text
    assert recipient not in postfix.kept.mails


@pytest.mark.parametrize("name", ODDITIES)
def test_odd_letters_pass_in_all_four_or_stay_unsigned(
    name: str, postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    check(postfix, milter, verifiers, ODDITIES[name])


def check(postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier], raw: bytes) -> bool:
    """Whether a letter was signed; if so, all four pass it as the next hop got it."""
    signed = milter.letters("signed")
    mail = passed(postfix, raw)
    if milter.letters("signed") == signed:
        return False
    said = all_say(verifiers, milter, mail)
    ours = {name: words[0] for name, words in said.items()}
    assert ours == {one.name: "pass" for one in verifiers}, mail
    return True


@pytest.mark.timeout(3600)
def test_generated_letters_pass_in_all_four_or_stay_unsigned_for_a_reason(
    postfix: Postfix, milter: SigningMilter, verifiers: list[Verifier]
) -> None:
    """The long form: MAILSEAL_MESSAGES=10000 ./dev test tests/peers/test_postfix.py -m suite_mail."""
    count, examples = 0, int(os.environ.get("MAILSEAL_MESSAGES", "150"))

    @settings(
        max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(messages())
    def each(raw: bytes) -> None:
        nonlocal count
        unsigned = sum(
            milter.letters(one) for one in ("line_too_long", "read_in_two_ways", "no_single_author")
        )
        if check(postfix, milter, verifiers, raw):
            count += 1
            return
        after = sum(milter.letters(one) for one in ("line_too_long", "read_in_two_ways", "no_single_author"))
        assert after == unsigned + 1

    each()
    print(f"{examples} letters through Postfix, {count} signed, each passes in all four")
    assert count > examples // 2
