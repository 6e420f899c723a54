"""What stands beside identities over the real store: set, checked, acted on when mail is sent, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.access import Principal
from mailseal.core.attributes import Attributes, Neighbours, PutConfigurationSet, PutFeedback
from mailseal.core.commands import CreateIdentity, SendEmail, Tag
from mailseal.core.configsets import ConfigurationSet, ListConfigurationSets
from mailseal.core.errors import BadRequest, MailFromDomainNotVerified, NotFound, SendingPaused
from mailseal.core.mailfrom import MailFrom, MxFailure, PutMailFrom
from mailseal.core.names import identity_arn
from mailseal.core.observations import AuthorityReport, Question
from mailseal.core.policies import PutPolicy
from mailseal.core.tagging import TagResource
from mailseal.service import attributes, configsets, identities, mailfrom, send, verify
from tests.fakes import ScriptedDns
from tests.unit.service.scenes import DOMAIN, ELSEWHERE, MAIL, WHO, Scene
from tests.unit.service.test_addresses import ME, ask, prove
from tests.unit.service.test_spine import play

BOUNCE = "bounce.example.com"
SPF = b"v=spf1 include:spf.mx.example.net ~all"
OTHER = Principal("000000000002", "us-east-1", "MSOTHER")


async def put_mail_from(
    here: Scene, domain: str | None = BOUNCE, failure: str = "", name: str = DOMAIN
) -> None:
    command = PutMailFrom(name, domain, MxFailure(failure) if failure else None)
    await mailfrom.put_mail_from(here.world, WHO, command, here.clock.now())


async def beside(here: Scene, name: str = DOMAIN, who: Principal = WHO) -> Neighbours:
    return (await attributes.describe_identity(here.world, who, name, here.clock.now())).beside


async def mail_from(here: Scene, name: str = DOMAIN) -> MailFrom:
    found = (await beside(here, name)).mail_from
    assert found is not None
    return found


async def look(here: Scene, seconds: float = 0) -> str:
    """The MAIL FROM domain's status after the clock moved and all that was due was looked at."""
    here.clock.advance(seconds=seconds)
    await mailfrom.tick(here.world)
    return (await mail_from(here)).proof.status.value


def owner_publishes(here: Scene, domain: str = BOUNCE) -> None:
    here.dns.exchanges[domain] = ("feedback.mx.example.net",)
    here.dns.texts[domain] = (SPF,)


async def proven(here: Scene) -> None:
    await put_mail_from(here)
    owner_publishes(here)
    await look(here)
    assert await look(here, 6) == "SUCCESS"


async def events(here: Scene, name: str = DOMAIN) -> list[str]:
    told = await here.world.store.read(
        lambda tx: tuple(tx.events.list(WHO.account_id, WHO.region, name, 100))
    )
    return [one.text for one in reversed(told) if one.kind == "mail-from"]


