"""From configuration to milter and signatures: each wrong value is told in words that name its key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mailseal.app.milter import terms_of
from mailseal.app.signing import operator_domain_of, sign_options_of
from mailseal.config import ApiConfig, Config, MilterConfig, SetupError, SigningConfig
from mailseal.dkim.sign import DEFAULT
from mailseal.milter.admission import Place

REGIONS = ApiConfig(regions=("us-east-1", "eu-west-1"))


def milter(**values: Any) -> Config:
    return Config(milter=replace(MilterConfig(), **values), api=REGIONS)


def signing(**values: Any) -> Config:
    return Config(signing=replace(SigningConfig(), **values))


def test_accounts_logins_and_networks_are_what_the_configuration_says() -> None:
    logins = ("me 000000000002 eu-west-1", "*@Example.com 000000000003")
    terms = terms_of(milter(account="000000000001", logins=logins, sign_networks=("192.0.2.0/24",)))
    assert terms.place == Place("000000000001", "us-east-1")
    assert terms.logins == {
        "me": Place("000000000002", "eu-west-1"),
        "*@example.com": Place("000000000003", "us-east-1"),
    }
    assert terms.sign_networks == (ip_network("192.0.2.0/24"),)
    assert terms_of(milter(account="000000000001", region="eu-west-1")).place == Place(
        "000000000001", "eu-west-1"
    )
    assert terms_of(milter()).place is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"account": "me"}, "names no account"),
        ({"account": "000000000001", "region": "mars-1"}, "names no region"),
        ({"logins": ("me",)}, "is not a login"),
        ({"logins": ("",)}, "is not a login"),
        ({"logins": ("me 000000000001 us-east-1 more",)}, "names no region"),
        ({"sign_networks": ("127.0.0.1/8",)}, "sign_networks"),
    ],
)
def test_what_is_said_wrongly_of_the_milter_names_its_key(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        terms_of(milter(**values))


def test_signatures_are_what_they_always_were_where_nothing_is_said() -> None:
    assert sign_options_of(Config()) == DEFAULT
    assert operator_domain_of(Config()) == ""
    assert operator_domain_of(signing(operator_domain="MX.example.net")) == "mx.example.net"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"headers": ("not a name",)}, "not the name of a header field"),
        ({"headers": ("Received",)}, "cannot be signed"),
        ({"headers": ("dkim-signature",)}, "cannot be signed"),
        ({"oversign": ("X-Mailer",)}, "which is not signed"),
    ],
)
def test_what_is_said_wrongly_of_signatures_names_its_key(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        sign_options_of(signing(**values))


def test_an_operator_domain_has_to_be_one() -> None:
    with pytest.raises(SetupError, match="operator_domain"):
        operator_domain_of(signing(operator_domain="not a domain"))
