"""Two signatures from one call, and a retired key that ends at a URL: the whole application on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailseal.cli.asking import LocalWay, ask, identity_path
from tests.journeys.rig import Rig, running_rig, selector_of

DOMAIN = "example.com"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path, keys="publish_retired_after_days = 30") as running:
        yield running


def native(rig: Rig, method: str, rest: str = "", body: Any = None) -> Any:
    """What the native API says over the control socket."""
    return ask(LocalWay(rig.config), method, identity_path(DOMAIN, rest), body=body)


def send(ses: Any, number: int) -> None:
    ses.send_email(
        FromEmailAddress=f"hello@{DOMAIN}",
        Destination={"ToAddresses": ["you@example.org"]},
        Content={"Simple": {"Subject": {"Data": f"mail {number}"}, "Body": {"Text": {"Data": "text"}}}},
    )


def proven(rig: Rig) -> Any:
    """A client, after the domain was created, its records published and seen."""
    ses = rig.client()
    ses.create_email_identity(EmailIdentity=DOMAIN)
    rig.publish(DOMAIN)
    rig.advance(seconds=60, steps=10)
    assert rig.dkim_status(DOMAIN) == "SUCCESS"
    return ses


def verified(rig: Rig, mail: bytes) -> list[bool]:
    """What dkimpy says of each signature, from the top, its keys fetched through the DNS."""
    count = mail.lower().count(b"\r\ndkim-signature:") + mail.lower().startswith(b"dkim-signature:")
    found = [dkim.DKIM(mail).verify(idx=number, dnsfunc=rig.text_at) for number in range(count)]
    return [bool(one) for one in found]


def page(rig: Rig, rest: str) -> tuple[int, str]:
    """Status and text of a page that needs no credentials."""
    try:
        with urlopen(f"{rig.app.api_url}/mailseal/retired-keys/{rest}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()


def test_a_domain_that_asks_for_it_gets_a_second_signature_and_ses_tells_of_three_tokens(rig: Rig) -> None:
    ses = proven(rig)
    send(ses, 1)
    members = native(rig, "PUT", body={"ed25519": "on"})
    assert (members["ed25519"]["wanted"], members["ed25519"]["seen"]) == (True, False)
    assert [one["type"] for one in native(rig, "GET", "records")["records"]] == ["CNAME"] * 5
    send(ses, 2)
    rig.publish(DOMAIN)
    rig.advance(minutes=10, steps=10)
    send(ses, 3)
    assert [verified(rig, mail) for mail in rig.mails()] == [[True], [True], [True, True]]
    told = ses.get_email_identity(EmailIdentity=DOMAIN)["DkimAttributes"]
    assert (told["Status"], len(told["Tokens"])) == ("SUCCESS", 3)
    signed_with = native(rig, "GET")["signed_with"]
    assert selector_of(rig.mails()[-1]) == signed_with["selector"] == told["Tokens"][0]
    assert signed_with["ed25519_selector"] not in told["Tokens"]
    checked = native(rig, "POST", "check")
    assert len(checked["records"]) == 3
    assert [one["finding"] for one in checked["ed25519_records"]] == ["MATCH", "MATCH"]
    native(rig, "PUT", body={"ed25519": "off"})
    send(ses, 4)
    assert verified(rig, rig.mails()[-1]) == [True]
    assert verified(rig, rig.mails()[2]) == [True, True]


def test_a_rotation_turns_both_keys_and_the_retired_ones_end_at_a_url(rig: Rig) -> None:
    ses = proven(rig)
    native(rig, "PUT", body={"ed25519": "on"})
    rig.publish(DOMAIN)
    rig.advance(minutes=10, steps=10)
    send(ses, 1)
    before = native(rig, "GET")["signed_with"]
    native(rig, "POST", "rotate", body={})
    rig.advance(minutes=10, steps=10)
    send(ses, 2)
    after = native(rig, "GET")["signed_with"]
    assert {before["selector"], before["ed25519_selector"]}.isdisjoint(
        {after["selector"], after["ed25519_selector"]}
    )
    assert [verified(rig, mail) for mail in rig.mails()] == [[True, True], [True, True]]
    rig.advance(days=9, steps=3)
    rig.advance(hours=4, steps=4)
    assert page(rig, DOMAIN)[0] == 404
    rig.advance(days=31, steps=4)
    status, text = page(rig, DOMAIN)
    assert (status, text.count("BEGIN PRIVATE KEY")) == (200, 2)
    for selector in (before["selector"], before["ed25519_selector"]):
        status, text = page(rig, f"{DOMAIN}/{selector}")
        assert (status, f"Selector: {selector}._domainkey.{DOMAIN}" in text) == (200, True)
        load_pem_private_key(text.encode(), None)
    for selector in (after["selector"], after["ed25519_selector"]):
        assert page(rig, f"{DOMAIN}/{selector}")[0] == 404
    rig.stop()
    rig.keys = ""
    rig.start()
    assert page(rig, DOMAIN)[0] == 404
    rig.stop()
    rig.keys = "publish_retired_after_days = 30"
    rig.start()
    rig.advance(days=31, steps=2)
    assert page(rig, DOMAIN)[0] == 404
