"""The milter on its sockets: signed, unsigned for a reason, or deferred; never unsigned by accident."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.commands import PutDkimAttributes
from mailseal.core.errors import Unavailable
from mailseal.core.stored import SealBroken
from mailseal.dkim.message import parse_message
from mailseal.milter.admission import Place, Terms
from mailseal.milter.listen import Limits, Milter
from mailseal.sandbox.settings import Ports
from mailseal.service.configure import put_dkim_attributes
from mailseal.telemetry import Line, Telemetry
from tests.unit.milter.mta import OUTSIDE, Mta, letter_packets, macros, offer, packet
from tests.unit.service.scenes import MAIL, WHO, Scene
from tests.unit.service.test_spine import check_signature, play

PLACE = Place(WHO.account_id, WHO.region)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
TERMS = Terms(PLACE, {}, LOOPBACK)


class Told:
    """What the milter told its operator."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.telemetry = Telemetry(self.lines.append, lambda: datetime(2026, 11, 23, tzinfo=UTC))

    def letters(self, outcome: str) -> float:
        return self.telemetry.counts.get(("mailseal_milter_letters_total", (("outcome", outcome),)), 0)


@asynccontextmanager
async def listening(
    here: Scene, folder: Path, terms: Terms = TERMS, limits: Limits | None = None
) -> AsyncIterator[tuple[Milter, str, Told]]:
    """A milter on a unix socket."""
    told, path = Told(), str(folder / "m")
    milter = Milter(here.world, told.telemetry, limits or Limits())
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind(path)
    await milter.listen(opened, terms, LOOPBACK)
    try:
        yield milter, path, told
    finally:
        await milter.close()
        Path(path).unlink()


def proven(folder: Path, story: Callable[[Scene], Awaitable[None]], **parts: object) -> None:
    """A story in a scene where example.com is proven."""

    async def whole(here: Scene) -> None:
        await here.create()
        await here.proven()
        await story(here)

    play(folder, whole, **parts)


def test_a_letter_of_a_local_client_is_signed_on_top_and_nothing_else_changes(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (_, path, told):
            mta = await Mta.connected(path)
            for _ in range(3):
                signed = (await mta.hand_in(MAIL)).applied(MAIL)
                assert signed.startswith(b"DKIM-Signature: v=1; ")
                assert signed.endswith(MAIL)
                check_signature(here, signed)
            assert told.letters("signed") == 3
            assert told.lines == []

    proven(tmp_path, story)


def test_a_letter_from_outside_is_signed_for_a_login_alone(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (_, path, told):
            mta = await Mta.connected(path, OUTSIDE)
            spoof = await mta.hand_in(MAIL)
            assert (spoof.reply, spoof.inserted) == ("continue", [])
            check_signature(here, (await mta.hand_in(MAIL, login="me")).applied(MAIL))
            again = await mta.hand_in(MAIL)
            assert again.inserted == []
            assert (told.letters("client"), told.letters("signed")) == (2, 1)

    proven(tmp_path, story)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (MAIL.replace(b"@example.com\r\nTo", b"@example.net\r\nTo"), "no_identity"),
        (b"From: other@example.com\r\n" + MAIL, "no_single_author"),
        (MAIL.replace(b"From", b"X-From"), "no_single_author"),
        (MAIL.replace(b"news@example.com", b"news@example.com, b@example.com"), "no_single_author"),
        (MAIL + b"x" * 999 + b"\r\n", "line_too_long"),
        (MAIL.replace(b"hello\r\nDate", b"hello\rX: y\r\nDate"), "read_in_two_ways"),
        (MAIL.replace(b"Subject:", b"Subject :"), "read_in_two_ways"),
        (MAIL + b"no line end", "read_in_two_ways"),
    ],
)
def test_what_cannot_be_signed_passes_unsigned_and_is_counted_by_name(
    raw: bytes, outcome: str, tmp_path: Path
) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (_, path, told):
            mta = await Mta.connected(path)
            answer = await mta.hand_in(raw)
            assert (answer.reply, answer.inserted, answer.other) == ("continue", [], [])
            assert told.letters(outcome) == 1
            [line] = told.lines
            assert (line.event, line.fields["error"]) == ("unsigned", outcome)
            check_signature(here, (await mta.hand_in(MAIL)).applied(MAIL))

    proven(tmp_path, story)


