"""Identities of e-mail addresses over the real store: asked for, proven by a link, sent as, deleted."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.access import Account, Principal
from mailseal.core.addressid import AddressStanding, address_dkim_attributes
from mailseal.core.commands import (
    CreateIdentity,
    DkimAttributesInput,
    ListIdentities,
    PutDkimAttributes,
    Tag,
)
from mailseal.core.envelope import Declined, NoAnswer
from mailseal.core.errors import AlreadyExists, BadRequest, LimitExceeded, MessageRejected, NotFound
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.limits import Limits
from mailseal.dkim.message import parse_message
from mailseal.sealing import Keyring, master_key_of
from mailseal.service import addresses, identities, linking, listing
from tests.unit.service.scenes import DOMAIN, ELSEWHERE, MAIL, WHO, Scene
from tests.unit.service.test_spine import check_signature, play, selector_of

ME = "Me@example.com"
OTHER = Principal("000000000002", "us-east-1", "MSOTHER")
LINK = re.compile(rb"http://127\.0\.0\.1:8080/mailseal/verify/(\S+)")


async def ask(here: Scene, name: str = ME, who: Principal = WHO, **members: Any) -> AddressStanding:
    """The address after CreateEmailIdentity."""
    command = CreateIdentity(name, **members)
    made = await identities.create_identity(here.world, who, command, here.clock.now())
    assert isinstance(made, AddressStanding)
    return made


async def found(here: Scene, name: str = ME, who: Principal = WHO) -> AddressStanding:
    return await addresses.get_address(here.world, who, name, here.clock.now())


def last_token(here: Scene) -> str:
    """The secret of the link in the newest mail."""
    match = LINK.search(here.next_hop.given[-1][1])
    assert match is not None
    return match[1].decode()


async def prove(here: Scene, name: str = ME, who: Principal = WHO) -> None:
    """The address asked for and its link used."""
    await ask(here, name, who)
    assert await addresses.use_link(here.world, last_token(here), here.clock.now()) is not None


async def switch(here: Scene, name: str, enabled: bool, who: Principal = WHO) -> None:
    command = PutDkimAttributes(name, enabled)
    await identities.put_dkim_attributes(here.world, who, command, here.clock.now())


async def work(here: Scene, **by: float) -> None:
    """The clock moves, and the worker does what is due about addresses."""
    here.clock.advance(**by)
    for one in await linking.claim(here.world, 10):
        await linking.attend(here.world, one)


def mail_from(sender: str) -> bytes:
    return MAIL.replace(b"news@example.com", sender.encode())


def test_a_link_is_mailed_and_proves_the_address_once(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        made = await ask(here)
        assert (made.address.status, made.address.is_proven) == (DkimStatus.PENDING, False)
        envelope, mail = here.next_hop.given[-1]
        assert (envelope.mail_from, envelope.recipients) == ("no-reply@mx.example.net", (ME,))
        assert ME.encode() in bytes(parse_message(mail).body)
        token = last_token(here)
        seen = await addresses.address_of_link(here.world, token, here.clock.now())
        assert seen is not None
        assert not (await found(here)).address.is_proven
        proven = await addresses.use_link(here.world, token, here.clock.now())
        assert proven is not None
        assert proven.name == ME
        assert (await found(here)).address.status is DkimStatus.SUCCESS
        assert await addresses.use_link(here.world, token, here.clock.now()) is None

    play(tmp_path, story)


def test_only_the_hash_of_a_links_secret_is_in_the_database(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        token = last_token(here)
        assert len(token) >= 8
        await here.world.store.write(lambda tx: None)
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert ME.encode() in kept
        assert token.encode() not in kept

    play(tmp_path, story)


def test_a_link_that_nobody_uses_for_a_day_fails_the_address(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        token = last_token(here)
        await work(here, hours=23)
        assert (await found(here)).address.status is DkimStatus.PENDING
        here.clock.advance(hours=1)
        assert await addresses.use_link(here.world, token, here.clock.now()) is None
        await work(here)
        assert (await found(here)).address.status is DkimStatus.FAILED
        assert await addresses.use_link(here.world, token, here.clock.now()) is None
        due = await here.world.store.read(lambda tx: tx.addresses.next_due_at())
        assert due is None

    play(tmp_path, story)


def test_a_failed_address_is_begun_again_by_creating_it(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        await work(here, hours=25)
        assert (await found(here)).address.status is DkimStatus.FAILED
        again = await ask(here)
        assert again.address.status is DkimStatus.PENDING
        assert await addresses.use_link(here.world, last_token(here), here.clock.now()) is not None

    play(tmp_path, story)


def test_a_pending_or_proven_address_exists_already(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        for _ in range(2):
            with pytest.raises(AlreadyExists, match=r"Email identity Me@EXAMPLE\.com already exist\."):
                await ask(here, "Me@EXAMPLE.com")
            await addresses.use_link(here.world, last_token(here), here.clock.now())
        assert len(here.next_hop.given) == 1
        await ask(here, "me@example.com")

    play(tmp_path, story)


def test_asking_again_mails_a_second_link_and_both_are_good(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        first = last_token(here)
        here.clock.advance(hours=20)
        await addresses.ask_again(here.world, WHO, ME, here.clock.now())
        second = last_token(here)
        assert first != second
        here.clock.advance(hours=5)
        assert await addresses.use_link(here.world, first, here.clock.now()) is None
        assert await addresses.use_link(here.world, second, here.clock.now()) is not None
        await addresses.ask_again(here.world, WHO, ME, here.clock.now())
        assert (await found(here)).address.is_proven
        assert len(here.next_hop.given) == 2

    play(tmp_path, story)


def test_a_silent_next_hop_delays_the_mail_and_loses_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        here.next_hop.answers = [NoAnswer("cut"), Declined(False, "451 later")]
        assert (await ask(here)).address.status is DkimStatus.PENDING
        assert here.next_hop.given == []
        await work(here, seconds=30)
        assert len(here.next_hop.answers) == 1
        await work(here, seconds=30)
        await work(here, minutes=4)
        assert here.next_hop.given == []
        await work(here, minutes=1)
        assert len(here.next_hop.given) == 1
        assert await addresses.use_link(here.world, last_token(here), here.clock.now()) is not None

    play(tmp_path, story)


def test_a_mail_that_is_never_taken_is_given_up(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        here.next_hop.answers = [NoAnswer("cut") for _ in range(50)]
        await ask(here)
        for _ in range(23):
            await work(here, hours=1)
        assert 50 - len(here.next_hop.answers) == 7
        here.next_hop.answers = [Declined(True, "550 no such user")]
        await ask(here, "you@example.com")
        await work(here, hours=2)
        assert here.next_hop.given == []

    play(tmp_path, story)


def test_a_mail_whose_sender_died_is_sent_when_its_lease_is_over(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        made = (await ask(here)).address
        here.next_hop.given.clear()
        left = addresses.addressid.with_link_wanted(made, here.clock.now()).address
        await here.world.store.write(lambda tx: tx.addresses.save(left))
        claimed = await linking.claim(here.world, 10)
        assert [one.name for one in claimed] == [ME]
        assert await linking.claim(here.world, 10) == ()
        here.clock.advance(seconds=91)
        await work(here)
        assert len(here.next_hop.given) == 1

    play(tmp_path, story)


def test_the_mail_is_signed_where_the_operators_domain_is_an_identity(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        assert selector_of(here.next_hop.given[-1][1]) == ""
        here.dns.domains.add("mx.example.net")
        await here.create("mx.example.net")
        await here.owner_publishes(name="mx.example.net")
        await here.work()
        await here.work(6)
        await ask(here, "you@example.org", OTHER)
        check_signature(here, here.next_hop.given[-1][1])

    play(tmp_path, story)


@pytest.mark.parametrize("part", ["unknown", "", "x" * 64, "\ud800"])
def test_an_unknown_link_proves_nothing(part: str, tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        assert await addresses.address_of_link(here.world, part, here.clock.now()) is None
        assert await addresses.use_link(here.world, part, here.clock.now()) is None

    play(tmp_path, story)


def test_an_address_alone_inherits_nothing(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        shown = address_dkim_attributes(await ask(here))
        assert (shown.signing_enabled, shown.status, shown.tokens) == (False, DkimStatus.NOT_STARTED, ())
        assert (shown.origin, shown.next_bits, shown.current_bits) == ("AWS_SES", 1024, None)
        assert (shown.hosted_zone, shown.last_key_at) == (None, None)

    play(tmp_path, story)


def test_an_address_has_switch_status_and_tokens_of_its_exact_domain(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        domain = await here.create()
        await ask(here)
        await ask(here, "me@news.example.com")
        shown = address_dkim_attributes(await found(here))
        assert (shown.signing_enabled, shown.status) == (True, DkimStatus.PENDING)
        assert shown.tokens == tuple(slot.token for slot in domain.slots)
        below = address_dkim_attributes(await found(here, "me@news.example.com"))
        assert (below.signing_enabled, below.status) == (False, DkimStatus.NOT_STARTED)
        elsewhere = await ask(here, ME, ELSEWHERE)
        assert address_dkim_attributes(elsewhere).status is DkimStatus.NOT_STARTED

    play(tmp_path, story)


def test_a_switch_for_an_address_leaves_its_domain_alone(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        await here.proven()
        await switch(here, "ME@Example.com", False)
        await switch(here, ME, False)
        await ask(here)
        assert not (await found(here)).signing_enabled
        assert (await here.get()).signing_enabled
        assert selector_of(await here.send(raw=mail_from(ME))) == ""
        assert selector_of(await here.send(raw=mail_from("Me+news@example.com"))) == ""
        assert selector_of(await here.send(raw=mail_from("me@example.com"))) != ""
        await switch(here, ME, True)
        assert (await found(here)).signing_enabled
        await switch(here, DOMAIN, False)
        assert selector_of(await here.send(raw=mail_from("you@example.com"))) == ""
        check_signature(here, await here.send(raw=mail_from(ME)))

    play(tmp_path, story)


def test_a_switch_needs_the_addresss_domain_to_be_an_identity(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here)
        with pytest.raises(BadRequest) as told:
            await switch(here, ME, True)
        assert told.value.message == "Domain example.com is not verified for DKIM signing."
        await here.create()
        with pytest.raises(BadRequest, match=r"Domain news\.example\.com is not verified"):
            await switch(here, "me@news.example.com", True)

    play(tmp_path, story)


def test_a_switch_ends_with_its_address_or_its_domain(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        for end in (ME, DOMAIN):
            if end == ME:
                await here.create()
            await ask(here)
            await switch(here, ME, False)
            await identities.delete_identity(here.world, WHO, end, here.clock.now())
            if end == ME:
                await ask(here)
            else:
                await here.create()
            assert (await found(here)).signing_enabled
            await identities.delete_identity(here.world, WHO, ME, here.clock.now())

    play(tmp_path, story)


def test_a_deleted_address_is_gone_with_its_links(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ask(here, tags=(Tag("team", "a"),))
        token = last_token(here)
        await identities.delete_identity(here.world, WHO, ME, here.clock.now())
        for lost in (ME, "nobody@example.com"):
            with pytest.raises(NotFound, match=f"Email identity {lost} does not exist."):
                await identities.delete_identity(here.world, WHO, lost, here.clock.now())
        with pytest.raises(NotFound):
            await found(here)
        assert await addresses.use_link(here.world, token, here.clock.now()) is None
        await ask(here)
        place = (WHO.account_id, WHO.region, ME)
        assert (await here.world.store.read(lambda tx: tx.attributes.load(*place))).tags == ()

    play(tmp_path, story)


@pytest.mark.parametrize(
    "name",
    [
        "@example.com",
        "a@",
        "a@b",
        "a@@example.com",
        "a b@example.com",
        "Me <me@example.com>",
        '"me"@example.com',
        "a@example.com.",
        "a@127.0.0.1",
        "é@example.com",
        "a@exämple.com",
        ".a@example.com",
        "a..b@example.com",
        "x" * 65 + "@example.com",
        "a\r\nb@example.com",
        "(c)a@example.com",
    ],
)
def test_what_is_no_address_is_refused_and_nothing_is_mailed(name: str, tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        with pytest.raises(BadRequest):
            await ask(here, name)
        assert here.next_hop.given == []
        with pytest.raises((NotFound, BadRequest)):
            await found(here, name)

    play(tmp_path, story)


def test_an_address_has_no_dkim_of_its_own(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        with pytest.raises(BadRequest) as told:
            await ask(here, dkim=DkimAttributesInput(next_key_bits=2048))
        assert told.value.message == "The EmailIdentity value must be a valid domain."

    play(tmp_path, story)


def test_a_proven_address_is_sent_as_unsigned_where_its_domain_is_not_proven(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        with pytest.raises(MessageRejected, match=r"region US-EAST-1: Me@example\.com"):
            await here.send(raw=mail_from(ME))
        await ask(here)
        with pytest.raises(MessageRejected):
            await here.send(raw=mail_from(ME))
        await addresses.use_link(here.world, last_token(here), here.clock.now())
        await here.create()
        for sender in (ME, "Me+label@EXAMPLE.com"):
            assert selector_of(await here.send(raw=mail_from(sender))) == ""
        for other in ("me@example.com", "you@example.com", "Me@news.example.com", "M+e@example.com"):
            with pytest.raises(MessageRejected):
                await here.send(raw=mail_from(other))
        with pytest.raises(MessageRejected):
            await here.send(ELSEWHERE, raw=mail_from(ME))
        with pytest.raises(MessageRejected):
            await here.send(OTHER, raw=mail_from(ME))

    play(tmp_path, story)


def test_a_label_that_is_an_identity_of_its_own_covers_itself_only(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await prove(here, "me+a@example.com")
        await here.send(raw=mail_from("me+a@example.com"))
        for other in ("me@example.com", "me+b@example.com", "me+a+b@example.com"):
            with pytest.raises(MessageRejected):
                await here.send(raw=mail_from(other))

    play(tmp_path, story)


def test_domains_and_addresses_are_one_list_in_the_order_of_their_names(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        names = sorted(["a@example.com", "b.example.com", "Z@example.com", "example.com", "x@b.example.com"])
        for name in names:
            await identities.create_identity(here.world, WHO, CreateIdentity(name), here.clock.now())
        await addresses.use_link(here.world, last_token(here), here.clock.now())

        async def listed(**filters: Any) -> list[tuple[str, str]]:
            rows: list[tuple[str, str]] = []
            token: str | None = None
            for _ in range(10):
                command = ListIdentities(page_size=2, next_token=token, **filters)
                page = await listing.list_identities(here.world, WHO, command, here.clock.now())
                assert len(page.items) <= 2
                rows += [(row.name, row.kind) for row in page.items]
                token = page.next_token
                if token is None:
                    break
            return rows

        kinds = ["EMAIL_ADDRESS" if "@" in name else "DOMAIN" for name in names]
        assert await listed() == list(zip(names, kinds, strict=True))
        assert [name for name, _ in await listed(kind="DOMAIN")] == [n for n in names if "@" not in n]
        assert [name for name, _ in await listed(kind="EMAIL_ADDRESS")] == [n for n in names if "@" in n]
        assert await listed(kind="MANAGED_DOMAIN") == []
        assert [name for name, _ in await listed(name_contains="z@")] == ["Z@example.com"]
        assert [name for name, _ in await listed(name_contains="B.EX")] == [
            "b.example.com",
            "x@b.example.com",
        ]
        assert [name for name, _ in await listed(status="SUCCESS")] == ["x@b.example.com"]

    play(tmp_path, story)


def test_two_creates_of_one_address_give_one_identity(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        results = await asyncio.gather(*(ask(here) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(result, AlreadyExists) for result in results) == 5
        assert len(here.next_hop.given) == 1

    play(tmp_path, story)


def test_addresses_count_as_identities_of_the_account(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        def unit(tx: Any) -> None:
            tx.access_keys.add_account(WHO.account_id, here.clock.now())
            tx.access_keys.set_account(Account(WHO.account_id, limits=Limits(identities=2)))

        await here.world.store.write(unit)
        await here.create()
        await ask(here)
        with pytest.raises(LimitExceeded):
            await ask(here, "you@example.com")
        assert len(here.next_hop.given) == 1

    play(tmp_path, story)


def test_a_broken_key_of_the_operators_costs_the_signature_and_not_the_mail(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        here.dns.domains.add("mx.example.net")
        await here.create("mx.example.net")
        await here.owner_publishes(name="mx.example.net")
        await here.work()
        await here.work(6)
        other = Keyring(master_key_of(b"x" * 32, "another master key"))
        broken = replace(here.world, keyring=other)
        made = await addresses.create_address(broken, OTHER, CreateIdentity(ME), here.clock.now())
        assert made.address.mail_due_at is None
        assert selector_of(here.next_hop.given[-1][1]) == ""
        kinds = await here.world.store.read(
            lambda tx: [one.kind for one in tx.events.list(WHO.account_id, WHO.region, "mx.example.net", 3)]
        )
        assert kinds[0] == "alarm"

    play(tmp_path, story)
