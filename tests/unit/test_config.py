"""The configuration: types, suggestions, the environment, and the file that is written from it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.config import (
    Config,
    DnsConfig,
    KeysConfig,
    NextHopConfig,
    SetupError,
    StoreConfig,
    control_path,
    database_path,
    find_config,
    format_config,
    format_reference,
    load_config,
    parse_config,
)

MINIMAL = '[dns]\nhosted_zone = "dkim.example.net"\n'


def parsed(text: str, **environment: str) -> Config:
    return parse_config(text, environment, where="test.toml")


def problem(text: str, **environment: str) -> SetupError:
    with pytest.raises(SetupError) as caught:
        parsed(text, **environment)
    return caught.value


def test_only_the_hosted_zone_has_no_default() -> None:
    assert parsed(MINIMAL).keys.stock_2048 == 200
    assert "names no hosted zone" in problem("").what


def test_an_unknown_key_is_an_error_that_suggests_the_right_one() -> None:
    wrong = problem(MINIMAL + "listn = []\n")
    assert "[dns] listn" in wrong.what
    assert "did you mean [dns] listen?" in wrong.do
    assert "did you mean [keys]?" in problem(MINIMAL + "[key]\n").do


@pytest.mark.parametrize(
    "line",
    ['[keys]\nretain_days = "8"', "[keys]\nretain_days = -1", "[keys]\nretain_days = true",
     "[resolver]\nauthorities = 1", '[api]\nlisten = "127.0.0.1:80"', "[api]\nlisten = [80]", "keys = 3"],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(line: str) -> None:
    text = f"{line}\n{MINIMAL}" if line.startswith("keys") else f"{MINIMAL}{line}\n"
    assert "test.toml" in problem(text).what


def test_text_that_is_not_toml_says_where() -> None:
    assert "at line 2" in problem("[dns]\nlisten = nothing\n").what


def test_the_environment_wins_over_the_file() -> None:
    config = parsed(
        MINIMAL + 'listen = ["127.0.0.1:53"]\n',
        MAILSEAL_DNS_LISTEN="192.0.2.10:53, [2001:db8::10]:53",
        MAILSEAL_KEYS_STOCK_2048="7",
        MAILSEAL_VERIFICATION_AUTO_RESUME="true",
        MAILSEAL_ENDPOINT="http://127.0.0.1:1",
    )
    assert config.dns.listen == ("192.0.2.10:53", "[2001:db8::10]:53")
    assert config.keys.stock_2048 == 7
    assert config.verification.auto_resume


def test_an_unknown_variable_of_a_section_is_an_error() -> None:
    assert "MAILSEAL_DNS_LISTN" in problem(MINIMAL, MAILSEAL_DNS_LISTN="x").what
    assert "MAILSEAL_KEYS_STOCK_2048" in problem(MINIMAL, MAILSEAL_KEYS_STOCK_2048="many").what


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)


@given(
    zone=texts.filter(bool), lists=st.lists(texts, max_size=3), days=st.integers(0, 10**9), yes=st.booleans()
)
def test_what_is_written_is_read_back(zone: str, lists: list[str], days: int, yes: bool) -> None:
    config = Config(dns=DnsConfig(hosted_zone=zone, listen=tuple(lists)), keys=KeysConfig(retain_days=days))
    config = replace(config, verification=replace(config.verification, auto_resume=yes))
    assert parsed(format_config(config, title="test")) == config


def test_every_line_that_is_written_is_explained_and_short() -> None:
    config = Config(
        dns=DnsConfig(hosted_zone="dkim.example.net"), nexthop=NextHopConfig("maildir:/" + "x" * 60)
    )
    lines = format_config(config, title="test").splitlines()
    keys = [(before, line) for before, line in itertools.pairwise(lines) if " = " in line]
    assert len(keys) > 25
    for before, line in keys:
        if not line.startswith("#"):
            assert "  # " in line or before.startswith("# ")
            assert len(line) <= 110


def test_the_reference_names_every_key() -> None:
    page = format_reference()
    assert '| `hosted_zone` | `""` |' in page
    assert page.count("\n| `") > 25


def test_the_file_is_found_by_flag_then_environment(tmp_path: Path) -> None:
    assert find_config("a.toml", {"MAILSEAL_CONFIG": "b.toml"}) == Path("a.toml")
    assert find_config(None, {"MAILSEAL_CONFIG": "b.toml"}) == Path("b.toml")
    with pytest.raises(SetupError, match="cannot be read"):
        load_config(tmp_path / "none.toml", {})


def test_only_sqlite_is_a_database_so_far() -> None:
    config = Config(store=StoreConfig(database="postgresql://db/mailseal"))
    with pytest.raises(SetupError, match="is not a database"):
        database_path(config)


def test_a_path_too_long_for_a_socket_gives_way_to_a_short_one() -> None:
    near = Config(store=StoreConfig(database="sqlite:/var/lib/mailseal/mailseal.db"))
    far = Config(store=StoreConfig(database=f"sqlite:/{'deep/' * 30}mailseal.db"))
    assert control_path(near) == Path("/var/lib/mailseal/control.sock")
    assert len(str(control_path(far))) < 100
    assert control_path(far) == control_path(far)
