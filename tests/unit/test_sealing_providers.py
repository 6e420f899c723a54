"""Where master keys come from: what is read, wrapped and refused, and that nothing shows them."""

from __future__ import annotations

import base64
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailseal.sealing import Keyring, MasterKeyRefused, load_master_key
from mailseal.sealing.providers import CHECK_VALUE, WRAPPED, first_master_key
from mailseal.sealing.sources import from_command
from tests.fakes import MASTER_KEY
from tests.unit.key_services import KeyServices, key_services

BASE64 = base64.b64encode(MASTER_KEY).decode()


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[KeyServices, str]]:
    """Both key services, and credentials for both in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.test")
    with key_services("mailseal", "other") as made:
        yield made


def providers(url: str, key: str = "mailseal") -> list[str]:
    """How [store] master_key names a key of each service."""
    arn = f"arn:aws:kms:eu-west-1:111122223333:key/{key}"
    return [f"aws-kms:{arn}@{url}", f"vault:{url}#{key}", f"vault:{url}/v1/team/transit#{key}"]


def stored_of(provider: str) -> dict[str, bytes]:
    """What a new database keeps of a master key by this provider."""
    first = first_master_key(provider)
    return {**first.values, CHECK_VALUE: Keyring(first.master).check_value()}


def test_a_wrapped_master_key_is_opened_again_by_its_service(services: tuple[KeyServices, str]) -> None:
    for provider in providers(services[1]):
        stored = stored_of(provider)
        master = load_master_key(provider, stored=stored)
        Keyring(master).confirm(stored[CHECK_VALUE])
        assert master.secret.reveal() not in b"".join(stored.values())
    assert services[0].asked[:2] == ["Encrypt", "Decrypt"]
    assert services[0].asked[2:4] == ["v1/transit encrypt", "v1/transit decrypt"]
    assert services[0].asked[4:] == ["v1/team/transit encrypt", "v1/team/transit decrypt"]
    assert services[0].tokens == ["hvs.test"] * 4


def test_of_several_wrapped_master_keys_the_one_in_use_is_opened(services: tuple[KeyServices, str]) -> None:
    for provider in providers(services[1])[:2]:
        older, stored = stored_of(provider), stored_of(provider)
        both = {**older, **stored}
        Keyring(load_master_key(provider, stored=both)).confirm(stored[CHECK_VALUE])
        both[CHECK_VALUE] = older[CHECK_VALUE]
        Keyring(load_master_key(provider, stored=both)).confirm(older[CHECK_VALUE])


def test_a_blob_that_was_altered_moved_or_wrapped_by_another_key_is_refused(
    services: tuple[KeyServices, str],
) -> None:
    for number, provider in enumerate(providers(services[1])):
        stored = stored_of(provider)
        ((name, blob),) = [(n, v) for n, v in stored.items() if n.startswith(WRAPPED)]
        altered = blob[:-6] + bytes([blob[-6] ^ 1]) + blob[-5:]
        wrong = [{name: altered}, {WRAPPED + "00000000": blob}, {}]
        for values in wrong:
            with pytest.raises(MasterKeyRefused):
                load_master_key(provider, stored=values)
        with pytest.raises(MasterKeyRefused):
            load_master_key(providers(services[1], "other")[number], stored=stored)


def test_a_service_that_gives_another_key_back_is_refused(services: tuple[KeyServices, str]) -> None:
    services[0].binds = False
    for provider in providers(services[1])[:2]:
        one, other = first_master_key(provider).values, first_master_key(provider).values
        swapped = dict(zip(one, other.values(), strict=True))
        with pytest.raises(MasterKeyRefused, match="is not master key"):
            load_master_key(provider, stored=swapped)


@pytest.mark.parametrize("broken", ["ThrottlingException", "AccessDeniedException", "nonsense"])
def test_a_kms_that_declines_is_told_by_its_code(services: tuple[KeyServices, str], broken: str) -> None:
    stored = stored_of(providers(services[1])[0])
    services[0].broken = broken
    with pytest.raises(MasterKeyRefused) as refused:
        load_master_key(providers(services[1])[0], stored=stored)
    assert "KMS or its client says" in refused.value.why
    assert (broken in refused.value.why) == (broken != "nonsense")


@pytest.mark.parametrize("broken", ["403", "503", "nonsense"])
def test_a_vault_that_declines_is_told_by_its_status(services: tuple[KeyServices, str], broken: str) -> None:
    stored = stored_of(providers(services[1])[1])
    services[0].broken = broken
    with pytest.raises(MasterKeyRefused) as refused:
        load_master_key(providers(services[1])[1], stored=stored)
    assert (f"it answers {broken}" in refused.value.why) == broken.isdigit()
    assert "hvs.test" not in str(refused.value)


def test_a_service_that_nobody_runs_is_refused_and_not_waited_for(services: tuple[KeyServices, str]) -> None:
    for provider in providers("http://127.0.0.1:1"):
        began = time.monotonic()
        with pytest.raises(MasterKeyRefused, match="could not be used"):
            first_master_key(provider)
        assert time.monotonic() - began < 20


def test_logs_at_debug_level_show_no_master_key(
    services: tuple[KeyServices, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for provider in providers(services[1]):
        stored = stored_of(provider)
        master = load_master_key(provider, stored=stored)
        assert base64.b64encode(master.secret.reveal()).decode() not in caplog.text


def test_a_token_is_read_from_the_file_that_is_named(
    services: tuple[KeyServices, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    provider = providers(services[1])[1]
    with pytest.raises(MasterKeyRefused, match="VAULT_TOKEN_FILE"):
        first_master_key(provider)
    monkeypatch.setenv("VAULT_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(MasterKeyRefused, match="no token"):
        first_master_key(provider)
    (tmp_path / "token").write_text("hvs.from-file\n")
    first_master_key(provider)
    assert services[0].tokens[-1] == "hvs.from-file"


@pytest.mark.parametrize(
    "provider",
    [
        "vault:https://vault.example.net",
        "vault:vault.example.net#key",
        "vault:ftp://127.0.0.1#key",
        "aws-kms:@x",
    ],
)
def test_a_key_service_that_is_named_wrongly_is_told_how_to_name_it(provider: str) -> None:
    with pytest.raises(MasterKeyRefused, match="does not name") as refused:
        first_master_key(provider)
    assert 'master_key = "' in refused.value.do


def test_a_vault_beyond_this_machine_is_asked_over_tls_only() -> None:
    with pytest.raises(MasterKeyRefused, match="not encrypted"):
        first_master_key("vault:http://vault.example.net:8200#key")


def test_without_its_client_kms_is_refused_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MasterKeyRefused, match="boto3 is not installed") as refused:
        first_master_key("aws-kms:alias/mailseal")
    assert refused.value.do == "pip install 'mailseal[kms]'"


def program(folder: Path, text: str) -> str:
    """The provider that runs a small shell program."""
    path = folder / "print-key"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return f"command:{path}"


def test_a_command_prints_the_master_key_and_gets_its_words(tmp_path: Path) -> None:
    provider = program(tmp_path, f'[ "$1" = "two words" ] && [ -z "$(cat)" ] && echo {BASE64}')
    assert load_master_key(f"{provider} 'two words'").secret.reveal() == MASTER_KEY
    with pytest.raises(MasterKeyRefused, match="ended with code 1"):
        load_master_key(f"{provider} $HOME")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"echo {BASE64}; exit 3", "ended with code 3"),
        (f"while :; do echo {BASE64}; done", "printed more than 256 octets"),
        ("kill -9 $$", "ended with code -9"),
    ],
)
def test_a_command_that_fails_or_prints_without_end_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(MasterKeyRefused) as refused:
        load_master_key(program(tmp_path, text))
    assert why in refused.value.why
    assert BASE64 not in str(refused.value)


def test_a_command_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    line = program(tmp_path, f"sleep 60 & echo $$ $! > {tmp_path}/pids; wait").removeprefix("command:")
    began = time.monotonic()
    with pytest.raises(MasterKeyRefused, match=r"had not ended after 0\.5 s"):
        from_command(line, patience=0.5)
    assert time.monotonic() - began < 10
    pids = (tmp_path / "pids").read_text().split()
    for _ in range(100):
        if not any(map(is_alive, pids)):
            break
        time.sleep(0.02)  # a killed process takes a moment to end
    assert [pid for pid in pids if is_alive(pid)] == []


def is_alive(pid: str) -> bool:
    """Whether a process still runs; one that nobody has buried does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("line", ["print-key", "", " ", "'/bin/x", "/no/such/program"])
def test_a_command_is_named_by_its_whole_path(line: str) -> None:
    with pytest.raises(MasterKeyRefused) as refused:
        from_command(line)
    assert "command:/" in refused.value.do or "/no/such/program" in refused.value.do


def test_what_a_command_prints_besides_the_key_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyRefused, match="does not hold a master key") as refused:
        load_master_key(program(tmp_path, f"echo key: {BASE64}"))
    assert BASE64 not in str(refused.value)


def test_a_credential_of_systemd_is_read_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(MasterKeyRefused, match="no credentials"):
        load_master_key("credential:master")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = tmp_path / "master"
    path.write_text(BASE64)
    for mode in (0o400, 0o440):
        path.chmod(mode)
        assert load_master_key("credential:master").secret.reveal() == MASTER_KEY
    for mode in (0o404, 0o460, 0o444):
        path.chmod(mode)
        with pytest.raises(MasterKeyRefused, match="has mode"):
            load_master_key("credential:master")
    for name in ("../master", "missing", ".."):
        with pytest.raises(MasterKeyRefused):
            load_master_key(f"credential:{name}")
