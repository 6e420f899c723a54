"""`mailseal sandbox` as a person and a CI script use it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailseal.sandbox.client import SandboxClient
from mailseal.sandbox.settings import Ports

pytestmark = pytest.mark.timeout(90)
SURROUNDINGS = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AWS_", "MAILSEAL_")) and name != "COLUMNS"
}


class Cli:
    """The command-line program with one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "box"

    def __call__(self, *arguments: str, fails: int = 0) -> str:
        done = self.run("--data", str(self.data), *arguments)
        assert done.returncode == fails, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mailseal", "sandbox", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=self.folder, env=SURROUNDINGS
        )


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A sandbox that was left behind, and is stopped at the end."""
    cli = Cli(tmp_path_factory.mktemp("cli"))
    screen = cli("--detach", "--ports", "auto", "--publish-after", "never")
    assert "Next: mailseal identity create example.com" in screen
    yield cli
    if (cli.data / "sandbox.json").exists():
        cli("stop")


def client_of(cli: Cli) -> SandboxClient:
    return SandboxClient(json.loads((cli.data / "sandbox.json").read_text())["api_url"])


def test_the_first_screen_names_every_address_and_what_to_paste(tmp_path: Path) -> None:
    ports = Ports.free()
    base = ports.api - 80
    command = [sys.executable, "-m", "mailseal", "sandbox", "--port-base", str(base)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, env=SURROUNDINGS)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(16)]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    shown = re.sub(r"ready in \d+\.\d s", "ready in 0.4 s", "".join(lines))
    assert shown == (
        "Mailseal sandbox 0.1.0  all on 127.0.0.1, data in .sandbox/, ready in 0.4 s\n\n"
        f"  API, console    http://127.0.0.1:{base + 80}\n"
        f"  our DNS         127.0.0.1:{base + 53}  hosted zone dkim.mailseal.test\n"
        f"  customers' DNS  127.0.0.1:{base + 54}  publishes what is asked after 5 s\n"
        "  mailbox         .sandbox/mailbox  Maildir\n\n"
        "  For any AWS client:\n"
        f"  export AWS_ENDPOINT_URL_SESV2=http://127.0.0.1:{base + 80}\n"
        f"  export AWS_ENDPOINT_URL_SES=http://127.0.0.1:{base + 80}\n"
        "  export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n"
        "  export AWS_ACCESS_KEY_ID=MSSANDBOX00000000001\n"
        "  export AWS_SECRET_ACCESS_KEY=sandbox-only-000000000000000000000000001\n\n"
        "Next, in a second terminal: mailseal identity create example.com\n"
        "Ctrl-C stops, the data stays; mailseal sandbox --fresh starts empty.\n"
    )
    assert process.returncode == 0


def test_the_environment_can_be_sourced_and_appended(cli: Cli) -> None:
    url = client_of(cli).api_url
    assert f"export AWS_ENDPOINT_URL_SESV2={url}\n" in cli("env")
    assert f"AWS_ENDPOINT_URL_SESV2={url}" in cli("env", "--format", "github").splitlines()
    assert cli("env", "--format", "dotenv").count("=") == 6


def test_records_are_set_shown_and_removed(cli: Cli) -> None:
    cli("dns", "set", "s1._domainkey.example.net", "TXT", "v=DKIM1; p=AAAA", "--ttl", "60")
    assert cli("dns", "show", "example.net") == "s1._domainkey.example.net\t60\tTXT\tv=DKIM1; p=AAAA\n"
    cli("dns", "delete", "s1._domainkey.example.net")
    assert cli("dns", "show", "example.net") == ""
    assert "192.0.2.1" in cli("dns", "set", "a.example.net", "A", "192.0.2.1")
    assert "is no value" in cli("dns", "set", "a.example.net", "A", "x", fails=3)


def test_an_identity_is_published_checked_and_its_mail_shown(cli: Cli) -> None:
    client = client_of(cli)
    client.ask("POST", "/identities", body={"identity": "example.com"})
    assert cli("dns", "publish", "example.com").count("\tCNAME\t") == 3
    assert "PENDING → SUCCESS" in cli("clock", "advance", "30s")
    assert "example.com" in cli("dns", "queries", "example.com")
    assert cli("mailbox") == ""
    assert cli("mailbox", "show", fails=1) == "sandbox  there is no mail\n"


def test_a_mistake_is_played_by_its_name_told_and_repaired(cli: Cli) -> None:
    client = client_of(cli)
    client.ask("POST", "/identities", body={"identity": "example.info"})
    told = cli("dns", "mistake", "example.info", "DOUBLED_DOMAIN")
    assert told.count("_domainkey.example.info.example.info\tCNAME\t") == 3
    found = client.ask("POST", "/identities/example.info/check")
    assert {record["diagnosis"] for record in found["records"]} == {"DOUBLED_DOMAIN"}
    assert found["diagnoses"][0]["write"].endswith("._domainkey")
    assert "not a mistake" in cli("dns", "mistake", "example.info", "TXT_ESCAPED", fails=3)
    assert cli("dns", "repair", "example.info").count("\tCNAME\t") == 3
    found = client.ask("POST", "/identities/example.info/check")
    assert {record["finding"] for record in found["records"]} == {"MATCH"}
    assert [record["diagnosis"] for record in found["earlier"][0]["records"]] == ["DOUBLED_DOMAIN"] * 3


def test_the_clock_shows_how_far_it_is_ahead(cli: Cli) -> None:
    cli("clock", "advance", "48h")
    told = json.loads(cli("clock", "--json"))
    assert told["ahead_seconds"] >= 48 * 3600
    assert "is not a duration" in cli("clock", "advance", "soon", fails=3)


def test_a_second_sandbox_in_the_same_folder_is_refused_and_says_who_has_it(cli: Cli) -> None:
    told = cli("--ports", "auto", fails=2)
    assert "in use" in told
    assert str(json.loads((cli.data / "sandbox.json").read_text())["pid"]) in told
    assert "a sandbox runs in" in cli("--fresh", "--ports", "auto", fails=2)


def test_a_taken_port_is_an_error_that_names_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Cli(tmp_path).run("--detach", "--port-base", str(port - 80))
    assert done.returncode == 2
    assert f"error: port {port} of 127.0.0.1 is taken by" in done.stderr
    assert str(os.getpid()) in done.stderr


def test_other_commands_find_the_sandbox_of_the_folder_they_are_given_in(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert cli.run("--detach", "--ports", "auto").returncode == 0
    try:
        command = [sys.executable, "-m", "mailseal", "identity", "create", "example.com", "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=SURROUNDINGS, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert cli.run("dns", "publish", "example.com").stdout.count("\tCNAME\t") == 3
    finally:
        assert cli.run("stop").returncode == 0


def test_nobody_there_is_could_not_ask(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = Cli(tmp_path).run("clock", "--endpoint", url)
    assert done.returncode == 4
    assert "no sandbox answers on 127.0.0.1:" in done.stderr


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cli]:
    """A data folder in which no sandbox runs yet, and none runs at the end."""
    cli = Cli(tmp_path)
    yield cli
    if (cli.data / "sandbox.json").exists():
        cli("stop")


def test_a_sandbox_that_was_left_behind_is_stopped_and_its_data_stays(alone: Cli) -> None:
    place = json.loads(alone("--detach", "--ports", "auto", "--json"))
    assert place["event"] == "ready"
    client_of(alone).ask("POST", "/identities", body={"identity": "example.com"})
    alone("stop")
    assert "CreateIdentity" in (alone.data / "sandbox.log").read_text()
    alone("--detach", "--ports", "auto")
    assert client_of(alone).ask("GET", "/identities/example.com")["identity"] == "example.com"


def test_a_fresh_start_finds_nothing_of_the_one_before(alone: Cli) -> None:
    alone("--detach", "--ports", "auto")
    client_of(alone).ask("POST", "/identities", body={"identity": "example.com"})
    alone("stop")
    alone("--detach", "--ports", "auto", "--fresh")
    assert client_of(alone).ask("GET", "/identities")["items"] == []
    assert alone("reset", "--yes") == "identities\t0\nmails\t0\n"
