"""The second signature: it comes when its record is seen, goes with it, and never touches the first."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailseal.core import ed25519, rotation
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Identity, dkim_attributes
from mailseal.core.names import dkim_name
from mailseal.core.policy import Policy
from mailseal.core.rotation import SlotState
from mailseal.core.sending import second_key, signing_key
from mailseal.dkim.message import parse_message
from mailseal.dkim.verify import KeyAnswer, KeyFound, NoKey, Result, verify
from mailseal.service import rotate
from mailseal.service.verify import check_now
from tests.fakes import pooled_key
from tests.unit.service.scenes import DOMAIN, ELSEWHERE, WHO, Scene, scene, status

DAY = 86400.0
NINE_DAYS = 9 * DAY
OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()


Story = Callable[[Scene], Awaitable[None]]


def played(**parts: Any) -> Callable[[Story], Callable[[Path], None]]:
    """A story as a test, in a scene of its own whose world has these parts."""

    def as_test(story: Story) -> Callable[[Path], None]:
        async def run(folder: Path) -> None:
            async with scene(folder, **parts) as here:
                await story(here)

        def test(tmp_path: Path) -> None:
            asyncio.run(run(tmp_path))

        return test

    return as_test


async def switch(here: Scene, *, said: bool | None) -> Identity:
    return await rotate.set_ed25519(here.world, WHO, DOMAIN, said, here.clock.now())


async def with_both(here: Scene) -> Identity:
    """An identity that is proven and signs with both keys."""
    await here.create()
    await here.proven()
    await switch(here, said=True)
    return await here.proven()


def verdicts(here: Scene, mail: bytes) -> list[tuple[str, Result]]:
    """Each signature's selector and what comes of it, by the records that are published now."""

    def look_up(name: str) -> KeyAnswer:
        if name in here.dns.texts:
            return KeyFound(here.dns.texts[name])
        target = here.dns.cnames.get(name)
        text = here.dns.zone_text(target) if target else None
        return KeyFound((text,)) if text else NoKey.NONE

    now = int(here.clock.now().timestamp())
    return [(one.selector or "", one.result) for one in verify(parse_message(mail), look_up, now=now)]


def selectors(identity: Identity) -> list[str]:
    chosen = [signing_key(identity), second_key(identity)]
    return [key.selector for key in chosen if key is not None]


@played()
async def test_nobody_has_a_second_signature_who_did_not_ask(here: Scene) -> None:
    await here.create()
    identity = await here.proven()
    assert identity.ed25519.slots == ()
    assert len(verdicts(here, await here.send())) == 1


@played()
async def test_both_signatures_verify_and_the_rsa_one_stands_on_top(here: Scene) -> None:
    identity = await with_both(here)
    slot = rotation.active(identity.ed25519.slots)
    assert slot is not None
    assert slot.key is not None
    assert slot.key.bits == 256
    assert verdicts(here, await here.send()) == [
        (identity.slots[0].token, Result.PASS),
        (slot.token, Result.PASS),
    ]


@played()
async def test_the_wire_tells_of_three_tokens_only(here: Scene) -> None:
    identity = await with_both(here)
    told = dkim_attributes(identity)
    assert told.tokens == tuple(slot.token for slot in identity.slots)
    assert len(told.tokens) == 3
    assert told.current_bits == 2048


@played()
async def test_a_record_that_nobody_publishes_holds_nothing_up(here: Scene) -> None:
    await here.create()
    before = await here.proven()
    await switch(here, said=True)
    for _ in range(20):
        await here.work(3600)
    identity = await here.get()
    assert status(identity) == "SUCCESS"
    assert identity.newest.proof.negatives == 0
    assert identity.slots == before.slots
    assert verdicts(here, await here.send()) == [(before.slots[0].token, Result.PASS)]


