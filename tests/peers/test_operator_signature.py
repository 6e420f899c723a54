"""The operator's own domain signs below the sender's at every door, with the options that were configured."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mailseal.app.signing import sign_options_of
from mailseal.config import Config, SigningConfig
from mailseal.core.commands import Recipients, SendEmail, SimpleMessage, TextContent
from mailseal.core.observations import Question, RecordType
from mailseal.dkim.message import parse_message
from mailseal.dkim.signature import parse_signature
from mailseal.dkim.verify import KeyFound, Result, verify
from mailseal.service import passing, send, submit
from mailseal.service.admit import Gate
from tests.peers.verifiers import KINDS, Verifier, all_running, verify_by_all
from tests.unit.service.scenes import DOMAIN, MAIL, WHO, Scene, scene

OPERATOR = "mx.example"
DOORS = ("raw", "simple", "submission", "milter")
EVERY = [name for kind in KINDS for name in kind.debian]
EIGHT_DAYS = 8 * 86400


async def through(here: Scene, door: str) -> bytes:
    """The letter as it leaves by a door."""
    world, now, to = here.world, here.clock.now(), Recipients(("you@example.net",))
    match door:
        case "raw":
            await send.send_email(world, WHO, SendEmail(raw=MAIL, destination=to), now)
        case "simple":
            content = SimpleMessage(TextContent("hello"), text=TextContent("hello"))
            await send.send_email(world, WHO, SendEmail(content, None, f"news@{DOMAIN}", to), now)
        case "submission":
            author = f"news@{DOMAIN}"
            begun = await submit.begin_submission(world, Gate(None), submit.SignedIn(WHO, None), author, now)
            hand_over = here.next_hop.begin(author)
            await hand_over.recipient("you@example.net")
            await submit.submit(world, WHO, begun, hand_over, MAIL)
        case _:
            return (await passing.sign_passing(world, WHO.account_id, WHO.region, MAIL)).fields + MAIL
    return here.next_hop.given[-1][1]


async def both_proven(here: Scene) -> None:
    for name in (DOMAIN, OPERATOR):
        here.dns.domains.add(name)
        await here.create(name)
        await here.owner_publishes(name=name)
    await here.work()
    await here.work(6)


async def keys_of(here: Scene, raw: bytes) -> dict[str, str]:
    """The records that the signatures ask for."""
    said = [parse_signature(value) for value in parse_message(raw).values(b"dkim-signature")]
    names = [f"{one.selector}._domainkey.{one.sdid}" for one in said]
    seen = await here.dns.look_up([Question(name, RecordType.TXT) for name in names])
    return {name: one.texts[0].decode() for name, one in zip(names, seen, strict=True)}


def letters(folder: Path, **parts: Any) -> dict[str, tuple[bytes, dict[str, str]]]:
    """By door what leaves, and the records for it."""

    async def run() -> dict[str, tuple[bytes, dict[str, str]]]:
        async with scene(folder, **parts) as here:
            await both_proven(here)
            left = {door: await through(here, door) for door in DOORS}
            return {door: (raw, await keys_of(here, raw)) for door, raw in left.items()}

    return asyncio.run(run())


def signatures(raw: bytes) -> list[tuple[str, int | None]]:
    """The signing domain and the lifetime of each signature, from the top down."""
    said = [parse_signature(value) for value in parse_message(raw).values(b"dkim-signature")]
    return [
        (one.sdid, None if one.expires_at is None else one.expires_at - (one.signed_at or 0)) for one in said
    ]


@pytest.mark.needs_debian(*EVERY)
@pytest.mark.needs_npm("mailauth")
def test_both_signatures_pass_in_four_verifiers_by_every_door(tmp_path: Path) -> None:
    left = letters(tmp_path, operator_domain=OPERATOR)
    with all_running() as verifiers:
        for door, (raw, keys) in left.items():
            assert signatures(raw) == [(DOMAIN, EIGHT_DAYS), (OPERATOR, EIGHT_DAYS)], door
            assert_both(verifiers, raw, keys, ["pass", "pass"])
            assert_both(verifiers, raw.replace(b"Subject: hello", b"Subject: Hello"), keys, ["fail", "fail"])


def assert_both(verifiers: list[Verifier], raw: bytes, keys: dict[str, str], wanted: list[str]) -> None:
    for name, words in verify_by_all(verifiers, raw, keys).items():
        assert len(words) == 2, name
        assert [word == "pass" for word in words] == [word == "pass" for word in wanted], (name, words)


def test_an_operator_domain_that_is_not_proven_signs_nothing(tmp_path: Path) -> None:
    left = letters(tmp_path, operator_domain="else.example")
    found = {door: signatures(raw) for door, (raw, _) in left.items()}
    assert found == {door: [(DOMAIN, EIGHT_DAYS)] for door in DOORS}


def test_the_options_of_the_configuration_are_those_of_the_signature(tmp_path: Path) -> None:
    given = SigningConfig(headers=("X-Campaign",), oversign=("Subject", "X-Campaign"), lifetime_days=0)
    left = letters(tmp_path, sign_options=sign_options_of(Config(signing=given)))
    for door, (raw, keys) in left.items():
        assert signatures(raw) == [(DOMAIN, None)], door
        (value,) = parse_message(raw).values(b"dkim-signature")
        names = [name.lower() for name in parse_signature(value).header_names]
        counts = [names.count(name) for name in (b"from", b"subject", b"x-campaign", b"to", b"date")]
        assert counts == [2, 2, 1, 1, 1], door

        assert passes(raw, keys)
        assert not passes(b"X-Campaign: added\r\n" + raw, keys)
        assert passes(b"Reply-To: added@example.org\r\n" + raw, keys)


def passes(mail: bytes, keys: dict[str, str]) -> bool:
    found = verify(parse_message(mail), lambda name: KeyFound((keys[name].encode(),)))
    return [one.result for one in found] == [Result.PASS]
