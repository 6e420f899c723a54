"""The page behind a share link: what it shows, and everything that it does not open."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mailseal.console.share import HEADERS
from mailseal.core.commands import CreateIdentity
from mailseal.handoff.formats import FORMATS
from mailseal.handoff.hosts import HOSTS, Host, fields
from mailseal.handoff.records import Sheet, rdata
from mailseal.service.configure import create_identity, delete_identity
from mailseal.service.handing import to_publish
from mailseal.service.sharing import create_share_link, revoke_share_link
from mailseal.service.verify import check_now
from mailseal.telemetry import Telemetry
from mailseal.worker import Bells, Worker
from tests.fakes import ScriptedDns
from tests.unit.console.visitor import WHO, Answer, Visitor, visiting
from tests.unit.handoff.sheets import EASY, SHEETS

NAME = "fernhill.example"


async def shared(visitor: Visitor, name: str = NAME) -> str:
    """The path of a link to a new identity's records."""
    now = visitor.world.clock.now()
    assert isinstance(visitor.world.resolver, ScriptedDns)
    visitor.world.resolver.domains.add(name)
    await create_identity(visitor.world, WHO, CreateIdentity(name), now)
    made = await create_share_link(visitor.world, WHO, name, 14, now)
    return made.url.removeprefix("http://127.0.0.1:8080")


def pasted(page: Answer) -> list[str]:
    """The values of the boxes, as the copy buttons would copy them."""
    found = re.findall(r'<span class="dn" id="v[^"]*">(.*?)</span>', page.text)
    return [unescape(one.replace("<wbr>", "")) for one in found]


