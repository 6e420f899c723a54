"""Share links over the native API: made, listed, taken back, gone with their identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailseal.core.access import Account, permits
from mailseal.service.access import create_account
from mailseal.service.sharing import open_share_link, reader_of
from tests.unit.native.test_http import Native, native

PATH = "identities/example.com/share-links"


async def shared(api: Native, body: Any = None) -> tuple[Any, str]:
    """An identity's new link, and its token."""
    await api.ask("POST", "identities", {"identity": "example.com"})
    status, made = await api.ask("POST", PATH, body)
    assert status == 200, made
    return made, made["url"].rpartition("/")[2]


async def opens(api: Native, token: str, name: str = "example.com") -> bool:
    return await open_share_link(api.world, name, token, api.world.clock.now()) is not None


def test_a_link_opens_for_its_identity_until_it_ends(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        made, token = await shared(api)
        assert made["url"] == f"http://127.0.0.1:8080/mailseal/share/example.com/{token}"
        assert (made["created_at"], made["expires_at"]) == ("2026-11-23T14:00:00Z", "2026-12-07T14:00:00Z")
        assert await opens(api, token)
        await api.ask("POST", "identities", {"identity": "example.org"})
        assert not await opens(api, token, "example.org")
        api.world.clock.advance(days=13, hours=23)
        assert await opens(api, token)
        api.world.clock.advance(hours=1)
        assert not await opens(api, token)
        assert (await api.ask("GET", PATH))[1]["items"] == []

    native(tmp_path, test)


def test_a_link_that_was_taken_back_opens_nothing(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        made, token = await shared(api, {"days": 3})
        _, listed = await api.ask("GET", PATH)
        assert listed["items"] == [made]
        status, gone = await api.ask("DELETE", f"{PATH}/{made['link_id']}")
        assert (status, gone["revoked"]) == (200, True)
        assert not await opens(api, token)
        assert (await api.ask("DELETE", f"{PATH}/{made['link_id']}"))[0] == 404
        _, timeline = await api.ask("GET", "identities/example.com/events")
        assert [event["kind"] for event in timeline["items"]][:2] == ["share", "share"]

    native(tmp_path, test)


def test_links_go_with_their_identity_and_do_not_come_back_with_it(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        _, token = await shared(api)
        await api.ask("DELETE", "identities/example.com")
        await api.ask("POST", "identities", {"identity": "example.com"})
        assert not await opens(api, token)

    native(tmp_path, test)


def test_another_account_neither_makes_nor_sees_nor_revokes_links(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        made, token = await shared(api)
        await create_account(api.world, Account("000000000002"), api.world.clock.now())
        other = {"mailseal_account": "000000000002"}
        assert (await api.ask("GET", PATH, **other))[0] == 404
        assert (await api.ask("POST", PATH, **other))[0] == 404
        assert (await api.ask("DELETE", f"{PATH}/{made['link_id']}", **other))[0] == 404
        assert await opens(api, token)

    native(tmp_path, test)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (PATH, {"days": 0}, 400),
        (PATH, {"days": 91}, 400),
        (PATH, {"days": "x"}, 400),
        ("identities/none.example/share-links", {}, 404),
        ("identities/me%40example.com/share-links", {}, 400),
    ],
)
def test_a_link_that_cannot_be_is_refused(tmp_path: Path, path: str, body: Any, status: int) -> None:
    async def test(api: Native) -> int:
        await api.ask("POST", "identities", {"identity": "example.com"})
        return (await api.ask("POST", path, body))[0]

    assert native(tmp_path, test) == status


def test_whoever_reads_by_a_link_may_do_nothing_else(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        _, token = await shared(api)
        link = await open_share_link(api.world, "example.com", token, api.world.clock.now())
        assert link is not None
        who = reader_of(link)
        assert not who.is_operator
        assert not permits(who.permissions, "ses:GetEmailIdentity", "example.com")

    native(tmp_path, test)
