"""Replicas: one region's identity signs with the key of another's, and everything the parent does follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailseal.core.errors import BadRequest
from mailseal.core.identity import dkim_attributes, verification
from mailseal.sandbox.accounts import delete_identities
from mailseal.service import rotate
from tests.unit.service.scenes import DOMAIN, ELSEWHERE, WHO, Scene, status
from tests.unit.service.test_spine import OWN_KEY, check_signature, play, selector_of

PARENT = "AWS_SES_US_EAST_1"


def test_a_replica_has_its_parents_tokens_and_signs_with_its_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        parent = await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        await here.work()
        await here.work(6)
        replica = await here.get(ELSEWHERE)
        shown = dkim_attributes(replica)
        assert (shown.tokens, shown.origin) == (dkim_attributes(parent).tokens, PARENT)
        assert (shown.next_bits, shown.current_bits, status(replica)) == (2048, 2048, "SUCCESS")
        signed = await here.send(ELSEWHERE)
        assert selector_of(signed) == parent.slots[0].token
        check_signature(here, signed)

    play(tmp_path, story)


def test_a_rotation_of_the_parent_is_the_replicas_too(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        for _ in range(2):
            await here.work(6)
        await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now())
        for _ in range(6):
            await here.work(30)
            check_signature(here, await here.send(ELSEWHERE))
        parent = await here.get()
        assert selector_of(await here.send(ELSEWHERE)) == parent.slots[1].token
        with pytest.raises(BadRequest, match="replica of us-east-1"):
            await rotate.rotate_identity(here.world, ELSEWHERE, DOMAIN, here.clock.now())

    play(tmp_path, story)


def test_a_length_change_of_the_parent_shows_in_the_replica(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        await here.put("AWS_SES", next_key_bits=1024)
        shown = dkim_attributes(await here.get(ELSEWHERE))
        assert (shown.next_bits, shown.current_bits) == (1024, 2048)

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("origin", "error"),
    [
        ("AWS_SES_US_EAST_1", "REPLICATION_PRIMARY_NOT_FOUND"),
        ("AWS_SES_EU_WEST_1", "REPLICATION_PRIMARY_INVALID_REGION"),
        ("AWS_SES_SA_EAST_1", "REPLICATION_PRIMARY_INVALID_REGION"),
    ],
)
def test_a_parent_that_cannot_be_one_shows_in_the_verification_info(
    tmp_path: Path, origin: str, error: str
) -> None:
    async def story(here: Scene) -> None:
        await here.create(who=ELSEWHERE, origin=origin)
        await here.work()
        replica = await here.get(ELSEWHERE)
        assert (status(replica), verification(replica).error_type) == ("PENDING", error)
        assert here.dns.asked == []

    play(tmp_path, story)


def test_a_parent_with_an_own_key_cannot_be_one(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create(selector="own", private_key=OWN_KEY)
        await here.create(who=ELSEWHERE, origin=PARENT)
        await here.work()
        seen = verification(await here.get(ELSEWHERE)).error_type
        assert seen == "REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED"

    play(tmp_path, story)


def test_there_is_no_replica_of_a_replica(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create(origin="AWS_SES_EU_WEST_1")
        await here.create(who=ELSEWHERE, origin=PARENT)
        await here.work()
        seen = verification(await here.get(ELSEWHERE)).error_type
        assert seen == "REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED"

    play(tmp_path, story)


def test_a_parent_with_replicas_stays_what_it_is(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        with pytest.raises(BadRequest, match="replicas in eu-west-1 and can't be deleted"):
            await here.delete()
        with pytest.raises(BadRequest, match="can't be moved to BYODKIM"):
            await here.put("EXTERNAL", selector="own", private_key=OWN_KEY)
        with pytest.raises(BadRequest, match="can't become a replica"):
            await here.put("AWS_SES_EU_WEST_1")
        assert (await here.get()).newest == before.newest
        await here.delete(ELSEWHERE)
        await here.delete()

    play(tmp_path, story)


def test_two_identities_that_name_each_other_lend_nothing_and_can_be_deleted(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create(origin="AWS_SES_EU_WEST_1")
        await here.create(who=ELSEWHERE, origin=PARENT)
        await here.delete()
        await here.delete(ELSEWHERE)

    play(tmp_path, story)


def test_a_sandbox_is_emptied_of_parents_and_replicas_alike(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        gone = await delete_identities(here.world, WHO.account_id, here.clock.now())
        assert gone == 2

    play(tmp_path, story)


def test_a_replica_becomes_an_identity_of_its_own_without_a_gap(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        parent = await here.proven()
        await here.create(who=ELSEWHERE, origin=PARENT)
        for _ in range(2):
            await here.work(6)
        own = await here.put("AWS_SES", ELSEWHERE)
        assert set(dkim_attributes(own).tokens).isdisjoint(dkim_attributes(parent).tokens)
        assert selector_of(await here.send(ELSEWHERE)) == parent.slots[0].token
        with pytest.raises(BadRequest):
            await here.delete()
        await here.proven(ELSEWHERE)
        await here.work(120)
        await here.work(62)
        await here.work(62)
        signed = await here.send(ELSEWHERE)
        assert selector_of(signed) in dkim_attributes(own).tokens
        check_signature(here, signed)
        await here.delete()

    play(tmp_path, story)


def test_an_identity_becomes_a_replica_without_a_gap(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        parent = await here.proven()
        await here.create(who=ELSEWHERE)
        own = await here.proven(ELSEWHERE)
        await here.put(PARENT, ELSEWHERE)
        assert selector_of(await here.send(ELSEWHERE)) == own.slots[0].token
        await here.work()
        await here.work(6)
        await here.work(62)
        assert selector_of(await here.send(ELSEWHERE)) == parent.slots[0].token

    play(tmp_path, story)


def test_a_length_for_a_replica_is_refused(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        with pytest.raises(BadRequest, match="not allowed for a replica"):
            await here.create(who=ELSEWHERE, origin=PARENT, next_key_bits=1024)

    play(tmp_path, story)


def test_a_region_may_have_a_hosted_zone_of_its_own(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        here_zone = dkim_attributes(await here.create()).hosted_zone
        there_zone = dkim_attributes(await here.create(who=ELSEWHERE)).hosted_zone
        assert (here_zone, there_zone) == (here.world.hosted_zone, "dkim-eu.example.net")

    play(tmp_path, story, region_zones={"eu-west-1": "dkim-eu.example.net"})
