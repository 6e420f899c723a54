"""Records over the native API: one identity's and a whole account's, as objects and in a tool's format."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.suffixes import PublicSuffixes
from mailseal.handoff.formats import FORMATS
from tests.unit.native.test_http import Native, native

MANY = 120
"""More than are read at once, and more than a page holds."""


async def text_of(api: Native, path: str, query: str) -> tuple[dict[bytes, bytes], list[str]]:
    """Headers and pieces of an answer that is no object."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": f"/mailseal/v1/{path}".encode(),
        "query_string": query.encode(),
        "headers": [],
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await api.trusted(scope, receive, send)
    start, *bodies = sent
    assert start["status"] == 200, bodies
    assert [one.get("more_body", False) for one in bodies] == [True] * (len(bodies) - 1) + [False]
    return dict(start["headers"]), [one["body"].decode() for one in bodies]


async def filled(api: Native) -> None:
    for number in range(MANY):
        await api.ask("POST", "identities", {"identity": f"n{number:03}.example"})
    await api.ask("POST", "identities", {"identity": "me@n000.example"})


@pytest.mark.parametrize("word", FORMATS)
def test_the_records_of_one_identity_come_in_every_format(tmp_path: Path, word: str) -> None:
    async def test(api: Native) -> None:
        await api.ask("POST", "identities", {"identity": "example.com"})
        _, told = await api.ask("GET", "identities/example.com/records")
        headers, pieces = await text_of(api, "identities/example.com/records", f"format={word}")
        assert all(record["value"] in "".join(pieces) for record in told["records"])
        assert headers[b"content-type"].startswith(FORMATS[word].media_type.encode())
        assert b"example.com." in headers[b"content-disposition"]

    native(tmp_path, test)


def test_a_whole_account_comes_piece_by_piece_with_one_head(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        await filled(api)
        headers, pieces = await text_of(api, "records", "format=csv")
        assert len([piece for piece in pieces if piece]) == 3
        lines = "".join(pieces).splitlines()
        assert lines[0] == "name,type,value,ttl"
        assert len(set(lines)) == len(lines) == 1 + 3 * MANY
        assert b'filename="mailseal.csv"' in headers[b"content-disposition"]

    native(tmp_path, test)


def test_a_whole_account_comes_as_objects_in_pages(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        await filled(api)
        seen, token = [], ""
        while token is not None:
            status, page = await api.ask("GET", "records", query=f"limit=70&next={token}")
            assert status == 200
            seen += [one["identity"] for one in page["items"]]
            token = page["next"]
        assert seen == [f"n{number:03}.example" for number in range(MANY)]

    native(tmp_path, test)


@pytest.mark.parametrize("query", ["format=word", "next=nonsense", "limit=0"])
def test_what_is_not_a_format_or_a_page_is_refused(tmp_path: Path, query: str) -> None:
    async def test(api: Native) -> None:
        await api.ask("POST", "identities", {"identity": "example.com"})
        status, told = await api.ask("GET", "records", query=query)
        assert (status, told["error"]["code"]) == (400, "BadRequestException")

    native(tmp_path, test)


def test_a_fault_in_the_middle_leaves_the_answer_unfinished(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        await filled(api)
        read = api.world.store.read
        count = 0

        async def failing(unit: Any) -> Any:
            nonlocal count
            count += 1
            if count == 2:
                raise ZeroDivisionError
            return await read(unit)

        api.world.store.read = failing
        with pytest.raises(AssertionError):
            await text_of(api, "records", "format=zone")
        assert [line.event for line in api.lines][-1] == "fault"

    native(tmp_path, test)


def test_the_zone_is_the_one_that_was_seen_and_before_that_the_one_that_can_be_registered(
    tmp_path: Path,
) -> None:
    async def test(api: Native) -> None:
        object.__setattr__(api.world, "suffixes", PublicSuffixes(frozenset({"uk", "co.uk"})))
        await api.ask("POST", "identities", {"identity": "mail.example.co.uk"})
        path = "identities/mail.example.co.uk/records"
        assert (await api.ask("GET", path))[1]["zone"] == "example.co.uk"
        setting = (await api.world.store.read(only)).newest.setting_id
        for seen, zone in (
            ("mail.example.co.uk", "mail.example.co.uk"),
            ("co.uk", "example.co.uk"),
            ("other.co.uk", "example.co.uk"),
            (None, "example.co.uk"),
        ):
            report = json.dumps({"zone": seen})
            await api.world.store.write(
                lambda tx, report=report: tx.evidence.save(setting, api.world.clock.now(), report)
            )
            assert (await api.ask("GET", path))[1]["zone"] == zone

    def only(tx: Any) -> Any:
        return tx.identities.load("000000000001", "us-east-1", "mail.example.co.uk")

    native(tmp_path, test)
