"""The use cases over the real store: from a created identity to signed mail, through every change."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailseal.core.commands import ListIdentities, PutDkimAttributes
from mailseal.core.envelope import Declined, NoAnswer
from mailseal.core.errors import AlreadyExists, BadRequest, MessageRejected, NotFound, Unavailable
from mailseal.core.identity import dkim_attributes, verification
from mailseal.core.rotation import SlotState
from mailseal.dkim.message import parse_message
from mailseal.dkim.verify import KeyFound, Result, verify
from mailseal.service import configure, listing, rotate
from tests.fakes import pooled_key
from tests.unit.service.scenes import DOMAIN, MAIL, WHO, Scene, scene, status

OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()


def play(folder: Path, story: Callable[[Scene], Awaitable[None]], **parts: object) -> None:
    """Runs one story in a scene of its own."""

    async def run() -> None:
        async with scene(folder, **parts) as here:
            await story(here)

    asyncio.run(run())


def selector_of(signed: bytes) -> str:
    """The selector that verifies a mail, its key fetched from what the owner and our zone publish; "" for an
    unsigned one."""
    fields = [field for field in parse_message(signed).fields if field.name == b"DKIM-Signature"]
    return "" if not fields else fields[0].value.split(b"s=")[1].split(b";")[0].decode()


def check_signature(here: Scene, signed: bytes) -> None:
    def look_up(name: str) -> KeyFound:
        texts = here.dns.texts.get(name)
        if texts is None:
            text = here.dns.zone_text(here.dns.cnames[name])
            texts = () if text is None else (text,)
        return KeyFound(texts)

    (verified,) = verify(parse_message(signed), look_up)
    assert verified.result is Result.PASS, verified


def test_from_create_to_a_signature_that_verifies(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        created = await here.create()
        assert status(created) == "PENDING"
        proven = await here.proven()
        assert status(proven) == "SUCCESS"
        signed = await here.send()
        assert signed.endswith(MAIL)
        assert selector_of(signed) == proven.slots[0].token
        check_signature(here, signed)

    play(tmp_path, story)


def test_nothing_is_sent_for_an_identity_that_is_not_proven(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        with pytest.raises(MessageRejected, match=r"failed the check in region US-EAST-1: news@example\.com"):
            await here.send()
        assert here.next_hop.given == []

    play(tmp_path, story)


def test_a_switch_of_method_and_back_leaves_no_mail_unsigned(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        first = await here.proven()
        await here.put("EXTERNAL", selector="own", private_key=OWN_KEY)
        meanwhile = await here.send()
        assert selector_of(meanwhile) == first.slots[0].token
        assert status(await here.get()) == "PENDING"
        await here.proven()
        assert selector_of(await here.send()) == first.slots[0].token
        await here.work(60)
        with_own = await here.send()
        assert selector_of(with_own) == "own"
        check_signature(here, with_own)
        check_signature(here, meanwhile)
        back = await here.put("AWS_SES")
        assert dkim_attributes(back).tokens == dkim_attributes(first).tokens
        assert selector_of(await here.send()) == "own"
        await here.proven()
        await here.work(60)
        again = await here.send()
        assert selector_of(again) == first.slots[0].token
        check_signature(here, again)

    play(tmp_path, story)


def test_the_own_key_is_erased_when_nothing_signs_with_it_any_more(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create(selector="own", private_key=OWN_KEY)
        key_id = (await here.proven()).newest.method.key.key_id  # type: ignore[union-attr]
        await here.put("AWS_SES")
        assert await here.world.store.read(lambda tx: tx.keys.load(key_id)) is not None
        await here.proven()
        await here.work(60)
        assert await here.world.store.read(lambda tx: tx.keys.load(key_id)) is None

    play(tmp_path, story)


def test_a_length_change_is_signed_through_and_ends_with_the_new_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        old = await here.proven()
        changed = await here.put("AWS_SES", next_key_bits=1024)
        assert dkim_attributes(changed).current_bits == 2048
        for _ in range(8):
            await here.work(30)
            check_signature(here, await here.send())
        done = await here.get()
        assert dkim_attributes(done).current_bits == 1024
        assert selector_of(await here.send()) != old.slots[0].token
        assert done.slots[0].state is SlotState.PREVIOUS
        with pytest.raises(BadRequest, match="once in 24 hours"):
            await here.put("AWS_SES", next_key_bits=2048)

    play(tmp_path, story)


def test_a_rotation_on_demand_changes_the_key_behind_the_same_names(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now())
        for _ in range(6):
            await here.work(30)
            check_signature(here, await here.send())
        after = await here.get()
        assert dkim_attributes(after).tokens == dkim_attributes(before).tokens
        assert selector_of(await here.send()) == after.slots[1].token
        await here.work(9 * 86400)
        assert (await here.get()).slots[0].state is SlotState.BLANK

    play(tmp_path, story)


def test_an_owner_who_deleted_an_unused_name_keeps_the_old_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        here.owner_removes(before.slots[1].token)
        await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now())
        for _ in range(10):
            await here.work(120)
        assert selector_of(await here.send()) == before.slots[0].token

    play(tmp_path, story)


def test_keys_rotate_by_themselves_and_every_mail_verifies(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        used = set()
        for _ in range(420):
            await here.work(86400)
            if (await here.get()).slots != before.slots:
                await here.work(120)
            signed = await here.send()
            check_signature(here, signed)
            used.add(selector_of(signed))
        assert len(used) == 3

    play(tmp_path, story)


def test_an_identity_that_is_told_to_keeps_its_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        await rotate.set_rotate_days(here.world, WHO, DOMAIN, 0, here.clock.now())
        for _ in range(40):
            await here.work(10 * 86400)
        assert selector_of(await here.send()) == before.slots[0].token

    play(tmp_path, story)


def test_a_revoked_key_is_gone_from_the_zone_and_mail_goes_on(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        await rotate.rotate_identity(here.world, WHO, DOMAIN, here.clock.now(), revoke=True)
        for _ in range(3):
            await here.work(30)
        assert here.dns.zone_text(before.slots[0].owner) == b""
        signed = await here.send()
        check_signature(here, signed)
        assert selector_of(signed) == before.slots[1].token
        assert not (await here.get()).revoke_old_key

    play(tmp_path, story)


def test_seventy_two_hours_without_records_fail_and_a_put_begins_again(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        for _ in range(80):
            await here.work(3600)
        failed = await here.get()
        assert status(failed) == "FAILED"
        assert verification(failed).error_type == "HOST_NOT_FOUND"
        assert status(await here.put("AWS_SES", next_key_bits=2048)) == "PENDING"
        assert status(await here.proven()) == "SUCCESS"

    play(tmp_path, story)


def test_a_silent_dns_never_fails_and_never_stops_signing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        proven = await here.proven()
        here.dns.silent.update(here.dns.cnames)
        for _ in range(100):
            await here.work(2 * 3600)
        assert status(await here.get()) == "TEMPORARY_FAILURE"
        assert selector_of(await here.send()) == proven.slots[0].token

    play(tmp_path, story)


def test_records_gone_for_seventy_two_hours_end_signing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        proven = await here.proven()
        here.owner_removes(*(slot.token for slot in proven.slots))
        for _ in range(60):
            await here.work(3600)
        assert status(await here.get()) == "TEMPORARY_FAILURE"
        await here.send()
        for _ in range(20):
            await here.work(3600)
        assert status(await here.get()) == "FAILED"
        with pytest.raises(MessageRejected):
            await here.send()

    play(tmp_path, story)


def test_deleted_and_created_again_it_has_the_same_tokens_and_a_new_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        first = await here.create()
        await here.proven()
        signed = await here.send()
        await here.delete()
        with pytest.raises(NotFound):
            await here.get()
        await here.work(3600)
        check_signature(here, signed)
        again = await here.create()
        assert dkim_attributes(again).tokens == dkim_attributes(first).tokens
        assert again.slots[0].state is SlotState.PREVIOUS
        assert again.slots[1].state is SlotState.ACTIVE

    play(tmp_path, story)


def test_names_leave_the_zone_when_the_mail_of_a_deleted_identity_has_arrived(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        created = await here.create()
        await here.proven()
        await here.delete()
        await here.work()
        owner = created.slots[0].owner
        assert here.dns.zone_text(owner)
        await here.work(9 * 86400)
        assert here.dns.zone_text(owner) is None

    play(tmp_path, story)


def test_two_creates_of_one_name_give_one_identity(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        results = await asyncio.gather(*(here.create() for _ in range(8)), return_exceptions=True)
        assert sum(isinstance(result, AlreadyExists) for result in results) == 7

    play(tmp_path, story)


def test_signing_switched_off_sends_unsigned_and_on_again_signed(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        for enabled in (False, True):
            command = PutDkimAttributes(DOMAIN, enabled)
            await configure.put_dkim_attributes(here.world, WHO, command, here.clock.now())
            assert bool(selector_of(await here.send())) is enabled

    play(tmp_path, story)


def test_bad_input_changes_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        before = await here.proven()
        with pytest.raises(BadRequest):
            await here.put("EXTERNAL", selector="own", private_key="AAAA")
        with pytest.raises(BadRequest):
            await here.put("AWS_SES", next_key_bits=2048)
        with pytest.raises(NotFound):
            await here.put("AWS_SES", name="example.org")
        with pytest.raises(BadRequest):
            await here.put("AWS_SES", name="me@example.com")
        assert await here.get() == before

    play(tmp_path, story)


def test_any_text_is_taken_for_a_key_where_the_operator_wants_what_ses_does(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        easy = await here.proven()
        taken = await here.put("EXTERNAL", selector="own", private_key="AAAA")
        assert status(taken) == "PENDING"
        await here.owner_publishes()
        for _ in range(80):
            await here.work(3600)
        assert status(await here.get()) == "FAILED"
        assert selector_of(await here.send()) == easy.slots[0].token

    play(tmp_path, story, lenient_private_key=True)


def test_what_the_next_hop_does_not_take_is_not_acknowledged(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        here.next_hop.answers = [Declined(True, "550 no"), Declined(False, "451 later"), NoAnswer("cut")]
        with pytest.raises(MessageRejected, match="550 no"):
            await here.send()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await here.send()
        assert here.next_hop.given == []

    play(tmp_path, story)


def test_blind_recipients_get_the_mail_and_are_not_named_in_it(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        signed = await here.send(raw=MAIL.replace(b"Subject:", b"Bcc: secret@example.org\r\nSubject:"))
        assert b"secret@" not in signed
        assert here.next_hop.given[-1][0].recipients == ("you@example.net", "secret@example.org")

    play(tmp_path, story)


def test_a_list_goes_through_all_pages_and_a_token_fits_its_own_filter_only(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        names = [f"d{number}.example.com" for number in range(5)]
        for name in names:
            await here.create(name)
        found: list[str] = []
        token: str | None = None
        for _ in range(3):
            command = ListIdentities(page_size=2, next_token=token)
            page = await listing.list_identities(here.world, WHO, command, here.clock.now())
            found += [item.name for item in page.items]
            token = page.next_token or token
        assert found == names
        other = ListIdentities(page_size=2, next_token=token, name_contains="d1")
        with pytest.raises(BadRequest, match="NextToken"):
            await listing.list_identities(here.world, WHO, other, here.clock.now())

    play(tmp_path, story)
