"""Who may send as whom: the most specific proven identity, and nobody by another account's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailseal.core import addressid
from mailseal.core.access import Principal
from mailseal.core.addresses import Mailbox
from mailseal.core.addressid import AddressIdentity, AddressName
from mailseal.core.errors import AccessDenied, BadRequest
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.sending import Covering, check_identity_arn, not_verified, send_as
from tests.unit.core.scenes import ACCOUNT, REGION, START, easy_identity

WHO = Principal(ACCOUNT, REGION, "MSTEST")
ME = Mailbox("me+news", "news.example.com")


def domain(name: str, *, proven: bool = True, enabled: bool = True) -> Identity:
    identity = replace(easy_identity(), name=name, signing_enabled=enabled)
    return replace(identity, signing=identity.newest if proven else None)


def address(name: str, *, proven: bool = True) -> AddressIdentity:
    local, _, host = name.partition("@")
    made = addressid.created(ACCOUNT, REGION, AddressName(local, host), START).address
    return replace(made, status=DkimStatus.SUCCESS if proven else DkimStatus.PENDING)


def test_the_most_specific_proven_identity_wins() -> None:
    domains = [domain("example.com"), domain("news.example.com")]
    addresses = [address("me@news.example.com"), address("me+news@news.example.com")]
    chosen = send_as(Covering(domains, addresses))
    assert chosen is not None
    assert chosen.name == "me+news@news.example.com"
    assert chosen.key is not None
    assert chosen.key.sdid == "news.example.com"
    waiting = [
        address("me+news@news.example.com", proven=False),
        address("me@news.example.com", proven=False),
    ]
    below = send_as(Covering([domains[0], domain("news.example.com", proven=False)], waiting))
    assert below is not None
    assert below.key is not None
    assert (below.name, below.key.sdid) == ("example.com", "example.com")


def test_nobody_covers_what_is_not_proven() -> None:
    unproven = Covering([domain("example.com", proven=False)], [address("me@example.com", proven=False)])
    assert send_as(unproven) is None
    assert send_as(Covering([])) is None


def test_an_address_without_a_proven_domain_is_sent_as_unsigned() -> None:
    chosen = send_as(Covering([domain("example.com", proven=False)], [address("me@example.com")]))
    assert chosen is not None
    assert (chosen.name, chosen.key) == ("me@example.com", None)


@pytest.mark.parametrize(
    ("enabled", "override", "signed"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_what_was_said_for_the_address_goes_before_its_domain(
    enabled: bool, override: bool | None, signed: bool
) -> None:
    chosen = send_as(Covering([domain("example.com", enabled=enabled)], signing_override=override))
    assert chosen is not None
    assert (chosen.key is not None) is signed


def test_an_identity_that_was_named_has_to_be_proven() -> None:
    covering = Covering([domain("example.com")], [address("me@example.com", proven=False)])
    assert send_as(covering, "me@example.com") is None
    assert send_as(covering, "news.example.com") is None
    assert send_as(covering, "example.com") is not None


def test_the_refusal_names_region_and_addresses_as_ses_does() -> None:
    assert not_verified(["a@x.example", "b@y.example"], "eu-west-1").message == (
        "Email address is not verified. The following identities failed the check in region EU-WEST-1: "
        "a@x.example, b@y.example"
    )


def arn(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:ses:{region}:{account}:identity/{name}"


@pytest.mark.parametrize(
    "name", ["me+news@news.example.com", "me@NEWS.example.com", "news.example.com", "Example.COM"]
)
def test_an_identity_that_covers_the_address_may_be_named(name: str) -> None:
    local, at, host = name.rpartition("@")
    assert check_identity_arn(arn(name), ME, WHO) == f"{local}{at}{host.lower()}"


@pytest.mark.parametrize(
    "wrong",
    [
        arn("Me@news.example.com"),
        arn("other.example.com"),
        arn("com"),
        arn("example.com", region="eu-west-1"),
        arn("b.news.example.com"),
        "example.com",
        "arn:aws:ses:us-east-1:1:identity/example.com",
        "arn:aws:sns:us-east-1:000000000001:identity/example.com",
        arn("example.com") + "\n",
        "",
    ],
)
def test_an_identity_that_does_not_cover_the_address_is_refused(wrong: str) -> None:
    with pytest.raises(BadRequest):
        check_identity_arn(wrong, ME, WHO)


def test_another_accounts_identity_is_denied_in_awss_words() -> None:
    theirs = arn("example.com", account="000000000002")
    with pytest.raises(AccessDenied) as told:
        check_identity_arn(theirs, ME, WHO)
    assert told.value.message == (
        "User: arn:aws:iam::000000000001:user/MSTEST is not authorized to perform: ses:SendEmail "
        f"on resource: {theirs}"
    )
