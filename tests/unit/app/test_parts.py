"""From configuration to parts: each wrong value is told in words that name its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailseal.app.parts import (
    addresses_of,
    hosted_zone_of,
    links_of,
    make_next_hop,
    make_resolver,
    policy_of,
    region_zones_of,
)
from mailseal.config import (
    ApiConfig,
    Config,
    DnsConfig,
    NextHopConfig,
    ResolverConfig,
    SendingConfig,
    SetupError,
)
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop


def with_dns(**values: Any) -> Config:
    return Config(dns=replace(DnsConfig(hosted_zone="dkim.example.net"), **values))


def test_the_policy_is_what_the_configuration_says() -> None:
    config = Config()
    changed = replace(config, verification=replace(config.verification, search_hours=1, auto_resume=True))
    assert policy_of(changed).search == timedelta(hours=1)
    assert policy_of(changed).auto_resume
    assert policy_of(config).retain == timedelta(days=8)


def test_a_zone_is_canonical_and_short() -> None:
    assert hosted_zone_of(with_dns(hosted_zone="DKIM.Example.NET.")) == "dkim.example.net"
    for wrong in ("x" * 30 + ".example.net", "dkim", "dkim..net"):
        with pytest.raises(SetupError, match=r"\[dns\] hosted_zone"):
            hosted_zone_of(with_dns(hosted_zone=wrong))


def test_a_name_server_has_several_addresses() -> None:
    config = with_dns(addresses=("NS1.example.net. 192.0.2.1", "ns1.example.net 2001:DB8::1"))
    assert addresses_of(config) == {"ns1.example.net": ("192.0.2.1", "2001:db8::1")}
    with pytest.raises(SetupError, match="not a name, a blank and an address"):
        addresses_of(with_dns(addresses=("192.0.2.1",)))


def test_the_next_hop_is_a_maildir_or_a_server(tmp_path: Path) -> None:
    def made(url: str) -> object:
        return make_next_hop(Config(nexthop=NextHopConfig(url=url)))

    assert isinstance(made(f"maildir:{tmp_path}/box"), MaildirNextHop)
    assert isinstance(made("smtp://127.0.0.1:25"), SmtpNextHop)
    (tmp_path / "file").touch()
    for wrong in ("", "lmtp://x", f"maildir:{tmp_path}/file"):
        with pytest.raises(SetupError, match="cannot be used"):
            made(wrong)


def test_a_vantage_of_another_form_is_refused() -> None:
    for wrong in ("192.0.2.1", "udp://", "carrier-pigeon://x"):
        with pytest.raises(SetupError, match=r"\[resolver\]"):
            make_resolver(Config(resolver=ResolverConfig(vantages=(wrong,))))


@pytest.mark.parametrize(
    ("public", "at", "shown"),
    [
        ("", "http://127.0.0.1:4321", "http://127.0.0.1:4321"),
        ("https://mail.example.net/", "http://127.0.0.1:4321", "https://mail.example.net"),
        ("https://example.net/mail", "", "https://example.net/mail"),
        ("", "", "http://127.0.0.1:8080"),
    ],
)
def test_links_lead_to_the_public_url_or_to_where_the_api_is(public: str, at: str, shown: str) -> None:
    links = links_of(replace(with_dns(), api=ApiConfig(public_url=public)), at, "000000000001")
    assert links.public_url == shown
    assert links.mail_from == "no-reply@dkim.example.net"


@pytest.mark.parametrize(
    "wrong", ["mail.example.net", "ftp://x", "https://a b", "https://x/?a=b", "https://é"]
)
def test_a_public_url_that_is_none_stops_the_start(wrong: str) -> None:
    with pytest.raises(SetupError, match="public_url"):
        links_of(replace(with_dns(), api=ApiConfig(public_url=wrong)), "", "000000000001")


@pytest.mark.parametrize("wrong", ["no-reply", "Us <a@example.net>", "a@b", "a@example.net\nBcc: x"])
def test_a_sender_that_is_no_address_stops_the_start(wrong: str) -> None:
    with pytest.raises(SetupError, match="verification_from"):
        links_of(replace(with_dns(), sending=SendingConfig(verification_from=wrong)), "", "000000000001")


def test_a_region_may_have_a_hosted_zone_of_its_own() -> None:
    config = with_dns(region_zones=("us-east-1 DKIM-us.example.net",))
    assert region_zones_of(config) == {"us-east-1": "dkim-us.example.net"}


@pytest.mark.parametrize("line", ["eu-west-1 dkim-eu.example.net", "us-east-1", "us-east-1 net"])
def test_a_zone_for_a_region_that_is_not_served_or_no_zone_is_told(line: str) -> None:
    with pytest.raises(SetupError, match="region_zones"):
        region_zones_of(with_dns(region_zones=(line,)))