def test_an_identity_that_is_not_proven_or_switched_off_is_not_signed_for(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create()
        async with listening(here, tmp_path) as (_, path, told):
            mta = await Mta.connected(path)
            assert (await mta.hand_in(MAIL)).inserted == []
            await here.proven()
            assert len((await mta.hand_in(MAIL)).inserted) == 1
            off = PutDkimAttributes("example.com", False)
            await put_dkim_attributes(here.world, WHO, off, here.clock.now())
            assert (await mta.hand_in(MAIL)).inserted == []
            assert (told.letters("no_identity"), told.letters("switched_off")) == (1, 1)

    play(tmp_path, story)


def test_another_accounts_login_does_not_get_this_accounts_signature(tmp_path: Path) -> None:
    theirs = Terms(PLACE, {"b": Place("000000000002", "us-east-1"), "a": PLACE}, LOOPBACK)

    async def story(here: Scene) -> None:
        async with listening(here, tmp_path, theirs) as (_, path, told):
            mta = await Mta.connected(path, OUTSIDE)
            assert (await mta.hand_in(MAIL, login="b")).inserted == []
            assert (await mta.hand_in(MAIL, login="c")).inserted == []
            assert len((await mta.hand_in(MAIL, login="a")).inserted) == 1
            assert (told.letters("no_identity"), told.letters("login")) == (1, 1)

    proven(tmp_path, story)


class Broken:
    """A part of the world whose every use fails."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        raise self._fault


class Stuck:
    """A database that never answers."""

    async def read(self, unit: object) -> object:
        return await asyncio.get_running_loop().create_future()


FAULTS: dict[str, tuple[str, object]] = {
    "the database is gone": ("store", Broken(OSError("disk I/O error"))),
    "the database is busy": ("store", Broken(Unavailable("busy"))),
    "the database never answers": ("store", Stuck()),
    "a bug": ("store", Broken(AssertionError("bug"))),
    "no memory": ("store", Broken(MemoryError())),
    "the key does not open": ("keyring", Broken(SealBroken("another key"))),
    "the keyring is gone": ("keyring", Broken(RuntimeError("gone"))),
    "the clock is gone": ("clock", Broken(RuntimeError("gone"))),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_fails_inside_defers_the_letter_and_the_next_one_is_signed(
    name: str, tmp_path: Path
) -> None:
    part, broken = FAULTS[name]

    async def story(here: Scene) -> None:
        async with listening(here, tmp_path, limits=Limits(answer_s=0.5)) as (milter, path, told):
            mta = await Mta.connected(path)
            whole = milter.world
            changed: dict[str, Any] = {part: broken}
            milter.world = replace(whole, **changed)
            answer = await mta.hand_in(MAIL)
            assert (answer.reply, answer.inserted) == ("tempfail", [])
            assert told.letters("deferred") == 1
            assert [line.event for line in told.lines] == ["fault"]
            milter.world = whole
            check_signature(here, (await mta.hand_in(MAIL)).applied(MAIL))

    proven(tmp_path, story)


AWAY = ("the database is gone", "the database is busy", "the database never answers")


@pytest.mark.parametrize("name", AWAY)
def test_a_sender_that_was_signed_for_is_signed_for_while_the_database_is_away(
    name: str, tmp_path: Path
) -> None:
    part, broken = FAULTS[name]

    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (milter, path, told):
            mta = await Mta.connected(path)
            named = MAIL.replace(b"news@example.com", b'"The news" <news@example.com>')
            check_signature(here, (await mta.hand_in(named)).applied(named))
            milter.remembered.patience_s = 0.2
            changed: dict[str, Any] = {part: broken}
            milter.world = replace(milter.world, **changed)
            check_signature(here, (await mta.hand_in(MAIL)).applied(MAIL))
            assert told.telemetry.counts[("mailseal_milter_remembered_total", ())] == 1
            unheard = await mta.hand_in(MAIL.replace(b"news@", b"unheard@"))
            assert (unheard.reply, unheard.inserted) == ("tempfail", [])
            outside = await Mta.connected(path, OUTSIDE)
            assert (await outside.hand_in(MAIL)).inserted == []
            here.clock.advance(hours=1, seconds=1)
            late = await mta.hand_in(MAIL)
            assert (late.reply, late.inserted) == ("tempfail", [])

    proven(tmp_path, story)


def test_a_bug_is_no_database_that_is_away(tmp_path: Path) -> None:
    part, broken = FAULTS["a bug"]

    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (milter, path, _):
            mta = await Mta.connected(path)
            assert len((await mta.hand_in(MAIL)).inserted) == 1
            changed: dict[str, Any] = {part: broken}
            milter.world = replace(milter.world, **changed)
            assert (await mta.hand_in(MAIL)).reply == "tempfail"

    proven(tmp_path, story)


def test_who_was_switched_off_is_not_remembered(tmp_path: Path) -> None:
    part, broken = FAULTS["the database is busy"]

    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (milter, path, _):
            mta = await Mta.connected(path)
            assert len((await mta.hand_in(MAIL)).inserted) == 1
            off = PutDkimAttributes("example.com", False)
            await put_dkim_attributes(here.world, WHO, off, here.clock.now())
            assert (await mta.hand_in(MAIL)).reply == "continue"
            changed: dict[str, Any] = {part: broken}
            milter.world = replace(milter.world, **changed)
            assert (await mta.hand_in(MAIL)).reply == "tempfail"

    proven(tmp_path, story)


def test_letters_beyond_the_memory_of_all_connections_are_deferred(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path, limits=Limits(held_bytes=200_000)) as (milter, path, told):
            first, second = await Mta.connected(path), await Mta.connected(path)
            large = MAIL + b"x" * 70 + b"\r\n"
            large += (b"y" * 70 + b"\r\n") * 2000
            begun = letter_packets(large)[: -len(packet(b"E"))]
            first.say(macros(b"M", i="1"), packet(b"M", b"<>\0"), begun)
            while milter.held_bytes < 140_000:
                await asyncio.sleep(0.01)
            assert (await second.hand_in(large)).reply == "tempfail"
            assert told.letters("deferred") == 1
            first.say(packet(b"E"))
            assert len((await first.answer()).inserted) == 1
            assert len((await second.hand_in(large)).inserted) == 1
            assert milter.held_bytes == 0

    proven(tmp_path, story)


def test_who_does_not_speak_the_protocol_is_cut_off_and_others_are_served(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (milter, path, _):
            mta = await Mta.connected(path)
            for said in (
                b"GET / HTTP/1.1\r\n\r\n",
                packet(b"M", b"<>\0"),
                packet(b"?"),
                offer(version=2),
                packet(b"O"),
            ):
                stranger = Mta(*await asyncio.open_unix_connection(path))
                stranger.say(said)
                assert await stranger.ended()
            check_signature(here, (await mta.hand_in(MAIL)).applied(MAIL))
            assert len(milter.connections) == 1

    proven(tmp_path, story)


def test_what_is_said_while_a_letter_is_signed_is_heard_afterwards(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path) as (_, path, _told):
            mta = await Mta.connected(path)
            one = macros(b"M", i="1") + packet(b"M", b"<>\0") + letter_packets(MAIL)
            mta.say(one * 3, packet(b"Q"))
            for _ in range(3):
                check_signature(here, (await mta.answer()).applied(MAIL))
            assert await mta.ended()

    proven(tmp_path, story)


def test_more_connections_than_there_may_be_are_closed_at_once(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        async with listening(here, tmp_path, limits=Limits(connections=2)) as (_, path, told):
            kept = [await Mta.connected(path) for _ in range(2)]
            third = Mta(*await asyncio.open_unix_connection(path))
            assert await third.ended()
            assert len((await kept[1].hand_in(MAIL)).inserted) == 1
            counted = ("mailseal_milter_connections_total", (("outcome", "refused"),))
            assert told.telemetry.counts[counted] == 1

    proven(tmp_path, story)


def test_over_tcp_only_named_networks_may_connect(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        milter = Milter(here.world, Told().telemetry)
        ports = Ports.free()
        for port, networks in ((ports.api, LOOPBACK), (ports.our_dns, (ip_network("192.0.2.0/24"),))):
            opened = socket.create_server(("127.0.0.1", port))
            await milter.listen(opened, TERMS, networks)
        mta = await Mta.connected(("127.0.0.1", ports.api))
        check_signature(here, (await mta.hand_in(MAIL)).applied(MAIL))
        stranger = Mta(*await asyncio.open_connection("127.0.0.1", ports.our_dns))
        assert await stranger.ended()
        await milter.close()

    proven(tmp_path, story)


def test_the_operators_own_domain_signs_below_the_senders(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await here.create("mx.example")
        here.dns.domains.add("mx.example")
        await here.owner_publishes(name="mx.example")
        await here.work()
        await here.work(6)
        async with listening(here, tmp_path) as (_, path, _told):
            mta = await Mta.connected(path)
            signed = (await mta.hand_in(MAIL)).applied(MAIL)
        values = parse_message(signed).values(b"dkim-signature")
        assert [b"d=example.com;" in value for value in values] == [True, False]
        assert [b"d=mx.example;" in value for value in values] == [False, True]

    proven(tmp_path, story, operator_domain="mx.example")
