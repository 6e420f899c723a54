"""The one way on which a private key leaves: who may take it, when, and what it takes to be let through."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from mailseal.core import rotation
from mailseal.core.errors import BadRequest
from mailseal.core.keys import KeyRef
from mailseal.core.policy import Policy
from mailseal.core.stored import SealBroken
from mailseal.sealing import Keyring, master_key_of
from mailseal.service import disclose, rewrap, rotate
from mailseal.service.disclose import Disclosed
from tests.fakes import HOSTED_ZONE, MASTER_KEY, pooled_key
from tests.unit.service.scenes import DOMAIN, WHO, Scene, scene

DAY = 86400.0
OPEN = Policy(publish_retired_after=timedelta(days=30))
OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()
Story = Callable[[Scene], Awaitable[None]]


def played(policy: Policy = OPEN) -> Callable[[Story], Callable[[Path], None]]:
    """A story as a test, in a scene of its own under this policy."""

    def as_test(story: Story) -> Callable[[Path], None]:
        async def run(folder: Path) -> None:
            async with scene(folder, policy=policy) as here:
                await disclose.settle(here.world)
                await story(here)

        def test(tmp_path: Path) -> None:
            asyncio.run(run(tmp_path))

        return test

    return as_test


async def rotated(here: Scene) -> tuple[str, KeyRef]:
    """Selector and key of a slot whose key was followed by another, and that is blank."""
    await here.create()
    identity = await here.proven()
    old = rotation.active(identity.slots)
    assert old is not None
    assert old.key is not None
    await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now())
    for _ in range(6):
        await here.work(60)
    assert (await shown(here)) == []
    await here.work(9 * DAY)
    await here.work(60)
    return old.token, old.key


async def looks(here: Scene, days: float = 0) -> None:
    """Time goes by, and all looks that are due are made, with a slot's cache time between them."""
    here.clock.advance(days=days)
    for _ in range(3):
        await here.work(3700)
        await disclose.tick(here.world)


async def shown(here: Scene, selector: str | None = None) -> list[Disclosed]:
    return list(await disclose.published_keys(here.world, DOMAIN, selector))


async def waiting(here: Scene) -> int:
    """How many retired keys are kept and not published."""
    late = here.clock.now() + timedelta(days=1000)
    return len(await here.world.store.read(lambda tx: tx.retired_keys.list_due(late, 100)))


async def damage(here: Scene, sql: str, *values: object) -> None:
    """What somebody who can write to the database might do to it."""
    path = here.world.store.path  # type: ignore[attr-defined]
    connection = apsw.Connection(str(path))
    connection.execute(sql, values)
    connection.close()


@played()
async def test_a_retired_key_is_given_out_so_long_after_its_record_has_gone(here: Scene) -> None:
    selector, key = await rotated(here)
    assert await waiting(here) == 1
    await looks(here)
    assert await shown(here) == []
    await looks(here, days=29)
    assert await shown(here) == []
    await looks(here, days=1)
    (one,) = await shown(here)
    assert (one.selector, one.domain, one.algorithm) == (selector, DOMAIN, "RSA 2048")
    loaded = load_pem_private_key(one.pem.encode(), None)
    public = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public == key.spki
    assert one.retired_at is not None
    assert one.published_at is not None
    assert one.published_at - one.retired_at >= timedelta(days=30)
    assert await shown(here, selector) == [one]
    assert await shown(here, "another") == []


@played(Policy())
async def test_nothing_is_kept_where_nobody_asked_for_it(here: Scene) -> None:
    await rotated(here)
    await looks(here, days=40)
    assert (await waiting(here), await shown(here)) == (0, [])


@played()
async def test_switched_off_all_that_was_kept_is_gone(here: Scene) -> None:
    await rotated(here)
    await looks(here)
    await looks(here, days=31)
    assert len(await shown(here)) == 1
    closed = Scene(replace(here.world, policy=Policy()))
    assert await shown(closed) == []
    await disclose.settle(closed.world)
    await disclose.settle(here.world)
    assert (await waiting(here), await shown(here)) == (0, [])


@played()
async def test_a_record_that_is_still_given_somewhere_holds_its_key_back(here: Scene) -> None:
    selector, key = await rotated(here)
    public = base64.b64encode(key.spki)
    copied = b"v=DKIM1; k=rsa; p=" + public[:100] + b" " + public[100:]
    name = f"{selector}._domainkey.{DOMAIN}"
    del here.dns.cnames[name]
    here.dns.texts[name] = (copied,)
    await looks(here)
    await looks(here, days=60)
    assert (await waiting(here), await shown(here)) == (1, [])
    del here.dns.texts[name]
    await looks(here)
    await looks(here, days=29)
    assert await shown(here) == []
    await looks(here, days=1)
    assert len(await shown(here)) == 1


@played()
async def test_a_record_that_comes_back_begins_the_count_again(here: Scene) -> None:
    selector, key = await rotated(here)
    await looks(here)
    here.dns.texts[f"{selector}._domainkey.{DOMAIN}"] = (b"p=" + base64.b64encode(key.spki),)
    target = here.dns.cnames.pop(f"{selector}._domainkey.{DOMAIN}")
    await looks(here, days=31)
    here.dns.cnames[f"{selector}._domainkey.{DOMAIN}"] = target
    await looks(here)
    await looks(here, days=29)
    assert await shown(here) == []


