"""Bearer tokens: what a program that cannot sign may send instead, and everything that does not open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailseal.core.bearer import parse_bearer, token_hash
from tests.unit.native.test_http import Native, call, native


async def made(api: Native, **body: Any) -> tuple[str, str]:
    """A new token and its id."""
    status, told = await api.ask("POST", "access-tokens", body)
    assert status == 200, told
    return told["token"], told["token_id"]


async def ask_with(api: Native, token: str, method: str, path: str, body: bytes = b"", **more: str) -> Any:
    """Status and object of a request over the public door that carries a token."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return await call(api.public, method, path, b"", body, headers)


def test_a_token_does_what_its_account_may(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        token, token_id = await made(api, label="the shop")
        status, _ = await ask_with(api, token, "POST", "identities", b'{"identity": "example.com"}')
        assert status == 200
        assert (await ask_with(api, token, "GET", "identities/example.com/records"))[0] == 200
        assert (await ask_with(api, token, "GET", "identities", mailseal_region="eu-west-1"))[1][
            "items"
        ] == []
        assert (await ask_with(api, token, "GET", "identities", mailseal_region="mars-1"))[0] == 403
        # It is nobody who may make accounts, keys or tokens, whatever it permits.
        for method, path in (("GET", "accounts"), ("POST", "access-tokens"), ("POST", "doctor")):
            assert (await ask_with(api, token, method, path))[0] == 403
        assert api.lines[-1].fields["access_key_id"] == token_id
        assert token not in repr(api.lines)

    native(tmp_path, test)


def test_only_the_hash_of_a_token_is_kept(tmp_path: Path) -> None:
    async def test(api: Native) -> tuple[str, Any]:
        token, _ = await made(api)
        _, listed = await api.ask("GET", "access-tokens")
        assert token not in repr(listed)
        found = await api.world.store.read(lambda tx: tx.bearer_tokens.find(token_hash(token)))
        assert found is not None
        return token, None

    token, _ = native(tmp_path, test)
    for path in tmp_path.iterdir():
        assert token.encode() not in path.read_bytes()


def test_a_token_that_ended_was_deleted_or_never_was_is_refused_alike(tmp_path: Path) -> None:
    async def test(api: Native) -> list[tuple[int, str]]:
        ending, _ = await made(api, days=1)
        gone, gone_id = await made(api)
        assert (await ask_with(api, ending, "GET", "identities"))[0] == 200
        assert (await api.ask("DELETE", f"access-tokens/{gone_id}"))[0] == 200
        assert (await api.ask("DELETE", f"access-tokens/{gone_id}"))[0] == 404
        api.world.clock.advance(days=1)
        wrong = (ending, gone, f"mst_{'A' * 43}", f"{gone}x", "", "AKIA")
        told = [await ask_with(api, token, "GET", "identities") for token in wrong]
        return [(status, one["error"]["message"]) for status, one in told]

    assert len(set(native(tmp_path, test))) == 1


def test_a_token_permits_no_more_than_it_says(tmp_path: Path) -> None:
    async def test(api: Native) -> list[int]:
        await api.ask("POST", "identities", {"identity": "example.com"})
        await api.ask("POST", "identities", {"identity": "example.org"})
        token, _ = await made(api, allow=["ses:Get*"], identities=["example.com"])
        asked = (
            ("GET", "identities/example.com"),
            ("GET", "identities/example.org"),
            ("GET", "identities"),
            ("GET", "records"),
            ("DELETE", "identities/example.com"),
            ("POST", "identities/example.com/rotate"),
        )
        return [(await ask_with(api, token, method, path))[0] for method, path in asked]

    assert native(tmp_path, test) == [200, 403, 403, 403, 403, 403]


@pytest.mark.parametrize(
    "body", [{"days": 0}, {"days": 3651}, {"allow": ["s3:Get"]}, {"account": "1"}, {"x": 1}]
)
def test_a_token_that_cannot_be_is_refused(tmp_path: Path, body: Any) -> None:
    assert native(tmp_path, lambda api: api.ask("POST", "access-tokens", body))[0] == 400


def test_a_token_for_an_unknown_account_is_refused(tmp_path: Path) -> None:
    body = {"account": "000000000009"}
    assert native(tmp_path, lambda api: api.ask("POST", "access-tokens", body))[0] == 404


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (f"Bearer mst_{'a' * 43}", f"mst_{'a' * 43}"),
        (f"bearer  mst_{'a' * 43} ", f"mst_{'a' * 43}"),
        ("AWS4-HMAC-SHA256 Credential=A", None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", ""),
        ("Bearer mst_a", ""),
        (f"Bearer mst_{'a' * 43}\n", f"mst_{'a' * 43}"),
        (f"Bearer mst_{'ä' * 43}", ""),
    ],
)
def test_what_a_header_carries(header: str, token: str | None) -> None:
    assert parse_bearer(header) == token