@played(policy=Policy(ed25519=True))
async def test_a_new_identity_is_proven_by_its_three_records_alone(here: Scene) -> None:
    created = await here.create()
    assert [slot.number for slot in created.ed25519.slots] == [4, 5]
    identity = await here.get()
    for slot in identity.slots:
        here.dns.publish(dkim_name(slot.token, DOMAIN), slot.owner)
    await here.work()
    await here.work(6)
    assert status(await here.get()) == "SUCCESS"
    assert second_key(await here.get()) is None
    await here.owner_publishes()
    await here.work(3700)
    assert len(selectors(await here.get())) == 2


@played()
async def test_a_record_that_goes_takes_the_second_signature_with_it_and_nothing_else(here: Scene) -> None:
    identity = await with_both(here)
    second = selectors(identity)[1]
    here.owner_removes(second)
    await here.work(3700)
    later = await here.get()
    assert selectors(later) == [identity.slots[0].token]
    assert status(later) == "SUCCESS"
    await here.owner_publishes()
    await here.work(3700)
    assert selectors(await here.get()) == selectors(identity)


@played()
async def test_a_dead_resolver_takes_no_signature_away(here: Scene) -> None:
    identity = await with_both(here)
    here.dns.silent.update(dkim_name(slot.token, DOMAIN) for slot in identity.all_slots)
    await here.work(3700)
    assert selectors(await here.get()) == selectors(identity)


@played()
async def test_switched_off_its_key_stays_published_while_mail_is_on_its_way(here: Scene) -> None:
    identity = await with_both(here)
    mail = await here.send()
    later = await switch(here, said=False)
    assert second_key(later) is None
    await here.work(7 * DAY)
    assert [result for _, result in verdicts(here, mail)] == [Result.PASS, Result.PASS]
    await here.work(2 * DAY)
    gone = await here.get()
    assert {slot.state for slot in gone.ed25519.slots} == {SlotState.BLANK}
    assert here.dns.zone_text(identity.ed25519.slots[0].owner) == b""


@played()
async def test_switched_off_and_on_the_same_key_comes_back(here: Scene) -> None:
    identity = await with_both(here)
    await switch(here, said=False)
    await here.work(60)
    await switch(here, said=True)
    again = await here.proven()
    assert selectors(again) == selectors(identity)
    assert again.ed25519.slots[0].key == identity.ed25519.slots[0].key


@played()
async def test_a_rotation_turns_both_keys_and_all_mail_verifies(here: Scene) -> None:
    before = await with_both(here)
    mails = [await here.send()]
    await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now())
    for _ in range(12):
        await here.work(30)
        mails.append(await here.send())
    after = await here.get()
    assert not set(selectors(before)) & set(selectors(after))
    assert len(selectors(after)) == 2
    await here.work(6 * DAY)
    found = {result for mail in mails for _, result in verdicts(here, mail)}
    assert found == {Result.PASS}
    await here.work(NINE_DAYS)
    assert [slot.state for slot in (await here.get()).ed25519.slots] == [SlotState.BLANK, SlotState.ACTIVE]


@played()
async def test_the_second_key_rotates_alone_where_that_is_asked(here: Scene) -> None:
    before = await with_both(here)
    await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now(), ed25519_only=True)
    for _ in range(12):
        await here.work(30)
    after = await here.get()
    assert selectors(after)[0] == selectors(before)[0]
    assert selectors(after)[1] != selectors(before)[1]


@played()
async def test_a_compromised_second_key_is_blanked_as_soon_as_the_next_one_signs(here: Scene) -> None:
    before = await with_both(here)
    await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now(), ed25519_only=True, revoke=True)
    for _ in range(4):
        await here.work(30)
    after = await here.get()
    assert selectors(after)[1] != selectors(before)[1]
    assert after.ed25519.slots[0].key is None
    assert not after.ed25519.revoke_old_key


@played()
async def test_what_does_not_sign_yet_has_nothing_to_rotate(here: Scene) -> None:
    await here.create()
    with pytest.raises(BadRequest, match="no Ed25519 key"):
        await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now(), ed25519_only=True)