@played()
async def test_silence_is_not_taken_for_a_blank_record(here: Scene) -> None:
    selector, _ = await rotated(here)
    owner = f"{selector}.{HOSTED_ZONE}"
    here.dns.silent.add(owner)
    await looks(here)
    await looks(here, days=60)
    assert await shown(here) == []
    here.dns.silent.clear()
    await looks(here)
    assert await shown(here) == []
    await looks(here, days=30)
    assert len(await shown(here)) == 1


@played()
async def test_a_customers_own_key_is_never_kept(here: Scene) -> None:
    await here.create(selector="s1", private_key=OWN_KEY)
    await here.proven()
    await here.put("AWS_SES")
    await here.proven()
    await here.work(9 * DAY)
    await looks(here, days=60)
    assert (await waiting(here), await shown(here)) == (0, [])


@played()
async def test_an_own_key_cannot_lie_under_one_of_our_tokens(here: Scene) -> None:
    identity = await here.create()
    token = identity.slots[1].token
    with pytest.raises(BadRequest, match="tokens"):
        await here.put("EXTERNAL", selector=token.upper(), private_key=OWN_KEY)
    await here.delete()
    with pytest.raises(BadRequest, match="tokens"):
        await here.create(selector=token, private_key=OWN_KEY)


@played(replace(OPEN, ed25519=True))
async def test_a_retired_ed25519_key_takes_the_same_way(here: Scene) -> None:
    await here.create()
    identity = await here.proven()
    await here.work(3700)
    await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now(), ed25519_only=True)
    for _ in range(6):
        await here.work(60)
    await here.work(9 * DAY)
    await looks(here)
    await looks(here, days=31)
    (one,) = await shown(here)
    assert (one.selector, one.algorithm) == (identity.ed25519.slots[0].token, "Ed25519")
    assert "BEGIN PRIVATE KEY" in one.pem


@played()
async def test_a_key_that_signs_is_not_given_out_whatever_is_written_into_the_table(here: Scene) -> None:
    await rotated(here)
    identity = await here.get()
    slot = rotation.active(identity.slots)
    assert slot is not None
    assert slot.key is not None
    written = (
        ("published 2026-01-01T00:00:00Z", None),
        ("blank since 2026-01-01T00:00:00Z", 0),
        ("", None),
        ("", 0),
    )
    for stage, look_at in written:
        await damage(here, "DELETE FROM retired_keys")
        await damage(
            here,
            "INSERT INTO retired_keys SELECT key_id, bits, spki, envelope, master_key_id, made_at, "
            "account_id, region, domain, selector, ?, ?, 0, ? FROM private_keys WHERE key_id = ?",
            *(slot.owner, stage, look_at, slot.key.key_id),
        )
        assert await shown(here) == []
        await looks(here, days=60)
        assert await shown(here) == []


@played()
async def test_a_step_cannot_be_dated_back(here: Scene) -> None:
    alarms: list[str] = []
    await rotated(here)
    await looks(here)
    heard = Scene(replace(here.world, alarm=lambda name, text: alarms.append(text)))
    await damage(here, "UPDATE retired_keys SET stage = 'blank since 2020-01-01T00:00:00Z', look_at = 0")
    await looks(heard)
    assert await shown(heard) == []
    assert len(alarms) >= 1
    await damage(here, "UPDATE retired_keys SET stage = 'published 2020-01-01T00:00:00Z', look_at = NULL")
    assert await shown(heard) == []
    await damage(here, "UPDATE retired_keys SET stage = 'published yesterday', look_at = 0")
    await looks(heard)
    assert await shown(heard) == []


@played()
async def test_the_keyring_gives_out_nothing_but_what_is_sealed_as_published(here: Scene) -> None:
    identity = await here.create()
    slot = rotation.active(identity.slots)
    assert slot is not None
    assert slot.key is not None
    key_id = slot.key.key_id
    key = await here.world.store.read(lambda tx: tx.keys.load(key_id))
    assert key is not None
    assert key.place is not None
    said = replace(key, place=replace(key.place, retired="published 2026-01-01T00:00:00Z"))
    stocked = here.world.keyring.seal(pooled_key(1), "stocked", here.clock.now(), None)
    for other in (key, said, stocked, here.world.keyring.retired(key, "blank since 2026-01-01T00:00:00Z")):
        with pytest.raises(SealBroken):
            here.world.keyring.disclosed(other)


@played()
async def test_a_retired_key_moves_to_the_next_master_key_and_is_given_out_after(here: Scene) -> None:
    await rotated(here)
    await looks(here)
    other = Keyring(
        master_key_of(b"another master key, 32 octets..!", "next"),
        older=master_key_of(MASTER_KEY, "the tests' master key"),
    )
    later = Scene(replace(here.world, keyring=other))
    older = here.world.keyring.master_key_id
    moved = await rewrap.go_on(later.world, here.clock.now(), settle=0)
    assert (moved.broken, moved.left) == ([], 0)
    assert await here.world.store.read(lambda tx: tx.keys.count_under(older)) == 0
    await looks(later, days=31)
    assert len(await shown(later)) == 1
