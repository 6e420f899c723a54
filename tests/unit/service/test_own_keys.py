"""Whose key a customer may bring: nobody else's, and none that we have made ourselves."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest, TooManyRequests
from mailseal.core.identity import ByoDkim
from mailseal.core.keys import KeyPlace
from mailseal.core.limits import Rate
from mailseal.dkim.keys import PrivateKey
from mailseal.service.ownkeys import sealed_own_key
from mailseal.service.world import World
from tests.fakes import START, pooled_key
from tests.unit.service.scenes import DOMAIN, WHO, Scene, scene

STRANGER = replace(WHO, account_id="000000000002")


def text(key: PrivateKey) -> str:
    """A key as SES's member wants it."""
    return base64.b64encode(key.to_pkcs8()).decode()


def own(key: PrivateKey, selector: str = "s1") -> dict[str, Any]:
    return {"selector": selector, "private_key": text(key)}


def play(folder: Path, story: Any, **parts: Any) -> None:
    async def run() -> None:
        async with scene(folder, **parts) as one:
            await story(one)

    asyncio.run(run())


def test_a_key_that_another_account_signs_with_is_refused_without_a_word_of_whose(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        await one.create(**own(pooled_key()))
        with pytest.raises(BadRequest, match="cannot be used here") as refused:
            await one.create("other.example", STRANGER, **own(pooled_key()))
        told = f"{refused.value.message} {refused.value.hint}"
        assert WHO.account_id not in told
        assert DOMAIN not in told
        await one.create("other.example", STRANGER, **own(pooled_key(1)))

    play(tmp_path, story)


def test_good_keys_are_loaded_at_a_rate_and_bad_ones_cost_none_of_it(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        def put(number: int, who: Principal = WHO) -> Any:
            return one.put("EXTERNAL", who, **own(pooled_key(number, 1024), f"s{number}"))

        await one.create()
        await one.create(who=STRANGER, name="other.example")
        for _ in range(5):
            with pytest.raises(BadRequest):
                await one.put("EXTERNAL", selector="s1", private_key=text(pooled_key(0, 1024))[:-8])
        for number in range(3):
            await put(number)
        with pytest.raises(TooManyRequests, match="Rate exceeded") as refused:
            await put(3)
        assert "in a second" in refused.value.hint
        assert (await one.get()).newest.method == ByoDkim("s2", ANY)
        stranger = await one.put("EXTERNAL", STRANGER, "other.example", **own(pooled_key(3, 1024), "s3"))
        assert stranger.newest.method == ByoDkim("s3", ANY)
        one.clock.advance(seconds=0.5)
        await put(2)
        with pytest.raises(TooManyRequests):
            await put(3)

    play(tmp_path, story, own_key_rate=Rate(2, 3))


def test_an_account_may_sign_for_several_domains_with_one_key_and_bring_it_again(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        await one.create(**own(pooled_key()))
        await one.create("second.example.com", **own(pooled_key()))
        await one.delete()
        await one.create(**own(pooled_key()))

    play(tmp_path, story)


def test_a_key_whose_owner_has_gone_may_be_brought_by_another(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        await one.create(**own(pooled_key()))
        await one.delete()
        await one.create("other.example", STRANGER, **own(pooled_key()))

    play(tmp_path, story)


def test_a_key_that_we_made_and_retired_is_nobodys_own(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        made = await one.create()
        keys = {slot.key.spki for slot in made.slots if slot.key is not None}
        (ours,) = [pooled_key(n) for n in range(4) if pooled_key(n).spki in keys]
        await one.proven()
        await one.put("EXTERNAL", **own(pooled_key((_number(ours) + 1) % 4)))
        with pytest.raises(BadRequest, match="cannot be used here"):
            await one.create("other.example", STRANGER, **own(ours))
        await one.delete()
        for _ in range(4):
            await one.work(86400 * 10)
        assert await one.world.store.read(lambda tx: tx.keys.holders(ours.spki)) == []
        assert await one.world.store.read(lambda tx: tx.keys.is_blocked(ours.spki_sha256))
        for who in (WHO, STRANGER):
            with pytest.raises(BadRequest, match="cannot be used here"):
                await one.create("other.example", who, **own(ours))

    play(tmp_path, story)


def _number(key: PrivateKey) -> int:
    return next(n for n in range(4) if pooled_key(n).spki == key.spki)


def test_with_sess_leniency_a_blocked_key_is_taken_and_forgotten(tmp_path: Path) -> None:
    async def story(one: Scene) -> None:
        await one.world.store.write(lambda tx: tx.keys.block(pooled_key().spki_sha256, "revoked"))
        sealed = await _sealed(one.world)
        assert (sealed.envelope, sealed.ref.bits) == (b"", 0)

    play(tmp_path, story, lenient_private_key=True)


async def _sealed(world: World) -> Any:
    place = KeyPlace(WHO.account_id, WHO.region, DOMAIN, "s1")
    return await sealed_own_key(world, place, text(pooled_key()), START)
