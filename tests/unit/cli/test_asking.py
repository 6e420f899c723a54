"""Which installation a command asks, and how its outcomes become exit codes and three lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mailseal.cli import main
from mailseal.cli.asking import (
    CouldNotAsk,
    LocalWay,
    Refused,
    SignedWay,
    ask,
    find_way,
    identity_path,
)
from mailseal.cli.ending import Ending, Exit
from mailseal.cli.identity import seconds
from mailseal.cli.questions import Answer, Question
from mailseal.config import SetupError
from mailseal.core.startup import StartRefused
from mailseal.sesv2.signing import signed_headers
from mailseal.sesv2.sigv4 import derive_key, parse_claim, proves

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}


class Answering:
    """A way that gives one answer."""

    where = ""

    def __init__(self, status: int, body: Any, date: str = "") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = Answer(status, content, date)

    def carry(self, question: Question) -> Answer:
        return self.answer


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_named_endpoint_is_asked_before_the_local_installation(tmp_path: Path) -> None:
    config = tmp_path / "m.toml"
    config.write_text('[dns]\nhosted_zone = "dkim.example.net"\n[api]\ncontrol = "/run/mailseal.sock"\n')
    named = {"MAILSEAL_CONFIG": str(config)}
    by_flag = find_way(named | KEYS, endpoint="https://mail.example.net/")
    assert isinstance(by_flag, SignedWay)
    assert (by_flag.url, by_flag.where) == ("https://mail.example.net", "https://mail.example.net")
    by_environment = find_way(named | KEYS | {"AWS_ENDPOINT_URL_SESV2": "http://127.0.0.1:9"})
    assert isinstance(by_environment, SignedWay)
    local = find_way(named, account="000000000002")
    assert isinstance(local, LocalWay)
    assert (local.config.api.control, local.account, local.where) == (
        "/run/mailseal.sock",
        "000000000002",
        "",
    )


def test_without_any_configuration_a_sandbox_is_asked_and_named() -> None:
    way = find_way({})
    assert isinstance(way, SignedWay)
    assert way.where == "sandbox on 127.0.0.1:7080"


def test_an_endpoint_without_keys_is_a_matter_of_setup() -> None:
    with pytest.raises(SetupError, match="no access key"):
        find_way({}, endpoint="http://127.0.0.1:9")


def test_a_question_is_signed_as_the_server_checks_it() -> None:
    question = Question("GET", identity_path("a/b ü", "records"), {"z": "1 2", "a": "ü"})
    assert question.target.raw_path == b"/mailseal/v1/identities/a%2Fb%20%C3%BC/records"
    way = find_way(KEYS, endpoint="http://127.0.0.1:1")
    assert isinstance(way, SignedWay)
    seen = signed_headers(question.target, b"", "127.0.0.1:1", way.credentials, datetime.now(UTC))
    headers = [(name.encode(), value.encode()) for name, value in seen.items()]
    claim = parse_claim(headers, question.target.query)
    derived = derive_key("secret", claim.date, claim.region)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert proves(claim, question.target, headers, empty, derived)


def test_no_answer_is_not_a_no() -> None:
    with pytest.raises(CouldNotAsk, match="cannot be asked"):
        ask(find_way(KEYS, endpoint="http://127.0.0.1:1"), "GET", "identities")
    with pytest.raises(CouldNotAsk, match="not Mailseal's"):
        ask(Answering(200, b"<html>"), "GET", "identities")


def test_a_refusal_carries_the_servers_words_escaped() -> None:
    error = {"kind": "refused", "code": "NotFoundException", "message": "no \x1b[31mred", "hint": "look"}
    with pytest.raises(Refused) as caught:
        ask(Answering(404, {"error": error}), "GET", "identities/x")
    assert (caught.value.code, caught.value.message) == ("NotFoundException", "no \\x1b[31mred")


def test_a_wrong_clock_is_told_with_how_wrong_it_is() -> None:
    error = {
        "kind": "refused",
        "code": "InvalidSignatureException",
        "message": "Signature expired: x is now …",
    }
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=11, seconds=51), usegmt=True)
    with pytest.raises(SetupError, match=r"clock is 11 min 5[01] s behind"):
        ask(Answering(403, {"error": error}, date), "GET", "identities")


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (click.UsageError("no"), Exit.SETUP),
        (SetupError("a", "b", "c"), Exit.SETUP),
        (StartRefused("a", why="b", do="c"), Exit.SETUP),
        (Refused({"kind": "refused"}), Exit.REFUSED),
        (Refused({"kind": "fault", "request_id": "r"}), Exit.BUG),
        (CouldNotAsk("a"), Exit.COULD_NOT_ASK),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (click.Abort(), Exit.INTERRUPTED),
        (ZeroDivisionError("secret"), Exit.BUG),
    ],
)
def test_every_way_to_end_has_its_exit_code(raised: BaseException, code: Exit) -> None:
    with Ending(as_json=False, verbose=False) as ending:
        raise raised
    assert ending.code == code


def test_a_bug_shows_no_trace_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with Ending(as_json=False, verbose=False):
        raise ZeroDivisionError("secret")
    shown = capsys.readouterr().err
    assert shown.startswith("error: a bug of Mailseal's (ZeroDivisionError), id ")
    assert "secret" not in shown
    with Ending(as_json=False, verbose=True):
        raise ZeroDivisionError("secret")
    assert "Traceback" in capsys.readouterr().err


def test_an_error_has_three_lines_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    with Ending(as_json=False, verbose=False):
        raise SetupError("[dns] is wrong", "because [/bold]", "correct it")
    assert capsys.readouterr().err == "error: [dns] is wrong\n  why: because [/bold]\n  do:  correct it\n"
    with Ending(as_json=True, verbose=False):
        raise SetupError("[dns] is wrong", "because", "correct it")
    told = json.loads(capsys.readouterr().err)
    assert told["error"]["kind"] == "setup"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["version"], 0),
        (["--help"], 0),
        ([], 2),
        (["nonsense"], 2),
        (["identity", "create"], 2),
        (["identity", "set", "example.com"], 2),
        (["identity", "create", "example.com", "--byodkim", "s1"], 2),
        (["identity", "create", "example.com", "--byodkim", "s1", "--key", "nowhere.pem"], 2),
        (["identity", "list", "--endpoint", "http://127.0.0.1:1"], 4),
        (["identity", "delete", "example.com"], 2),
    ],
)
def test_commands_end_with_the_code_for_what_happened(words: list[str], code: int) -> None:
    environment = {**KEYS, "MAILSEAL_CONFIG": "", "AWS_ENDPOINT_URL_SESV2": ""}
    assert CliRunner().invoke(main, words, env=environment).exit_code == code


@pytest.mark.parametrize("where", ["before", "after"])
def test_shared_options_stand_before_or_after_the_command(where: str) -> None:
    words = ["--json", "version"] if where == "before" else ["version", "--json"]
    assert json.loads(CliRunner().invoke(main, words).stdout)["version"]


@pytest.mark.parametrize("wrong", ["", "10", "m", "1.5h", "-3s", "10 m", "1w"])
def test_a_length_of_time_has_a_number_and_a_unit(wrong: str) -> None:
    with pytest.raises(SetupError, match="not a length of time"):
        seconds(wrong)
