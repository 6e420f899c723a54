"""`mailseal keys rotate-master` on a real installation: while a server signs, and where none runs."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailseal.sealing import write_master_key
from mailseal.store.sqlite import peek_installation
from tests.faults.server import Client, Server, prove
from tests.peers.dns_daemons import free_port
from tests.unit.key_services import key_services
from tests.unit.service.scenes import DOMAIN, MAIL


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An installation whose server does not run yet."""
    made = Server(tmp_path)
    yield made
    made.stop()


def mailseal(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the operator's."""
    command = [sys.executable, "-m", "mailseal", *words, "--config", str(server.folder / "mailseal.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def rotate(server: Server, name: str) -> subprocess.CompletedProcess[str]:
    """A change to a fresh master key in a file."""
    write_master_key(server.folder / name)
    return mailseal(server, "keys", "rotate-master", "--to", f"file:{server.folder}/{name}")


def configure(server: Server, name: str) -> None:
    """The configuration names another file."""
    path = server.folder / "mailseal.toml"
    path.write_text(path.read_text().replace("master.key", name))


def create(server: Server, name: str) -> None:
    """An identity by the API, so that access keys open and stock keys are placed."""
    client = Client(server.port)
    body = {"EmailIdentity": name, "DkimSigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}}
    assert client.call("POST", "/v2/email/identities", body).status == 200
    client.close()


def test_the_master_key_changes_while_a_server_runs(server: Server) -> None:
    server.start()
    create(server, "before.example.com")
    done = rotate(server, "second.key")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(f"in use, {server.folder}/second.key")
    assert f'write [store] master_key = "file:{server.folder}/second.key"' in done.stderr
    create(server, "after.example.com")
    server.kill()
    server.start()
    assert b"master key replaced" in server.log.read_bytes()
    create(server, "old-provider.example.com")
    server.stop()
    configure(server, "second.key")
    (server.folder / "master.key").unlink()
    server.start()
    create(server, "new-provider.example.com")
    assert set(peek_installation(server.database)) == {"master_key_check", "token_derivation"}


def test_the_master_key_changes_where_no_server_runs(server: Server) -> None:
    done = rotate(server, "second.key")
    assert done.returncode == 0, done.stderr
    configure(server, "second.key")
    server.start()
    create(server, "example.com")


def test_the_master_key_moves_from_a_file_to_kms_and_on_to_vault(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = server.folder / "mailseal.toml"
    with key_services("mailseal") as (services, url):
        configured = f"file:{server.folder}/master.key"
        for provider in (f"aws-kms:alias/mailseal@{url}", f"vault:{url}#mailseal"):
            done = mailseal(server, "keys", "rotate-master", "--to", provider)
            assert done.returncode == 0, done.stderr
            server.start()
            create(server, f"old-{provider[:5]}.example.com")
            server.stop()
            config.write_text(config.read_text().replace(configured, provider))
            configured = provider
            before = len(services.asked)
            server.start()
            create(server, f"new-{provider[:5]}.example.com")
            server.stop()
            assert len(services.asked) == before + 1, "a key service is asked once a start"
    stored = peek_installation(server.database)
    assert len([name for name in stored if name.startswith("wrapped_master_key:")]) == 1
    assert not [name for name in stored if name.startswith("master_key_successor:")]


def test_a_change_that_cannot_be_is_refused_and_leaves_all_as_it_was(server: Server) -> None:
    before = peek_installation(server.database)
    for words, code, sentence in (
        ((), 2, "no change of the master key is under way"),
        (("--to", "file:/nowhere/master.key"), 3, "/nowhere/master.key cannot be read"),
        (("--to", f"file:{server.folder}/master.key"), 3, "holds the master key in use"),
        (("--to", "nonsense"), 3, "does not say where the master key is"),
    ):
        done = mailseal(server, "keys", "rotate-master", *words)
        assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    assert peek_installation(server.database) == before


def test_no_access_key_changes_the_master_key(server: Server) -> None:
    server.start()
    client = Client(server.port)
    for method, body in (("GET", None), ("POST", {"to": "command:/bin/false"}), ("POST", {})):
        answered = client.call(method, "/mailseal/v1/master-key", body)
        assert answered.status == 403, answered
    client.close()


def test_the_stock_is_told(server: Server) -> None:
    told = json.loads(mailseal(server, "keys", "stock", "--json").stdout)
    assert told == {"stock": {"1024": 0, "2048": 0}, "stock_target": {"1024": 12, "2048": 0}}
    assert mailseal(server, "keys", "stock").stdout.splitlines()[0] == "stock  12 to be made"


def test_nothing_that_is_said_about_a_change_holds_a_master_key(server: Server) -> None:
    server.start()
    done = rotate(server, "second.key")
    said = done.stdout + done.stderr + server.log.read_text()
    for name in ("master.key", "second.key"):
        text = (server.folder / name).read_text().strip()
        assert text not in said
        assert base64.b64decode(text).hex() not in said


def test_a_server_shows_its_memory_to_nobody(server: Server) -> None:
    server.start()
    assert server.process is not None
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    # The files of a process that is not dumpable belong to root (proc(5)); root's own always do.
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert "CoreDumping:\t0" in status
    told = subprocess.run(
        [sys.executable, "-c", DUMPABLE], capture_output=True, text=True, timeout=30, check=True
    )
    assert told.stdout.split() == ["1", "0"]


DUMPABLE = """
import ctypes
from mailseal.sealing.process import close_memory
libc = ctypes.CDLL(None)
print(libc.prctl(3, 0, 0, 0, 0))
close_memory()
print(libc.prctl(3, 0, 0, 0, 0))
"""


def test_a_row_that_was_tampered_with_shows_in_log_metrics_and_timeline(server: Server) -> None:
    asyncio.run(prove(server))
    port = free_port()
    config = server.folder / "mailseal.toml"
    config.write_text(config.read_text().replace("[keys]", f'metrics = "127.0.0.1:{port}"\n[keys]'))
    server.start()
    client = Client(server.port)
    assert send(client) == 200
    connection = apsw.Connection(str(server.database))
    connection.execute("UPDATE private_keys SET envelope = randomblob(length(envelope))")
    connection.close()
    assert [send(client) for _ in range(2)] == [500, 500]
    client.close()
    alarms = [line for line in server.log.read_text().splitlines() if '"event":"alarm"' in line]
    assert [json.loads(line)["identity"] for line in alarms] == [DOMAIN] * 2
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        assert "mailseal_alarms_total 2" in page.read().decode()
    shown = json.loads(mailseal(server, "identity", "show", DOMAIN, "--json").stdout)
    assert [event["kind"] for event in shown["events"]].count("alarm") == 1


def send(client: Client) -> int:
    """The status of one mail."""
    raw = base64.b64encode(MAIL).decode()
    body = {"Content": {"Raw": {"Data": raw}}, "Destination": {"ToAddresses": ["you@example.net"]}}
    return client.call("POST", "/v2/email/outbound-emails", body).status