def test_a_mail_from_domain_is_searched_found_lost_and_found_again(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await put_mail_from(here)
        assert await look(here) == "PENDING"
        owner_publishes(here)
        assert await look(here, 60) == "PENDING"
        assert await look(here, 6) == "SUCCESS"
        del here.dns.exchanges[BOUNCE]
        for _ in range(3):
            now = await look(here, 4000)
        assert now == "TEMPORARY_FAILURE"
        owner_publishes(here)
        await look(here, 1000)
        assert await look(here, 6) == "SUCCESS"
        assert await events(here) == [
            f"MAIL FROM domain {BOUNCE}: search begun",
            f"MAIL FROM domain {BOUNCE}: PENDING → SUCCESS",
            f"MAIL FROM domain {BOUNCE}: SUCCESS → TEMPORARY_FAILURE",
            f"MAIL FROM domain {BOUNCE}: TEMPORARY_FAILURE → SUCCESS",
        ]

    play(tmp_path, story)


def test_after_72_hours_it_failed_and_asking_again_begins_anew(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await put_mail_from(here)
        while here.clock.now().timestamp() < (await mail_from(here)).proof.since.timestamp() + 71 * 3600:
            assert await look(here, 3600) == "PENDING"
        assert await look(here, 2 * 3600) == "FAILED"
        assert await look(here, 20 * 86400) == "FAILED"
        await put_mail_from(here)
        owner_publishes(here)
        await look(here)
        assert await look(here, 6) == "SUCCESS"

    play(tmp_path, story)


def test_a_dns_that_does_not_answer_is_not_an_absent_mx(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await proven(here)
        here.dns.silent.add(BOUNCE)
        for _ in range(3):
            assert await look(here, 3700) == "SUCCESS"
        assert await look(here, 30 * 3600) == "TEMPORARY_FAILURE"
        for _ in range(30):
            assert await look(here, 6 * 3600) == "TEMPORARY_FAILURE"

    play(tmp_path, story)


def test_resolvers_are_not_asked_while_the_authorities_say_that_it_is_not_there(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await put_mail_from(here)
        await look(here)
        assert [one.type.value for one in here.dns.asked if one.name == BOUNCE] == ["MX", "TXT", "NS"]

    play(tmp_path, story)


def test_a_result_for_a_domain_that_was_changed_meanwhile_means_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        class Slow(ScriptedDns):
            async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport:
                await put_mail_from(here, "mail.example.com")
                return await super().ask_authorities(domain, questions)

        await here.create()
        await put_mail_from(here)
        owner_publishes(here)
        slow = Slow(here.dns.domains, {}, here.dns.texts, here.dns.exchanges)
        world, here.world = here.world, replace(here.world, resolver=slow)
        assert await mailfrom.tick(here.world) == ()
        here.world = world
        found = await mail_from(here)
        assert (found.domain, found.proof.last_checked_at) == ("mail.example.com", None)

    play(tmp_path, story)


def test_a_check_of_an_identity_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await put_mail_from(here)
        due = await mailfrom.claim(here.world, 10)
        await here.delete()
        assert [await mailfrom.check(here.world, one) for one in due] == [None]
        await here.create()
        assert (await beside(here)).mail_from is None

    play(tmp_path, story)


def test_the_worker_has_nothing_to_do_where_no_mail_from_domain_is_due(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        assert await mailfrom.next_due_at(here.world) is None
        assert await mailfrom.claim(here.world, 10) == ()
        await put_mail_from(here)
        assert await mailfrom.next_due_at(here.world) == here.clock.now()
        assert len(await mailfrom.claim(here.world, 10)) == 1
        assert await mailfrom.claim(here.world, 10) == ()

    play(tmp_path, story)


def test_check_now_looks_at_it_at_once_and_keeps_what_was_seen(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await mailfrom.check_now(here.world, WHO, DOMAIN)
        await put_mail_from(here)
        await mailfrom.check_now(here.world, WHO, "Example.com")
        place = (WHO.account_id, WHO.region, DOMAIN)
        report = await here.world.store.read(lambda tx: tx.mail_from.report(*place))
        assert report is not None
        assert '"type":"MX"' in report
        assert '"value":"10 feedback.mx.example.net"' in report
        await verify.check_now(here.world, WHO, DOMAIN, here.clock.now())

    play(tmp_path, story)


async def sender_of(here: Scene, raw: bytes = MAIL, **members: str) -> str:
    """The envelope sender with which a message went out."""
    await send.send_email(here.world, WHO, SendEmail(raw=raw, **members), here.clock.now())
    return here.next_hop.given[-1][0].mail_from


def test_mail_leaves_by_the_mail_from_domain_only_while_that_is_proven(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        assert await sender_of(here) == "news@example.com"
        await put_mail_from(here)
        assert await sender_of(here) == "news@example.com"
        await proven(here)
        first, second = await sender_of(here), await sender_of(here)
        assert first.endswith(f"@{BOUNCE}")
        assert second.endswith(f"@{BOUNCE}")
        assert first != second
        asked = await sender_of(here, feedback_to="bounces@example.com")
        assert asked == "bounces@example.com"
        await put_mail_from(here, None)
        assert await sender_of(here) == "news@example.com"

    play(tmp_path, story)


def test_mail_is_refused_while_its_owner_wants_none_without_the_domain(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        await put_mail_from(here, failure="REJECT_MESSAGE")
        with pytest.raises(MailFromDomainNotVerified):
            await sender_of(here)
        assert here.next_hop.given == []
        await put_mail_from(here, failure="USE_DEFAULT_VALUE")
        assert await sender_of(here) == "news@example.com"

    play(tmp_path, story)


def test_an_address_uses_its_own_mail_from_domain_or_else_that_of_its_domain(tmp_path: Path) -> None:
    raw = MAIL.replace(b"news@example.com", ME.encode())

    async def story(here: Scene) -> None:
        await here.create()
        await prove(here)
        await proven(here)
        assert (await sender_of(here, raw)).endswith(f"@{BOUNCE}")
        await put_mail_from(here, "mine.example.com", name=ME)
        assert await sender_of(here, raw) == ME
        owner_publishes(here, "mine.example.com")
        await look(here)
        await look(here, 6)
        assert (await sender_of(here, raw)).endswith("@mine.example.com")

    play(tmp_path, story)


def test_the_default_configuration_set_is_the_one_that_counts_where_none_is_named(tmp_path: Path) -> None:
    off = {"SendingOptions": {"SendingEnabled": False}}

    async def story(here: Scene) -> None:
        now = here.clock.now()
        await here.create()
        await here.proven()
        for wanted in (ConfigurationSet("off", off), ConfigurationSet("on")):
            await configsets.create_configuration_set(here.world, WHO, wanted, now)
        command = PutConfigurationSet(DOMAIN, "off")
        await attributes.put_configuration_set(here.world, WHO, command, now)
        with pytest.raises(SendingPaused, match="Sending is paused for configuration set off"):
            await sender_of(here)
        assert await sender_of(here, configuration_set="on") == "news@example.com"
        with pytest.raises(NotFound, match="Configuration set <no> does not exist"):
            await sender_of(here, configuration_set="no")
        await configsets.delete_configuration_set(here.world, WHO, "off", now)
        assert (await beside(here)).attributes == Attributes()
        assert await sender_of(here) == "news@example.com"

    play(tmp_path, story)


async def everything(here: Scene, name: str) -> None:
    """Every kind of neighbour, set for one identity."""
    world, now = here.world, here.clock.now()
    await attributes.put_feedback(world, WHO, PutFeedback(name, False), now)
    await attributes.put_configuration_set(world, WHO, PutConfigurationSet(name, "news"), now)
    await attributes.create_policy(world, WHO, PutPolicy(name, "p", '{ "a": 1 }'), now)
    arn = identity_arn(WHO.region, WHO.account_id, name)
    await attributes.tag_resource(world, WHO, TagResource(arn, (Tag("k", "v"),)), now)
    await put_mail_from(here, name=name)


@pytest.mark.parametrize("name", [DOMAIN, ME])
def test_identities_of_both_kinds_have_neighbours_and_lose_them_with_their_deletion(
    tmp_path: Path, name: str
) -> None:
    async def story(here: Scene) -> None:
        await configsets.create_configuration_set(here.world, WHO, ConfigurationSet("news"), here.clock.now())
        for other in {DOMAIN, ME}:
            await identities.create_identity(here.world, WHO, CreateIdentity(other), here.clock.now())
        untouched = DOMAIN if name == ME else ME
        await everything(here, name)
        await everything(here, untouched)
        kept = await beside(here, name)
        assert kept.attributes == Attributes(False, "news", (Tag("k", "v"),))
        assert kept.policies == {"p": '{"a":1}'}
        await identities.delete_identity(here.world, WHO, name, here.clock.now())
        with pytest.raises(NotFound):
            await beside(here, name)
        await identities.create_identity(here.world, WHO, CreateIdentity(name), here.clock.now())
        assert await beside(here, name) == Neighbours()
        assert await beside(here, untouched) == kept

    play(tmp_path, story)


def test_another_account_and_another_region_have_neighbours_of_their_own(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        now = here.clock.now()
        for who in (WHO, ELSEWHERE, OTHER):
            await here.create(who=who)
        await configsets.create_configuration_set(here.world, WHO, ConfigurationSet("news"), now)
        await everything(here, DOMAIN)
        for who in (ELSEWHERE, OTHER):
            assert await beside(here, who=who) == Neighbours()
            with pytest.raises(NotFound, match="Configuration set <news> does not exist"):
                await configsets.get_configuration_set(here.world, who, "news", now)
            arn = identity_arn(WHO.region, WHO.account_id, DOMAIN)
            with pytest.raises(BadRequest):
                await attributes.tag_resource(here.world, who, TagResource(arn, (Tag("k", "w"),)), now)

    play(tmp_path, story)


def test_a_failed_creation_leaves_nothing_beside(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        for name in (DOMAIN, ME):
            command = CreateIdentity(name, tags=(Tag("k", "v"),), configuration_set="none")
            with pytest.raises(NotFound):
                await identities.create_identity(here.world, WHO, command, here.clock.now())
        await here.create()
        await ask(here)
        assert await beside(here) == await beside(here, ME) == Neighbours()

    play(tmp_path, story)


def test_changes_of_different_neighbours_at_once_are_all_kept(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        world, now = here.world, here.clock.now()
        await configsets.create_configuration_set(world, WHO, ConfigurationSet("news"), now)
        await here.create()
        arn = identity_arn(WHO.region, WHO.account_id, DOMAIN)
        tags = [TagResource(arn, (Tag(f"k{number}", "v"),)) for number in range(20)]
        await asyncio.gather(
            everything(here, DOMAIN), *(attributes.tag_resource(world, WHO, one, now) for one in tags)
        )
        found = await beside(here)
        assert (found.attributes.feedback_forwarding, found.attributes.configuration_set) == (False, "news")
        assert {tag.key for tag in found.attributes.tags} == {"k", *(f"k{number}" for number in range(20))}

    play(tmp_path, story)


def test_two_creations_of_one_policy_at_once_have_one_winner(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        new = [PutPolicy(DOMAIN, f"p{number // 2}", "{}") for number in range(50)]
        now = here.clock.now()
        results = await asyncio.gather(
            *(attributes.create_policy(here.world, WHO, one, now) for one in new), return_exceptions=True
        )
        assert sum(result is None for result in results) == 20
        assert len((await beside(here)).policies) == 20

    play(tmp_path, story)


def test_a_list_of_configuration_sets_has_every_name_once_over_its_pages(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        names = [f"set-{number:02}" for number in range(7)]
        for name in names:
            await configsets.create_configuration_set(
                here.world, WHO, ConfigurationSet(name), here.clock.now()
            )
        seen: list[str] = []
        token: str | None = None
        for _ in range(9):
            command = ListConfigurationSets(3, token, "SET")
            page = await configsets.list_configuration_sets(here.world, WHO, command, here.clock.now())
            seen += page.names
            token = page.next_token
            if token is None:
                break
            for wrong in (ListConfigurationSets(3, token), ListConfigurationSets(3, token, "set-")):
                with pytest.raises(BadRequest, match="invalid nextToken"):
                    await configsets.list_configuration_sets(here.world, WHO, wrong, here.clock.now())
            again = ListConfigurationSets(3, token, "SET")
            with pytest.raises(BadRequest, match="invalid nextToken"):
                await configsets.list_configuration_sets(here.world, ELSEWHERE, again, here.clock.now())
        assert seen == names

    play(tmp_path, story)