@played()
async def test_a_second_key_that_does_not_open_is_told_and_the_first_one_signs_on(plain: Scene) -> None:
    alarms: list[str] = []
    here = Scene(replace(plain.world, alarm=lambda name, text: alarms.append(text)))
    identity = await with_both(here)
    slot = rotation.active(identity.ed25519.slots)
    assert slot is not None
    assert slot.key is not None
    key_id = slot.key.key_id
    stored = await here.world.store.read(lambda tx: tx.keys.load(key_id))
    assert stored is not None
    broken = replace(stored, envelope=stored.envelope[:-1] + bytes([stored.envelope[-1] ^ 1]))
    await here.world.store.write(lambda tx: tx.keys.rewrap(replace(broken, master_key_id="other")))
    mail = await here.send()
    assert verdicts(here, mail) == [(identity.slots[0].token, Result.PASS)]
    assert len(alarms) == 1
    assert key_id in alarms[0]


@played()
async def test_an_own_key_has_a_second_signature_beside_it_too(here: Scene) -> None:
    identity = await with_both(here)
    await here.put("EXTERNAL", selector="s1", private_key=OWN_KEY)
    await here.proven()
    await here.work(3700)
    later = await here.get()
    assert selectors(later) == ["s1", selectors(identity)[1]]
    assert [result for _, result in verdicts(here, await here.send())] == [Result.PASS, Result.PASS]


async def slots_of(here: Scene) -> rotation.Slots:
    found = await here.world.store.read(lambda tx: tx.slots.load(WHO.account_id, WHO.region, DOMAIN))
    assert found is not None
    assert len(found) == 5
    return found


@played()
async def test_a_deleted_identity_keeps_its_second_key_published_and_its_tokens_for_life(here: Scene) -> None:
    identity = await with_both(here)
    mail = await here.send()
    await here.delete()
    await here.work(7 * DAY)
    assert [result for _, result in verdicts(here, mail)] == [Result.PASS, Result.PASS]
    await here.work(2 * DAY)
    await here.work(60)
    assert {slot.withdrawn for slot in await slots_of(here)} == {True}
    again = await here.create()
    assert [slot.token for slot in again.ed25519.slots] == [slot.token for slot in identity.ed25519.slots]
    assert second_key(again) is None


@played()
async def test_a_replica_has_none_of_its_own(here: Scene) -> None:
    await here.create()
    await here.proven()
    replica = await here.create(who=ELSEWHERE, origin="AWS_SES_US_EAST_1")
    assert replica.ed25519.slots == ()
    with pytest.raises(BadRequest, match="replica"):
        await rotate.set_ed25519(here.world, ELSEWHERE, DOMAIN, True, here.clock.now())


@played()
async def test_a_replica_does_not_see_its_parents_second_slots(here: Scene) -> None:
    await with_both(here)
    replica = await here.create(who=ELSEWHERE, origin="AWS_SES_US_EAST_1")
    assert len(dkim_attributes(replica).tokens) == 3


@played()
async def test_an_installation_that_asks_for_it_gives_old_identities_a_key_at_their_next_check(
    here: Scene,
) -> None:
    await here.create()
    await here.proven()
    asking = Scene(replace(here.world, policy=Policy(ed25519=True)))
    await asking.work(3700)
    assert rotation.upcoming((await asking.get()).ed25519.slots) is not None
    await asking.owner_publishes()
    await asking.work(3700)
    assert ed25519.signing_slot((await asking.get()).ed25519) is not None


@played()
async def test_a_record_of_the_second_signature_that_is_missing_is_named(here: Scene) -> None:
    await here.create()
    await here.proven()
    identity = await switch(here, said=True)
    await check_now(here.world, WHO, DOMAIN, here.clock.now())
    setting_id = identity.newest.setting_id
    kept = await here.world.store.read(lambda tx: tx.evidence.latest(setting_id))
    assert kept is not None
    told = json.loads(kept[1])
    assert {one["diagnosis"] for one in told["records"]} == {None}
    assert [one["diagnosis"] for one in told["ed25519_records"]] == ["RECORD_MISSING"] * 2
    assert told["evidence"] == "POSITIVE"
