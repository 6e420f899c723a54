"""`mailseal init` and `mailseal serve` as an operator runs them: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest

from mailseal.core.access import AccessKey
from mailseal.sandbox.accounts import fixed_key
from mailseal.sandbox.settings import Ports

ZONE = "dkim.mx.example.net"
SOON = 20


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


class Installation:
    """An installation made by `mailseal init` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "mailseal.toml"
        self.environment = {
            "PATH": os.environ["PATH"],
            "MAILSEAL_CONFIG": str(self.config),
            "MAILSEAL_DNS_LISTEN": "127.0.0.1:0,[::1]:0",
            "MAILSEAL_API_LISTEN": "127.0.0.1:0",
            "MAILSEAL_KEYS_STOCK_2048": "1",
            "MAILSEAL_KEYS_STOCK_1024": "0",
            "MAILSEAL_RESOLVER_VANTAGES": "udp://127.0.0.1:1",
            "MAILSEAL_RESOLVER_AUTHORITIES": "false",
        }

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "mailseal", *words],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=SOON * 2,
            cwd=self.folder.parent,
        )

    def init(self) -> Any:
        """What `init --json` tells, access key included."""
        done = self.run(
            *("init", "--zone", ZONE, "--data", str(self.folder), "--address", "127.0.0.1"),
            *("--next-hop", f"maildir:{self.folder}/mailbox", "--yes", "--json"),
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def serving(self, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
        """A running server and its first line."""
        server = subprocess.Popen(
            [sys.executable, "-m", "mailseal", "serve", *words],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            yield server, json.loads(server.stdout.readline())
        finally:
            server.terminate()
            server.communicate(timeout=SOON)


def test_what_init_made_serves_boto3_and_the_command_line(installation: Installation) -> None:
    made = installation.init()
    assert oct((installation.folder / "master.key").stat().st_mode)[-3:] == "400"
    with installation.serving() as (server, ready):
        assert ready["event"] == "ready"
        assert ready["hosted_zone"] == ZONE
        ses = boto3.client(
            "sesv2",
            endpoint_url=ready["api"],
            region_name="us-east-1",
            aws_access_key_id=made["access_key_id"],
            aws_secret_access_key=made["secret_access_key"],
        )
        tokens = ses.create_email_identity(EmailIdentity="example.com")["DkimAttributes"]["Tokens"]
        records = installation.run("identity", "records", "example.com", "--format", "zone")
        assert records.returncode == 0
        assert [line.partition(".")[0] for line in records.stdout.splitlines()] == tokens
        listed = installation.run("identity", "list", "--json")
        assert json.loads(listed.stdout)["items"][0]["identity"] == "example.com"
        over_http = {
            "AWS_ACCESS_KEY_ID": made["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
        }
        shown = installation.run("identity", "show", "example.com", "--endpoint", ready["api"], **over_http)
        assert (shown.returncode, shown.stderr[:5]) == (0, "Next:")
        server.terminate()
        rest, errors = server.communicate(timeout=SOON)
        assert server.returncode == 0
        assert errors == ""
        assert made["secret_access_key"] not in rest
    assert not (installation.folder / "data" / "control.sock").exists()


def test_init_writes_nothing_over(installation: Installation) -> None:
    installation.init()
    key = (installation.folder / "master.key").read_bytes()
    again = installation.run("init", "--zone", ZONE, "--data", str(installation.folder), "--yes")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (installation.folder / "master.key").read_bytes() == key


def test_a_second_server_on_the_database_is_refused_and_told_who_has_it(installation: Installation) -> None:
    installation.init()
    with installation.serving() as (server, _):
        second = installation.run("serve")
        assert second.returncode == 2
        assert f"is in use by mailseal serve (process {server.pid})" in second.stderr


def test_a_taken_port_is_told_with_who_has_it(installation: Installation) -> None:
    installation.init()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        refused = installation.run("serve", MAILSEAL_DNS_LISTEN=f"127.0.0.1:{port}")
        assert refused.returncode == 2
        assert f"error: port {port} of 127.0.0.1 is taken by" in refused.stderr
        assert f"(process {os.getpid()})" in refused.stderr
        assert "Traceback" not in refused.stderr
    refused = installation.run("serve", MAILSEAL_API_LISTEN="0.0.0.0:0")
    assert refused.returncode == 2
    assert "without a certificate" in refused.stderr


def test_an_unknown_key_is_an_error_with_a_suggestion(installation: Installation) -> None:
    installation.init()
    text = installation.config.read_text().replace("stock_2048", "stok_2048")
    installation.config.write_text(text)
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "did you mean [keys] stock_2048?" in refused.stderr


def test_a_master_key_that_others_can_read_is_refused(installation: Installation) -> None:
    installation.init()
    (installation.folder / "master.key").chmod(0o644)
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "do:  chmod 0400" in refused.stderr


def test_a_database_with_the_sandboxs_key_is_refused(installation: Installation) -> None:
    installation.init()
    add_key(installation, fixed_key())
    refused = installation.run("serve")
    assert refused.returncode == 2
    assert "is a sandbox's database" in refused.stderr


def add_key(installation: Installation, key: AccessKey) -> None:
    """Puts an access key into the database, in a process of its own."""
    program = (
        "import asyncio, sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from mailseal.app.installation import add_access_key\n"
        "from mailseal.sandbox.accounts import fixed_key\n"
        "from mailseal.sealing.keyring import Keyring\n"
        "from mailseal.sealing import load_master_key\n"
        "from mailseal.store.sqlite import SqliteStore\n"
        "async def main(folder):\n"
        "    store = SqliteStore.open(folder / 'data' / 'mailseal.db')\n"
        "    keyring = Keyring(load_master_key(f'file:{folder}/master.key'))\n"
        "    await add_access_key(store, keyring, fixed_key(), datetime.now(UTC))\n"
        "    await store.close()\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    assert key.is_sandbox_key
    subprocess.run([sys.executable, "-c", program, str(installation.folder)], check=True, timeout=SOON)


def test_without_a_server_nobody_answers_and_that_is_not_a_no(installation: Installation) -> None:
    alone = installation.run("identity", "list", "--endpoint", "http://127.0.0.1:1", AWS_ACCESS_KEY_ID="x")
    assert alone.returncode == 2
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    alone = installation.run("identity", "list", "--endpoint", "http://127.0.0.1:1", **keys)
    assert alone.returncode == 4
    assert "cannot be asked" in alone.stderr


def test_where_nothing_runs_a_command_opens_the_database_itself(installation: Installation) -> None:
    installation.init()
    created = installation.run("identity", "create", "example.com")
    assert created.returncode == 0
    assert "Publish these three records" in created.stdout
    with installation.serving():
        listed = installation.run("identity", "list", "--json")
        assert [row["identity"] for row in json.loads(listed.stdout)["items"]] == ["example.com"]
    (installation.folder / "master.key").chmod(0o644)
    assert installation.run("identity", "list").returncode == 2


def test_metrics_are_served_on_loopback_alone(installation: Installation) -> None:
    installation.init()
    port = Ports.free().api
    with installation.serving(MAILSEAL_API_METRICS=f"127.0.0.1:{port}"):
        installation.run("identity", "create", "example.com")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            page = answer.read().decode()
        assert 'mailseal_requests_total{operation="CreateIdentity",status="200"} 1' in page
        told = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert told['mailseal_stock_target_keys{bits="2048"}'] == "1"
        level, made, missed = (
            float(told.get(f'mailseal_{name}{{bits="2048"}}', 0))
            for name in ("stock_keys", "keys_made_total", "stock_misses_total")
        )
        # One key went to the identity, made ahead of it or for it; one more may be on its way.
        assert missed in (0, 1)
        assert level + 1 <= made <= level + 2
    refused = installation.run("serve", MAILSEAL_API_METRICS=f"0.0.0.0:{port}")
    assert refused.returncode == 2


def test_a_process_does_the_work_of_its_roles_alone(installation: Installation) -> None:
    installation.init()
    refused = installation.run("serve", "--role", "api")
    assert refused.returncode == 2
    assert "needs the role worker" in refused.stderr
    refused = installation.run("serve", "--processes", "2")
    assert refused.returncode == 2
    assert "--processes 2 needs PostgreSQL" in refused.stderr
    with installation.serving("--role", "dns,worker") as (_, ready):
        assert "api" not in ready
        assert ready["dns"]
        assert installation.run("identity", "create", "example.com").returncode == 0
    with installation.serving("--role", "api", "--role", "worker") as (server, ready):
        assert "dns" not in ready
        with urlopen(f"{ready['api']}/readyz", timeout=10) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGHUP)
        with urlopen(f"{ready['api']}/healthz", timeout=10) as answer:
            assert answer.status == 200, "SIGHUP looks at certificates and ends nothing"
        server.terminate()
        assert server.wait(SOON) == 0


def test_a_refusal_has_its_own_exit_code(installation: Installation) -> None:
    installation.init()
    with installation.serving():
        refused = installation.run("identity", "show", "example.org")
        assert refused.returncode == 3
        assert refused.stderr == "error: Email identity example.org does not exist.\n"
        told = installation.run("identity", "show", "example.org", "--json")
        assert json.loads(told.stderr)["error"]["code"] == "NotFoundException"
