"""Domains through the query API: asked for, proven, told, switched, taken away, by the one state machine."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mailseal.core.lifecycle import DkimStatus
from tests.fakes import pooled_key
from tests.unit.service.scenes import DOMAIN, ELSEWHERE, status
from tests.unit.sesv1.rig import Rig, play

OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()


def test_verify_domain_dkim_registers_the_domain_and_gives_the_same_tokens_for_ever(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        first = await here.call("VerifyDomainDkim", Domain="Example.COM")
        identity = await here.here.get()
        assert first["DkimTokens"] == [slot.token for slot in identity.slots]
        assert len(set(first["DkimTokens"])) == 3
        assert await here.call("VerifyDomainDkim", Domain=DOMAIN) == first
        await here.call("DeleteIdentity", Identity=DOMAIN)
        assert await here.call("VerifyDomainDkim", Domain=DOMAIN) == first

    play(tmp_path, story)


def test_the_attributes_follow_the_proof(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        tokens = (await here.call("VerifyDomainDkim", Domain=DOMAIN))["DkimTokens"]
        asked = await here.call("GetIdentityDkimAttributes", Identities=[DOMAIN, "unknown.example"])
        pending = {"DkimEnabled": True, "DkimVerificationStatus": "Pending", "DkimTokens": tokens}
        assert asked == {"DkimAttributes": {DOMAIN: pending}}
        await here.here.proven()
        asked = await here.call("GetIdentityDkimAttributes", Identities=[DOMAIN, DOMAIN])
        assert asked["DkimAttributes"][DOMAIN]["DkimVerificationStatus"] == "Success"
        told = await here.call("GetIdentityVerificationAttributes", Identities=[DOMAIN])
        assert told["VerificationAttributes"][DOMAIN]["VerificationStatus"] == "Success"

    play(tmp_path, story)


def test_a_domain_has_one_ownership_token_of_its_own(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        token = (await here.call("VerifyDomainIdentity", Domain=DOMAIN))["VerificationToken"]
        assert len(base64.b64decode(token)) == 32
        assert await here.call("VerifyDomainIdentity", Domain=DOMAIN) == {"VerificationToken": token}
        other = await here.call("VerifyDomainIdentity", Domain="other.example")
        assert other["VerificationToken"] != token
        told = await here.call("GetIdentityVerificationAttributes", Identities=[DOMAIN])
        pending = {"VerificationStatus": "Pending", "VerificationToken": token}
        assert told == {"VerificationAttributes": {DOMAIN: pending}}

    play(tmp_path, story)


def test_a_name_is_told_as_it_was_asked_for(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        asked = await here.call("GetIdentityDkimAttributes", Identities=["EXAMPLE.com"])
        assert list(asked["DkimAttributes"]) == ["EXAMPLE.com"]

    play(tmp_path, story)


@pytest.mark.parametrize("action", ["VerifyDomainDkim", "VerifyDomainIdentity"])
def test_asking_again_restarts_a_search_that_failed_and_no_other(tmp_path: Path, action: str) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        begun = (await here.here.get()).newest.proof.searching_since
        here.here.clock.advance(hours=1)
        await here.call(action, Domain=DOMAIN)
        assert (await here.here.get()).newest.proof.searching_since == begun
        await here.here.work(73 * 3600)
        assert status(await here.here.get()) == "FAILED"
        await here.call(action, Domain=DOMAIN)
        restarted = (await here.here.get()).newest.proof
        assert (restarted.status, restarted.searching_since) == (DkimStatus.PENDING, here.here.clock.now())

    play(tmp_path, story)


def test_a_domain_with_a_key_of_its_own_is_moved_to_easy_dkim(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.here.create(selector="own", private_key=OWN_KEY)
        asked = await here.call("GetIdentityDkimAttributes", Identities=[DOMAIN])
        assert asked["DkimAttributes"][DOMAIN]["DkimTokens"] == ["own"]
        assert len((await here.call("VerifyDomainDkim", Domain=DOMAIN))["DkimTokens"]) == 3

    play(tmp_path, story)


def test_verify_domain_identity_leaves_a_key_of_its_own_alone(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        before = await here.here.create(selector="own", private_key=OWN_KEY)
        await here.call("VerifyDomainIdentity", Domain=DOMAIN)
        assert (await here.here.get()).newest == before.newest

    play(tmp_path, story)


def test_a_replica_stays_one_and_gives_its_parents_tokens(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.here.create(who=ELSEWHERE)
        parent = await here.here.proven(ELSEWHERE)
        await here.here.create(origin="AWS_SES_EU_WEST_1")
        tokens = (await here.call("VerifyDomainDkim", Domain=DOMAIN))["DkimTokens"]
        assert tokens == [slot.token for slot in parent.slots]

    play(tmp_path, story)


def test_the_switch_is_a_switch_and_needs_a_known_domain(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        refused = await here.answer("SetIdentityDkimEnabled", Identity=DOMAIN, DkimEnabled=True)
        sentence = "Domain example.com is not verified for DKIM signing."
        assert refused.error == (400, "InvalidParameterValue", sentence)
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        assert await here.call("SetIdentityDkimEnabled", Identity=DOMAIN, DkimEnabled=False) == {}
        told = (await here.call("GetIdentityDkimAttributes", Identities=[DOMAIN]))["DkimAttributes"][DOMAIN]
        assert (told["DkimEnabled"], told["DkimVerificationStatus"]) == (False, "Pending")

    play(tmp_path, story)


def test_deleting_what_is_not_there_succeeds_silently(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        assert await here.call("DeleteIdentity", Identity="never.example") == {}
        assert await here.call("DeleteIdentity", Identity="no domain") == {}

    play(tmp_path, story)


def test_a_parent_of_replicas_is_not_deleted(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.here.create()
        await here.here.proven()
        await here.here.create(who=ELSEWHERE, origin="AWS_SES_US_EAST_1")
        code, word, sentence = (await here.answer("DeleteIdentity", Identity=DOMAIN)).error
        assert (code, word) == (400, "InvalidParameterValue")
        assert sentence.startswith("Email identity example.com has replicas in eu-west-1")

    play(tmp_path, story)


def test_a_list_is_whole_unless_pages_are_asked_for(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        names = [f"d{number}.example" for number in range(5)]
        for name in names:
            await here.call("VerifyDomainDkim", Domain=name)
        assert await here.call("ListIdentities") == {"Identities": names}
        assert await here.call("ListIdentities", IdentityType="Domain") == {"Identities": names}
        assert await here.call("ListIdentities", IdentityType="EmailAddress") == {"Identities": []}
        first = await here.call("ListIdentities", MaxItems=3)
        assert first["Identities"] == names[:3]
        rest = await here.call("ListIdentities", MaxItems=3, NextToken=first["NextToken"])
        assert rest == {"Identities": names[3:]}
        refused = await here.answer("ListIdentities", NextToken="made up")
        assert refused.error[:2] == (400, "InvalidParameterValue")

    play(tmp_path, story)


def test_a_mail_from_domain_is_set_told_and_taken_away(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        asked = await here.call("GetIdentityMailFromDomainAttributes", Identities=[DOMAIN, "unknown.example"])
        unset = {"MailFromDomainAttributes": {DOMAIN: {"BehaviorOnMXFailure": "UseDefaultValue"}}}
        assert asked == unset
        await here.call(
            "SetIdentityMailFromDomain",
            Identity=DOMAIN,
            MailFromDomain="bounce.example.com",
            BehaviorOnMXFailure="RejectMessage",
        )
        asked = await here.call("GetIdentityMailFromDomainAttributes", Identities=[DOMAIN])
        assert asked["MailFromDomainAttributes"][DOMAIN] == {
            "MailFromDomain": "bounce.example.com",
            "MailFromDomainStatus": "Pending",
            "BehaviorOnMXFailure": "RejectMessage",
        }
        await here.call("SetIdentityMailFromDomain", Identity=DOMAIN)
        assert await here.call("GetIdentityMailFromDomainAttributes", Identities=[DOMAIN]) == unset
        refused = await here.answer("SetIdentityMailFromDomain", Identity="unknown.example")
        sentence = "Identity <unknown.example> does not exist."
        assert refused.error == (400, "InvalidParameterValue", sentence)

    play(tmp_path, story)


@pytest.mark.parametrize(
    "name",
    ["example.com.", "localhost", "192.0.2.1", "a@example.com", "ex ample.com", "bücher.example", "a.local"],
)
def test_what_is_no_domain_is_refused_in_the_words_of_version_1(tmp_path: Path, name: str) -> None:
    async def story(here: Rig) -> None:
        code, word, sentence = (await here.answer("VerifyDomainDkim", Domain=name)).error
        assert (code, word) == (400, "InvalidParameterValue")
        assert sentence.startswith(f"Invalid domain name {name}. ")
        assert await here.call("ListIdentities") == {"Identities": []}

    play(tmp_path, story)
