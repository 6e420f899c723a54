"""Accounts and access keys over the native API: the operator's own, and secrets are shown once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailseal.core.errors import SignatureDoesNotMatch
from mailseal.native import access, bearer, calls, operators, sharing
from mailseal.native.http import DECLARED
from mailseal.service.admit import Gate
from mailseal.service.submit import sign_in
from mailseal.sesv2.signing import Credentials
from tests.unit.native.test_http import KEY, Native, native

SIGNED = Credentials(KEY.access_key_id, KEY.secret, "us-east-1")


# They ask for their permission themselves, or are the operator's alone and say so.
OWN_DOOR = {
    "CreateIdentity",
    "SignMessage",
    "Examine",
    "ListZones",
    "ShowMasterKey",
    "ChangeMasterKey",
}


def test_every_path_has_its_permission_or_is_the_operators_alone() -> None:
    assert {route.operation for route in calls.ROUTES if not route.actions} == OWN_DOOR
    assert not [route for route in access.ROUTES if route.actions]
    assert not [route for route in (*bearer.ROUTES, *operators.ROUTES) if route.actions]
    assert all(route.actions for route in sharing.ROUTES)


def test_no_path_is_declared_twice() -> None:
    assert len({(route.method, route.shape) for route in DECLARED}) == len(DECLARED)
    assert len({route.operation for route in DECLARED}) == len(DECLARED)


def test_an_access_key_is_made_used_disabled_and_deleted(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        status, made = await api.ask("POST", "access-keys", {"label": "the shop's CI"})
        assert (status, made["account"], made["enabled"], made["allow"]) == (200, "000000000001", True, ["*"])
        own = Credentials(made["access_key_id"], made["secret_access_key"], "us-east-1")
        assert (await api.ask_signed("identities", own, b'{"identity": "example.com"}'))[0] == 200

        path = f"access-keys/{made['access_key_id']}"
        _, off = await api.ask("PUT", path, {"enabled": False})
        assert off["enabled"] is False
        status, refused = await api.ask_signed("identities", own, b'{"identity": "example.org"}')
        assert (status, refused["error"]["code"]) == (403, "InvalidSignatureException")
        await api.ask("PUT", path, {"enabled": True})
        assert (await api.ask_signed("identities", own, b'{"identity": "example.org"}'))[0] == 200
        _, gone = await api.ask("DELETE", path)
        assert gone["deleted"] is True
        assert (await api.ask_signed("identities", own, b'{"identity": "example.net"}'))[0] == 403
        assert (await api.ask("DELETE", path))[0] == 404

    native(tmp_path, story)


def test_a_secret_is_in_no_answer_but_the_one_that_made_it(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        _, made = await api.ask("POST", "access-keys", {})
        _, listed = await api.ask("GET", "access-keys")
        assert [one["access_key_id"] for one in listed["items"]] == sorted(
            [KEY.access_key_id, made["access_key_id"]]
        )
        assert "secret" not in str(listed)
        _, brought = await api.ask(
            "POST", "access-keys", {"access_key_id": "AKIAOLD", "secret_access_key": "old/secret+1"}
        )
        assert "secret" not in str(brought)
        old = Credentials("AKIAOLD", "old/secret+1", "us-east-1")
        assert (await api.ask_signed("identities", old, b'{"identity": "example.com"}'))[0] == 200
        told = str([line.fields for line in api.lines])
        assert made["secret_access_key"] not in told
        assert "old/secret+1" not in told

    native(tmp_path, story)


def test_a_key_does_what_its_lists_say_and_no_more(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        wish = {"allow": ["ses:Create*", "ses:Get*"], "identities": ["*.example.com"]}
        _, made = await api.ask("POST", "access-keys", wish)
        assert (made["allow"], made["identities"]) == (wish["allow"], wish["identities"])
        own = Credentials(made["access_key_id"], made["secret_access_key"], "us-east-1")
        assert (await api.ask_signed("identities", own, b'{"identity": "shop.example.com"}'))[0] == 200
        api.world.resolver.domains.add("shop.example.com")
        assert (await api.ask_signed("identities/shop.example.com/check", own))[0] == 200
        for path, body, action in (
            ("identities", b'{"identity": "example.org"}', "ses:CreateEmailIdentity"),
            ("identities/shop.example.com/rotate", b"", "ses:PutEmailIdentityDkimSigningAttributes"),
        ):
            status, refused = await api.ask_signed(path, own, body)
            assert (status, refused["error"]["code"]) == (403, "AccessDeniedException")
            assert (
                f"is not authorized to perform: {action} on resource: arn:aws:ses:"
                in refused["error"]["message"]
            )

    native(tmp_path, story)


def test_an_smtp_user_is_an_access_key_that_submits_mail_and_its_secret_is_shown_to_nobody(
    tmp_path: Path,
) -> None:
    async def story(api: Native) -> None:
        status, made = await api.ask("POST", "smtp-users", {"label": "the shop", "region": "eu-west-1"})
        assert (status, made["allow"], made["region"]) == (200, ["ses:SendRawEmail"], "eu-west-1")
        assert made["smtp_username"] == made["access_key_id"]
        assert "secret_access_key" not in made
        gate = Gate()
        signed_in = await sign_in(api.world, gate, made["smtp_username"], made["smtp_password"])
        assert (signed_in.who.account_id, signed_in.who.region) == ("000000000001", "eu-west-1")
        with pytest.raises(SignatureDoesNotMatch):
            await sign_in(api.world, gate, made["smtp_username"], made["smtp_password"].lower())

    native(tmp_path, story)


@pytest.mark.parametrize("path", ["accounts", "access-keys"])
def test_an_access_key_makes_neither_keys_nor_accounts(path: str, tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        status, refused = await api.ask_signed(path, SIGNED, b"{}")
        assert (status, refused["error"]["code"]) == (403, "AccessDeniedException")
        assert "control socket" in refused["error"]["hint"]
        assert len((await api.ask("GET", "access-keys"))[1]["items"]) == 1
        assert len((await api.ask("GET", "accounts"))[1]["items"]) == 1

    native(tmp_path, story)


def test_in_a_sandbox_everybody_may(tmp_path: Path) -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not a path of the sandbox")

    async def story(api: Native) -> None:
        status, made = await api.ask_signed("access-keys", SIGNED, b"{}")
        assert (status, len(made["secret_access_key"])) == (200, 40)

    native(tmp_path, story, nothing)


def test_an_account_gets_the_next_free_id_and_its_own_limits(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        status, made = await api.ask("POST", "accounts", {"label": "the shop", "identities": 5, "rate": 20})
        assert (status, made["account"], made["label"]) == (200, "000000000002", "the shop")
        assert made["limits"] == {"identities": 5, "rate": 20, "burst": 20}
        _, named = await api.ask("POST", "accounts", {"account": "123456789012"})
        assert named["limits"] == {"identities": 10_000, "rate": None, "burst": None}
        assert (await api.ask("POST", "accounts"))[1]["account"] == "123456789013"
        status, refused = await api.ask("POST", "accounts", {"account": "123456789012"})
        assert (status, refused["error"]["code"]) == (409, "AlreadyExistsException")

    native(tmp_path, story)


def test_what_is_not_said_of_an_account_stays(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        await api.ask("POST", "accounts", {"label": "the shop", "identities": 5, "rate": 20, "burst": 40})
        path = "accounts/000000000002"
        _, one = await api.ask("PUT", path, {"identities": None})
        assert one["limits"] == {"identities": None, "rate": 20, "burst": 40}
        _, two = await api.ask("PUT", path, {"burst": 60})
        assert two["limits"] == {"identities": None, "rate": 20, "burst": 60}
        _, three = await api.ask("PUT", path, {"rate": None, "label": ""})
        assert (three["limits"]["rate"], three["label"]) == (None, "")
        assert (await api.ask("GET", path))[1] == three

    native(tmp_path, story)


def test_an_account_shows_what_it_holds(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        for name, region in (
            ("a.example", "us-east-1"),
            ("b.example", "us-east-1"),
            ("a.example", "eu-west-1"),
        ):
            assert (await api.ask("POST", "identities", {"identity": name}, mailseal_region=region))[0] == 200
        _, shown = await api.ask("GET", "accounts/000000000001")
        assert shown["identities"] == {"us-east-1": 2, "eu-west-1": 1}
        assert shown["access_keys"] == 1

    native(tmp_path, story)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "accounts", {"account": "1"}, 400),
        ("POST", "accounts", {"rate": 0}, 400),
        ("POST", "accounts", {"identities": -1}, 400),
        ("POST", "accounts", {"burst": 3}, 400),
        ("POST", "accounts", {"label": "\x1b[31m"}, 400),
        ("POST", "accounts", {"limit": 3}, 400),
        ("PUT", "accounts/000000000009", {"rate": 3}, 404),
        ("PUT", "accounts/000000000001", {"account": "000000000002"}, 400),
        ("GET", "accounts/000000000009", None, 404),
        ("POST", "access-keys", {"account": "000000000009"}, 404),
        ("POST", "access-keys", {"access_key_id": "AKIAOLD"}, 400),
        ("POST", "access-keys", {"secret_access_key": "x"}, 400),
        ("POST", "access-keys", {"access_key_id": "a b", "secret_access_key": "x"}, 400),
        ("POST", "access-keys", {"access_key_id": "AKIAOLD", "secret_access_key": "two words"}, 400),
        ("POST", "access-keys", {"access_key_id": KEY.access_key_id, "secret_access_key": "x"}, 409),
        ("POST", "access-keys", {"allow": ["SendEmail"]}, 400),
        ("POST", "smtp-users", {"region": "mars-north-1"}, 400),
        ("POST", "smtp-users", {"account": "000000000009"}, 404),
        ("PUT", "access-keys/AKIAUNKNOWN", {"enabled": True}, 404),
        ("PUT", f"access-keys/{KEY.access_key_id}", {"enabled": "yes"}, 400),
        ("GET", "access-keys?account=000000000009", None, 404),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    method: str, path: str, body: Any, status: int, tmp_path: Path
) -> None:
    async def story(api: Native) -> None:
        before = [(await api.ask("GET", one))[1] for one in ("accounts", "access-keys")]
        where, _, query = path.partition("?")
        found, told = await api.ask(method, where, body, query=query)
        assert found == status, told
        assert "two words" not in str(told)
        assert [(await api.ask("GET", one))[1] for one in ("accounts", "access-keys")] == before

    native(tmp_path, story)
