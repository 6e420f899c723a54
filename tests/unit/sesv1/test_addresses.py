"""Addresses through the query API: a mail with a link, what they inherit, and their own switch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailseal.service import addresses
from tests.unit.service.scenes import DOMAIN
from tests.unit.sesv1.rig import Rig, play

ME = "Me.Too@example.com"


@pytest.mark.parametrize("action", ["VerifyEmailIdentity", "VerifyEmailAddress"])
def test_an_address_is_proven_by_the_link_that_is_mailed_to_it(tmp_path: Path, action: str) -> None:
    async def story(here: Rig) -> None:
        assert await here.call(action, EmailAddress=ME) == {}
        asked = await here.call("GetIdentityVerificationAttributes", Identities=[ME])
        assert asked == {"VerificationAttributes": {ME: {"VerificationStatus": "Pending"}}}
        envelope, mail = here.here.next_hop.given[-1]
        assert envelope.recipients == (ME,)
        found = re.search(rb"/mailseal/verify/([\w-]+)", mail.replace(b"=\r\n", b""))
        assert found is not None
        await addresses.use_link(here.here.world, found[1].decode(), here.here.clock.now())
        asked = await here.call("GetIdentityVerificationAttributes", Identities=[ME])
        assert asked["VerificationAttributes"][ME] == {"VerificationStatus": "Success"}
        assert await here.call("ListIdentities", IdentityType="EmailAddress") == {"Identities": [ME]}

    play(tmp_path, story)


def test_asking_again_mails_another_link(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyEmailIdentity", EmailAddress=ME)
        here.here.clock.advance(hours=25)
        await here.call("VerifyEmailIdentity", EmailAddress=ME)
        assert len(here.here.next_hop.given) == 2

    play(tmp_path, story)


def test_an_address_has_its_domains_dkim_and_a_switch_of_its_own(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyEmailIdentity", EmailAddress=ME)
        asked = await here.call("GetIdentityDkimAttributes", Identities=[ME])
        alone = {"DkimEnabled": False, "DkimVerificationStatus": "NotStarted"}
        assert asked == {"DkimAttributes": {ME: alone}}
        refused = await here.answer("SetIdentityDkimEnabled", Identity=ME, DkimEnabled=True)
        sentence = "Domain example.com is not verified for DKIM signing."
        assert refused.error == (400, "InvalidParameterValue", sentence)
        tokens = (await here.call("VerifyDomainDkim", Domain=DOMAIN))["DkimTokens"]
        await here.call("SetIdentityDkimEnabled", Identity=ME, DkimEnabled=False)
        asked = await here.call("GetIdentityDkimAttributes", Identities=[ME, DOMAIN])
        pending = {"DkimVerificationStatus": "Pending", "DkimTokens": tokens}
        assert asked["DkimAttributes"] == {
            ME: {"DkimEnabled": False, **pending},
            DOMAIN: {"DkimEnabled": True, **pending},
        }

    play(tmp_path, story)


def test_an_address_is_deleted_and_its_domain_stays(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        await here.call("VerifyEmailIdentity", EmailAddress=ME)
        await here.call("DeleteIdentity", Identity=ME)
        await here.call("DeleteIdentity", Identity=ME)
        assert await here.call("ListIdentities") == {"Identities": [DOMAIN]}

    play(tmp_path, story)


@pytest.mark.parametrize("name", ["nobody", "@example.com", "a b@example.com", "a@", '"a"@example.com'])
def test_what_is_no_address_is_refused(tmp_path: Path, name: str) -> None:
    async def story(here: Rig) -> None:
        answer = await here.answer("VerifyEmailIdentity", EmailAddress=name)
        assert answer.error[:2] == (400, "InvalidParameterValue")
        assert here.here.next_hop.given == []

    play(tmp_path, story)
