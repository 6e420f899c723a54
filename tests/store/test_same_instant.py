"""Two nodes are asked for the same at the same instant: one serial order explains every answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any

import pytest

from mailseal.core.access import Principal
from mailseal.core.commands import CreateIdentity, DkimAttributesInput, PutDkimSigning
from mailseal.core.errors import AlreadyExists, BadRequest, ConcurrentModification, NotFound
from mailseal.core.identity import Identity
from mailseal.core.rotation import SlotState
from mailseal.service import configure, rotate
from mailseal.service.world import World
from mailseal.store.postgresql import PostgresqlStore
from tests.fakes import START, counted_ids, fake_world
from tests.postgresql import server
from tests.store.test_postgresql import tell

ROUNDS = int(os.environ.get("MAILSEAL_SAME_INSTANT", "12"))
AT_ONCE = 4
WHO = Principal("000000000001", "us-east-1", "MSTEST")


async def both(one: Awaitable[Any], two: Awaitable[Any]) -> list[Any]:
    """What two calls came to that began at once; whatever is no refusal ends the test."""
    came = await asyncio.gather(one, two, return_exceptions=True)
    refusals = (AlreadyExists, BadRequest, ConcurrentModification, NotFound)
    for answer in came:
        if isinstance(answer, BaseException) and not isinstance(answer, refusals):
            raise answer
    return came


async def look(world: World, domain: str) -> Identity:
    """The identity, which has one set of keys and no other."""
    identity = await configure.get_identity(world, WHO, domain, START)
    slots = identity.slots
    assert len({slot.token for slot in slots}) == 3
    assert sum(slot.state is SlotState.ACTIVE for slot in slots) == 1
    assert sum(slot.state is SlotState.NEXT for slot in slots) <= 1
    keys = [slot.key.key_id for slot in slots if slot.key is not None]
    assert len(keys) == len(set(keys))
    for key_id in keys:
        assert await world.store.read(lambda tx, key_id=key_id: tx.keys.load(key_id)) is not None
    return identity


def create(world: World, domain: str) -> Awaitable[Identity]:
    return configure.create_identity(world, WHO, CreateIdentity(domain), START)


def shorten(world: World, domain: str) -> Awaitable[Identity]:
    wanted = DkimAttributesInput(next_key_bits=1024)
    return configure.put_dkim_signing(world, WHO, PutDkimSigning(domain, "AWS_SES", wanted), START)


async def one_domain(worlds: list[World], domain: str) -> None:
    """Everything that two clients may want of one domain, twice at once."""
    one, two = worlds
    came = await both(create(one, domain), create(two, domain))
    assert sorted(type(answer).__name__ for answer in came) == ["AlreadyExists", "Identity"]
    made = await look(one, domain)
    assert made == await look(two, domain), "both nodes tell the same"

    came = await both(shorten(one, domain), shorten(two, domain))
    assert any(isinstance(answer, Identity) for answer in came)
    assert {slot.token for slot in (await look(two, domain)).slots} == {slot.token for slot in made.slots}

    came = await both(
        rotate.rotate_identity(one, WHO, domain, START), rotate.rotate_identity(two, WHO, domain, START)
    )
    assert any(isinstance(answer, Identity) for answer in came)
    await look(one, domain)

    deleted, created = await both(configure.delete_identity(one, WHO, domain, START), create(two, domain))
    assert deleted is None
    if isinstance(created, AlreadyExists):
        with pytest.raises(NotFound):
            await configure.get_identity(two, WHO, domain, START)
    else:
        assert (await look(one, domain)).version == created.version


@pytest.mark.needs_debian("postgresql")
def test_of_two_calls_at_the_same_instant_one_wins_and_there_is_one_set_of_keys() -> None:
    async def story(stores: list[PostgresqlStore]) -> None:
        worlds = [
            fake_world(store, new_id=counted_ids(f"node{number}")) for number, store in enumerate(stores)
        ]
        for start in range(0, ROUNDS, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, ROUNDS))
            await asyncio.gather(*(one_domain(worlds, f"d{number}.example.com") for number in numbers))
        places = await stores[0].read(lambda tx: tx.access_keys.places_taken(WHO.account_id, WHO.region))
        listed = await stores[0].read(lambda tx: sum(tx.identities.count_by_status().values()))
        assert places == listed

    tell(server().database(), story)