def test_whoever_has_the_link_sees_the_records_without_an_account(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        page = await visitor.get(path)
        assert page.status == 200
        assert "Three DNS records for fernhill .example" in page.words or NAME in page.words
        sheet = await to_publish(visitor.world, WHO, NAME, visitor.world.clock.now())
        assert pasted(page) == [text for one in sheet.records for text in (one.owner, one.value)]
        assert page.cookies == ()
        assert "<form" not in page.text
        assert {page.headers[name] for name in ("referrer-policy", "x-robots-tag")} == {
            HEADERS["referrer-policy"],
            HEADERS["x-robots-tag"],
        }

    visiting(tmp_path, test, is_in=False)


def test_a_link_leads_nowhere_but_to_itself(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        token = path.rpartition("/")[2]
        page = await visitor.get(path)
        targets = set(re.findall(r'(?:href|src|action)="([^"]*)"', page.text))
        own = ("#", "?host=", f"{token}/", "/console/static/")
        assert targets
        assert [one for one in targets if not one.startswith(own)] == []

    visiting(tmp_path, test, is_in=False)


@pytest.mark.parametrize("what", ["altered", "cut", "another name", "case of the name", "nothing", "ended"])
def test_a_link_that_is_not_right_gets_the_same_page(tmp_path: Path, what: str) -> None:
    async def test(visitor: Visitor) -> tuple[int, str]:
        path = await shared(visitor)
        name, token = path.split("/")[3:]
        await shared(visitor, "other.example")
        wrong = {
            "altered": f"{name}/{'A' if token[0] != 'A' else 'B'}{token[1:]}",
            "cut": f"{name}/{token[:-1]}",
            "another name": f"other.example/{token}",
            "case of the name": f"{name.upper()}/{token}",
            "nothing": f"{name}/x",
            "ended": f"{name}/{token}",
        }
        if what == "ended":
            visitor.world.clock.advance(days=14)  # type: ignore[attr-defined]
        page = await visitor.get(f"/mailseal/share/{wrong[what]}")
        assert NAME not in page.text
        return page.status, page.text

    told = visiting(tmp_path, test, is_in=False)
    assert told[0] == 404
    assert "does not open anything" in told[1]


def test_a_link_that_was_taken_back_or_whose_identity_is_gone_opens_nothing(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> list[int]:
        now = visitor.world.clock.now()
        first, second = await shared(visitor), await shared(visitor, "other.example")
        made = await create_share_link(visitor.world, WHO, NAME, 14, now)
        await revoke_share_link(visitor.world, WHO, NAME, made.link.link_id, now)
        await delete_identity(visitor.world, WHO, "other.example", now)
        paths = (first, made.url.removeprefix("http://127.0.0.1:8080"), second)
        return [(await visitor.get(path)).status for path in paths]

    assert visiting(tmp_path, test, is_in=False) == [200, 404, 404]


def test_no_line_of_the_log_names_what_opens_a_link(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        token = path.rpartition("/")[2]
        await visitor.get(path)
        await visitor.get(f"{path}A")
        await visitor.ask("POST", path, b"", {})

        async def broken(*_: Any) -> None:
            raise ZeroDivisionError

        object.__setattr__(visitor.world.store, "read", broken)
        assert (await visitor.get(path)).status == 500
        assert [line.event for line in visitor.lines if line.event == "fault"] == ["fault"]
        assert token not in repr(visitor.lines)

    visiting(tmp_path, test, is_in=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_link_takes_nothing_but_reading(tmp_path: Path, method: str) -> None:
    async def test(visitor: Visitor) -> int:
        return (await visitor.ask(method, await shared(visitor), b"", {})).status

    assert visiting(tmp_path, test, is_in=False) in (404, 405)


def test_the_page_says_what_is_left_and_then_that_nothing_is(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        world = visitor.world
        assert isinstance(world.resolver, ScriptedDns)
        sheet = await to_publish(world, WHO, NAME, world.clock.now())
        for one in sheet.records[:2]:
            world.resolver.publish(one.owner, one.value)
        await Worker(world, Bells(), Telemetry(visitor.lines.append, world.clock.now)).catch_up()
        await check_now(world, WHO, NAME, world.clock.now())
        page = await visitor.get(path)
        assert "One change is left. One record is not published yet." in page.words
        assert page.words.count("Record 3 Not there") == 2
        assert page.headers["refresh"] == "30"
        assert "Nothing is left to do" not in page.words
        world.resolver.publish(sheet.records[2].owner, sheet.records[2].value)
        for _ in range(3):
            await check_now(world, WHO, NAME, world.clock.now())
            world.clock.advance(seconds=6)  # type: ignore[attr-defined]
        page = await visitor.get(path)
        assert "Nothing is left to do." in page.words
        assert "refresh" not in page.headers

    visiting(tmp_path, test, is_in=False)


def test_each_record_is_told_what_was_seen_of_itself(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        world = visitor.world
        assert isinstance(world.resolver, ScriptedDns)
        sheet = await to_publish(world, WHO, NAME, world.clock.now())
        for one in sheet.records:
            world.resolver.publish(f"{one.owner}.{NAME}", one.value)
        await check_now(world, WHO, NAME, world.clock.now())
        page = await visitor.get(path)
        told = 0
        for card, one in zip(page.text.split('<section class="form-pic')[1:], sheet.records, strict=True):
            for seen in re.findall(r'Seen: <span class="dn">(.*?)</span>', card):
                told += 1
                assert seen.replace("<wbr>", "") == f"{one.owner}.{NAME}"
        assert told
        assert "Three changes are left." in page.words

    visiting(tmp_path, test, is_in=False)


@pytest.mark.parametrize("word", FORMATS)
def test_the_records_can_be_had_as_a_file(tmp_path: Path, word: str) -> None:
    async def test(visitor: Visitor) -> None:
        path = await shared(visitor)
        given = await visitor.get(f"{path}/{word}")
        sheet = await to_publish(visitor.world, WHO, NAME, visitor.world.clock.now())
        assert given.status == 200
        assert given.headers["content-disposition"].startswith(f'attachment; filename="{NAME}.')
        assert all(one.value in given.text for one in sheet.records)
        assert (await visitor.get(f"{path}x/{word}")).status == 404
        assert (await visitor.get(f"{path}/nothing")).status == 404

    visiting(tmp_path, test, is_in=False)


@pytest.mark.parametrize("key", [*HOSTS, "zone", "<script>alert(1)</script>", ""])
def test_every_host_can_be_chosen_and_nothing_else_breaks_the_page(tmp_path: Path, key: str) -> None:
    async def test(visitor: Visitor) -> None:
        page = await visitor.get(f"{await shared(visitor)}?host={key}")
        assert page.status == 200
        assert "<script>alert" not in page.text
        if key in HOSTS:
            assert HOSTS[key].title in page.words
            assert HOSTS[key].add in page.words

    visiting(tmp_path, test, is_in=False)


def name_at(host: Host, typed: str, zone: str) -> str:
    """The name that a host makes of what is typed into its form."""
    if host.habits is None or not host.habits.adds_domain:
        return typed
    return zone if typed in ("@", "") else f"{typed}.{zone}"


def target_at(host: Host, typed: str, zone: str) -> str:
    """The target that a host makes of what is typed, without its final dot."""
    is_relative = host.habits is not None and host.habits.wants_final_dot and not typed.endswith(".")
    return f"{typed}.{zone}" if is_relative else typed.removesuffix(".")


@pytest.mark.parametrize("key", HOSTS)
@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_what_is_copied_comes_out_right_at_every_host(key: str, sheet: Sheet) -> None:
    host = HOSTS[key]
    for record in sheet.records:
        boxes = {field.label: field.value for field in fields(host, record, sheet.zone)}
        value = boxes[host.value_box]
        assert name_at(host, boxes[host.name_box], sheet.zone) == record.name
        assert record.type in boxes["Type"]
        if record.type == "TXT":
            assert value in (record.value, rdata(record))
        else:
            priority = f"{boxes['Priority']} " if record.type == "MX" else ""
            assert priority + target_at(host, value, sheet.zone) == record.value


def test_the_zone_file_is_the_formats_own(tmp_path: Path) -> None:
    async def test(visitor: Visitor) -> None:
        page = await visitor.get(f"{await shared(visitor)}?host=zone")
        assert "._domainkey.fernhill.example.  1800  IN  CNAME" in unescape(page.text)

    visiting(tmp_path, test, is_in=False)
    assert FORMATS["zone"].write(EASY).count("\n") == 3
