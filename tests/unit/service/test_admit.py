"""Who is asking, whether they may, and how often: a stranger learns nothing, a tenant has what is theirs."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailseal.core.access import AccessKey, Account, Permissions, Principal
from mailseal.core.commands import CreateIdentity, ListIdentities
from mailseal.core.errors import (
    AccessDenied,
    AlreadyExists,
    LimitExceeded,
    NotFound,
    SignatureDoesNotMatch,
    TooManyRequests,
)
from mailseal.core.limits import Limits, Rate
from mailseal.service import identities, listing
from mailseal.service.admit import Gate, OpenedKeys, Rates, permit
from tests.unit.service.scenes import ELSEWHERE, MAIL, WHO, scene, status

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
KEY = AccessKey("AKIAONE", "000000000001", "secret-one")


@dataclass
class Remembered:
    """A store and a keyring of access keys, and how often the keyring was asked."""

    keys: dict[str, AccessKey] = field(default_factory=lambda: {KEY.access_key_id: KEY})
    opened: int = 0
    stored: dict[str, AccessKey] = field(default_factory=dict)

    @property
    def store(self) -> Any:
        async def read(unit: Any) -> Any:
            return unit(SimpleNamespace(access_keys=SimpleNamespace(look_up=self._look_up)))

        return SimpleNamespace(read=read)

    def _look_up(self, name: str) -> tuple[AccessKey, bytes, bool]:
        found = self.keys.get(name)
        if found is None:
            return self._same(AccessKey("decoy", "000000000000")), b"", False
        sealed = f"sealed access-key/{name} {found.secret}".encode()
        return self._same(replace(found, secret="")), sealed, True

    def _same(self, key: AccessKey) -> AccessKey:
        """As long as a row says the same, it is decoded to the same object."""
        known = self.stored.get(key.access_key_id)
        if known != key:
            self.stored[key.access_key_id] = known = key
        return known

    @property
    def keyring(self) -> Any:
        def open_secret(name: str, sealed: bytes) -> bytes:
            self.opened += 1
            assert sealed.startswith(b"sealed " + name.encode()), "sealed for another key"
            return sealed.rpartition(b" ")[2]

        return SimpleNamespace(open_secret=open_secret)


def find(gate: Gate, world: Remembered, name: str) -> AccessKey | None:
    return asyncio.run(gate.find(world, name))


def test_a_known_key_comes_with_its_secret_which_is_opened_once() -> None:
    gate, world = Gate(), Remembered()
    assert find(gate, world, "AKIAONE") == find(gate, world, "AKIAONE") == KEY
    assert world.opened == 1


def test_a_key_that_was_disabled_is_refused_from_the_next_request_on() -> None:
    gate, world = Gate(), Remembered()
    assert find(gate, world, "AKIAONE") == KEY
    world.keys["AKIAONE"] = replace(KEY, enabled=False)
    assert find(gate, world, "AKIAONE") is None
    world.keys["AKIAONE"] = KEY
    assert find(gate, world, "AKIAONE") == KEY


def test_a_new_secret_is_taken_over_at_once() -> None:
    gate, world = Gate(), Remembered()
    find(gate, world, "AKIAONE")
    world.keys["AKIAONE"] = replace(KEY, secret="other")
    found = find(gate, world, "AKIAONE")
    assert found is not None
    assert found.secret == "other"


def test_a_key_that_was_made_just_now_is_known_although_it_was_asked_for_before() -> None:
    gate, world = Gate(), Remembered()
    assert find(gate, world, "AKIATWO") is None
    world.keys["AKIATWO"] = replace(KEY, access_key_id="AKIATWO")
    assert find(gate, world, "AKIATWO") is not None


def test_secrets_in_the_clear_are_bounded_and_unknown_keys_take_no_memory() -> None:
    keys, world = OpenedKeys(capacity=10), Remembered()
    for number in range(50):
        keys.opened(
            world.keyring, AccessKey(f"AKIA{number}", "1"), f"sealed access-key/AKIA{number} s".encode()
        )
    assert len(keys._kept) == 10
    gate, stranger = Gate(), Remembered()
    for number in range(50):
        assert find(gate, stranger, f"AKIA{number}") is None
    assert list(gate._keys._kept) == ["decoy"]
    assert stranger.opened == 0


def test_a_key_that_is_named_as_the_decoy_is_a_key_as_any_other() -> None:
    gate, world = Gate(), Remembered()
    assert find(gate, world, "nobody") is None
    world.keys["decoy"] = replace(KEY, access_key_id="decoy")
    assert find(gate, world, "decoy") == world.keys["decoy"]
    assert find(gate, world, "nobody") is None


def test_whoever_proves_the_secret_is_the_principal_with_the_keys_permissions() -> None:
    allowed = Permissions(("ses:Get*",), ("example.com",))
    key = replace(KEY, permissions=allowed)
    who = Gate().admit(key, "AKIAONE", "us-east-1", lambda secret: secret == "secret-one")
    assert who == Principal("000000000001", "us-east-1", "AKIAONE", allowed)
    assert not who.is_operator


@pytest.mark.parametrize("key", [KEY, None])
def test_whoever_does_not_prove_it_learns_nothing_about_the_key(key: AccessKey | None) -> None:
    tried: list[str] = []

    def proves(secret: str) -> bool:
        tried.append(secret)
        return False

    with pytest.raises(SignatureDoesNotMatch) as told:
        Gate().admit(key, "AKIAONE", "us-east-1", proves)
    assert len(tried) == 1, "an unknown key costs the same work"
    assert "AKIA" not in told.value.message + told.value.hint


def test_the_decoy_admits_nobody_even_when_it_is_proven() -> None:
    with pytest.raises(SignatureDoesNotMatch):
        Gate().admit(None, "AKIAONE", "us-east-1", lambda secret: True)


def test_guests_come_in_with_any_key_that_does_not_exist_and_with_no_other() -> None:
    gate = Gate(guests="000000000009")
    who = gate.admit(None, "test", "us-east-1", lambda secret: False)
    assert who == Principal("000000000009", "us-east-1", "test")
    with pytest.raises(SignatureDoesNotMatch):
        gate.admit(KEY, "AKIAONE", "us-east-1", lambda secret: False)


def test_a_rate_is_an_accounts_and_a_regions_own() -> None:
    gate, key = Gate(), replace(KEY, limits=Limits(rate=Rate(1, 2)))
    gate.within_rate(key, "us-east-1", NOW)
    gate.within_rate(key, "us-east-1", NOW)
    with pytest.raises(TooManyRequests) as told:
        gate.within_rate(key, "us-east-1", NOW)
    assert told.value.message == "Rate exceeded"
    gate.within_rate(key, "eu-west-1", NOW)
    gate.within_rate(replace(key, account_id="000000000002"), "us-east-1", NOW)
    gate.within_rate(
        replace(key, access_key_id="another of the same"), "us-east-1", NOW + timedelta(seconds=1)
    )


def test_without_a_rate_nobody_is_counted() -> None:
    gate = Gate()
    for _ in range(1000):
        gate.within_rate(KEY, "us-east-1", NOW)
    assert len(gate._rates._buckets) == 0


def test_buckets_are_bounded_and_the_one_unused_longest_goes_first() -> None:
    rates, rate = Rates(capacity=2), Rate(1, 1)
    for account in ("a", "b", "c"):
        rates.pass_one(account, "us-east-1", rate, NOW)
    assert [account for account, _ in rates._buckets] == ["b", "c"]


def test_what_is_not_permitted_is_refused_in_awss_words() -> None:
    who = replace(WHO, permissions=Permissions(("ses:GetEmailIdentity",), ("example.com",)))
    permit(who, "GetEmailIdentity", "example.com")
    with pytest.raises(AccessDenied) as told:
        permit(who, "DeleteEmailIdentity", "example.com")
    assert told.value.message == (
        "User: arn:aws:iam::000000000001:user/MSTEST is not authorized to perform: ses:DeleteEmailIdentity "
        "on resource: arn:aws:ses:us-east-1:000000000001:identity/example.com"
    )


async def with_limits(stage: Any, **limits: Any) -> None:
    account = Account(WHO.account_id, limits=Limits(**limits))

    def unit(tx: Any) -> None:
        tx.access_keys.add_account(account.account_id, NOW)
        assert tx.access_keys.set_account(account)

    await stage.world.store.write(unit)


def test_an_account_at_its_limit_gets_no_more_identities_in_that_region(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await with_limits(stage, identities=2)
            await stage.create("one.example")
            await stage.create("two.example")
            with pytest.raises(LimitExceeded, match="limit of 2 identities in us-east-1"):
                await stage.create("three.example")
            await stage.create("three.example", ELSEWHERE)
            await stage.delete(name="one.example")
            await stage.create("three.example")

    asyncio.run(story())


def test_an_account_without_a_limit_is_not_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await with_limits(stage, identities=None)
            for name in ("one.example", "two.example", "three.example"):
                await stage.create(name)

    asyncio.run(story())


def test_a_replica_made_without_the_permission_on_its_parent_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await stage.create()
            await stage.proven()
            barred = replace(ELSEWHERE, permissions=Permissions(("ses:Create*", "ses:Get*", "ses:Put*")))
            made = await stage.create(who=barred, origin="AWS_SES_US_EAST_1")
            await stage.work()
            await stage.work(6)
            seen = await stage.get(ELSEWHERE)
            assert seen.newest.proof.error_type == "REPLICATION_ACCESS_DENIED"
            assert status(made) == "PENDING"
            # Asked for again by one who may, it is a replica as any other.
            await stage.put("AWS_SES_US_EAST_1", ELSEWHERE)
            await stage.work()
            await stage.work(6)
            assert status(await stage.get(ELSEWHERE)) == "SUCCESS"

    asyncio.run(story())


def test_a_replica_needs_the_permission_on_that_very_name(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await stage.create()
            await stage.proven()
            only = Permissions(("ses:*",), ("other.example",))
            await stage.create(who=replace(ELSEWHERE, permissions=only), origin="AWS_SES_US_EAST_1")
            await stage.work()
            seen = await stage.get(ELSEWHERE)
            assert seen.newest.proof.error_type == "REPLICATION_ACCESS_DENIED"

    asyncio.run(story())


def test_mail_is_sent_only_as_an_identity_that_the_key_may_send_as(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await stage.create()
            await stage.proven()
            barred = replace(WHO, permissions=Permissions(("ses:SendEmail",), ("other.example",)))
            with pytest.raises(AccessDenied, match=r"ses:SendEmail on resource: \S+identity/example.com"):
                await stage.send(barred)
            assert stage.next_hop.given == []
            allowed = replace(WHO, permissions=Permissions(("ses:SendEmail",), ("example.*",)))
            assert await stage.send(allowed) != MAIL

    asyncio.run(story())


def test_places_are_counted_as_they_are_whatever_is_made_refused_and_deleted(tmp_path: Path) -> None:
    names = ["one.example", "two.example", "me@one.example", "you@two.example"]

    async def counted(stage: Any, who: Principal) -> tuple[int, int]:
        page = await listing.list_identities(stage.world, who, ListIdentities(100), stage.clock.now())
        taken = await stage.world.store.read(
            lambda tx: tx.access_keys.places_taken(who.account_id, who.region)
        )
        return taken, len(page.items)

    async def story() -> None:
        async with scene(tmp_path) as stage:
            chance = random.Random(11)
            for _ in range(120):
                who, name = chance.choice([WHO, ELSEWHERE]), chance.choice(names)
                with suppress(AlreadyExists, NotFound):
                    if chance.random() < 0.6:
                        command = CreateIdentity(name)
                        await identities.create_identity(stage.world, who, command, stage.clock.now())
                    else:
                        await identities.delete_identity(stage.world, who, name, stage.clock.now())
                taken, listed = await counted(stage, who)
                assert taken == listed

    asyncio.run(story())
