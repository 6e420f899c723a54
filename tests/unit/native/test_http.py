"""The native API as one ASGI application: who is let in, what each path gives, how a refusal looks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mailseal.core.access import AccessKey, secret_name
from mailseal.core.observations import AuthorityReport
from mailseal.native.http import NativeApi, Trusted
from mailseal.sesv2.signing import Credentials, signed_headers
from mailseal.sesv2.sigv4 import Target
from mailseal.telemetry import Line, Telemetry
from mailseal.worker import Bells, Worker
from tests.fakes import HOSTED_ZONE, START, FakeClock, ScriptedDns, fake_world, opened_store

KEY = AccessKey("AKIATESTTESTTESTTEST", "000000000001", "a-secret")
T = TypeVar("T")


class Native:
    """The application over a real database, asked by its control socket's way unless signed."""

    def __init__(self, world: Any, lines: list[Line], sandbox: Any = None) -> None:
        self.world, self.lines = world, lines
        telemetry = Telemetry(lines.append, world.clock.now)
        self.trusted = NativeApi(world, telemetry, trusted=Trusted("000000000001"), sandbox=sandbox)
        self.public = NativeApi(world, telemetry, sandbox=sandbox)
        self.worker = Worker(world, Bells(), telemetry)

    async def ask(
        self, method: str, path: str, body: Any = None, *, query: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Status and object of one trusted request."""
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await call(self.trusted, method, path, query.encode(), content, given)

    async def ask_signed(self, path: str, credentials: Credentials, body: bytes = b"") -> tuple[int, Any]:
        """The same, signed, over the public door."""
        target = Target("POST", f"/mailseal/v1/{path}".encode(), b"")
        signed = signed_headers(target, body, "localhost", credentials, START)
        headers = [(name.encode(), value.encode()) for name, value in signed.items()]
        return await call(self.public, "POST", path, b"", body, headers)


async def call(
    application: Any, method: str, path: str, query: bytes, body: bytes, headers: list[tuple[bytes, bytes]]
) -> tuple[int, Any]:
    raw = path.encode() if path.startswith("/") else f"/mailseal/v1/{path}".encode()
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": raw,
        "query_string": query,
        "headers": headers,
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def native(folder: Path, test: Callable[[Native], Awaitable[T]], sandbox: Any = None) -> T:
    async def run() -> T:
        async with opened_store(folder) as store:
            world = fake_world(store)
            sealed = world.keyring.seal_secret(secret_name(KEY.access_key_id), KEY.secret.encode())

            def unit(tx: Any) -> None:
                tx.access_keys.add_account(KEY.account_id, START)
                tx.access_keys.add(KEY, sealed, START)

            await store.write(unit)
            return await test(Native(world, [], sandbox))

    return asyncio.run(run())


def test_an_identity_from_its_creation_to_its_end(tmp_path: Path) -> None:
    async def test(api: Native) -> None:
        assert isinstance(api.world.resolver, ScriptedDns)
        assert isinstance(api.world.clock, FakeClock)
        api.world.resolver.domains.add("example.com")
        status, made = await api.ask("POST", "identities", {"identity": "Example.com"})
        assert (status, made["identity"], made["dkim_status"]) == (200, "example.com", "PENDING")
        assert made["signed_with"] is None
        assert api.lines[-1].fields["identity"] == "example.com"
        assert [slot["state"] for slot in made["slots"]] == ["active", "blank", "blank"]
        _, records = await api.ask("GET", "identities/example.com/records")
        assert [one["type"] for one in records["records"]] == ["CNAME"] * 3
        status, evidence = await api.ask("GET", "identities/example.com/evidence")
        assert (status, evidence["checked_at"], evidence["records"]) == (200, None, [])
        _, absent = await api.ask("POST", "identities/example.com/check")
        assert [one["finding"] for one in absent["records"]] == ["NXDOMAIN"] * 3
        assert absent["search_ends_at"] == "2026-11-26T14:00:00Z"
        for one in records["records"]:
            api.world.resolver.publish(one["name"], one["value"])
        await api.worker.catch_up()
        for _ in range(2):
            _, checked = await api.ask("POST", "identities/example.com/check")
            api.world.clock.advance(seconds=6)
        assert (checked["dkim_status"], checked["search_ends_at"]) == ("SUCCESS", None)
        _, shown = await api.ask("GET", "identities/example.com", query="events=all")
        assert shown["signed_with"]["slot"] == 1
        assert shown["events"][-1]["kind"] == "created"
        _, rotated = await api.ask("POST", "identities/example.com/rotate")
        assert [slot["state"] for slot in rotated["slots"]] == ["active", "next", "blank"]
        assert (await api.ask("DELETE", "identities/example.com"))[1]["deleted"] is True
        assert (await api.ask("GET", "identities/example.com"))[0] == 404

    native(tmp_path, test)


def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    async def test(api: Native) -> list[str]:
        for name in ("b.example", "a.example", "c.example"):
            await api.ask("POST", "identities", {"identity": name})
        _, first = await api.ask("GET", "identities", query="limit=2")
        _, second = await api.ask("GET", "identities", query=f"limit=2&next={first['next']}")
        assert second["next"] is None
        return [row["identity"] for row in first["items"] + second["items"]]

    assert native(tmp_path, test) == ["a.example", "b.example", "c.example"]


def test_settings_change_and_the_key_is_in_no_answer(tmp_path: Path) -> None:
    async def test(api: Native) -> str:
        await api.ask("POST", "identities", {"identity": "example.com"})
        _, off = await api.ask("PUT", "identities/example.com", {"signing_enabled": False})
        assert off["signing_enabled"] is False
        status, shorter = await api.ask("PUT", "identities/example.com", {"dkim": {"key_bits": 1024}})
        assert (status, shorter["bits"]) == (200, 1024)
        wish = {"selector": "s1", "private_key": "bm90IGEga2V5" * 20}
        status, refused = await api.ask("PUT", "identities/example.com", {"dkim": wish})
        assert status == 400
        return json.dumps(refused) + repr(api.lines)

    assert "bm90IGEga2V5" not in native(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "identities/none.example", None, 404),
        ("GET", "nothing", None, 404),
        ("PATCH", "identities", None, 404),
        ("GET", "identities/a/b/c", None, 404),
        ("GET", "/mailseal/v2/identities", None, 404),
        ("GET", "identities/a%2Fb", None, 400),
        ("GET", "identities/%00", None, 400),
        ("GET", "identities/%FF", None, 400),
        ("POST", "identities", b"{", 400),
        ("POST", "identities", b"[]", 400),
        ("POST", "identities", {"identity": 3}, 400),
        ("POST", "identities", {"identity": "example.com", "surprise": 1}, 400),
        ("POST", "identities", {"identity": "not a domain"}, 400),
        ("POST", "identities", {"identity": "example.com", "dkim": {"key_bits": 4096}}, 400),
        ("POST", "identities", b'{"identity": "' + b"a" * (1024 * 1024) + b'"}', 400),
        ("GET", "sandbox/clock", None, 404),
    ],
)
def test_a_request_that_is_not_one_is_refused_with_an_error_object(
    tmp_path: Path, method: str, path: str, body: Any, status: int
) -> None:
    got, told = native(tmp_path, lambda api: api.ask(method, path, body))
    assert got == status
    assert told["error"]["kind"] == "refused"
    assert told["error"]["request_id"]


def test_over_the_public_door_only_a_right_signature_is_heard(tmp_path: Path) -> None:
    right = Credentials(KEY.access_key_id, KEY.secret, "us-east-1")
    body = b'{"identity": "example.com"}'

    async def test(api: Native) -> list[int]:
        unsigned = await call(api.public, "POST", "identities", b"", body, [(b"host", b"x")])
        wrong_secret = Credentials(KEY.access_key_id, "another", "us-east-1")
        wrong_key = Credentials("AKIANOBODYNOBODYNOBO", KEY.secret, "us-east-1")
        wrong_region = Credentials(KEY.access_key_id, KEY.secret, "mars-north-1")
        wrong = (wrong_secret, wrong_key, wrong_region)
        refused = [unsigned[0], *[(await api.ask_signed("identities", one, body))[0] for one in wrong]]
        assert (await api.ask("GET", "identities"))[1]["items"] == []
        assert (await api.ask_signed("identities", right, body))[0] == 200
        assert len((await api.ask("GET", "identities"))[1]["items"]) == 1
        return refused

    assert native(tmp_path, test) == [403] * 4


def test_a_signature_for_another_body_is_refused(tmp_path: Path) -> None:
    async def test(api: Native) -> int:
        right = Credentials(KEY.access_key_id, KEY.secret, "us-east-1")
        target = Target("POST", b"/mailseal/v1/identities", b"")
        signed = signed_headers(target, b'{"identity": "a.example"}', "localhost", right, START)
        headers = [(name.encode(), value.encode()) for name, value in signed.items()]
        status, _ = await call(api.public, "POST", "identities", b"", b'{"identity": "b.example"}', headers)
        return status

    assert native(tmp_path, test) == 403


def test_an_account_does_not_see_anothers_identities(tmp_path: Path) -> None:
    async def test(api: Native) -> tuple[int, int]:
        await api.ask("POST", "identities", {"identity": "example.com"})
        other, _ = await api.ask("GET", "identities/example.com", mailseal_account="000000000002")
        region, _ = await api.ask("GET", "identities/example.com", mailseal_region="eu-west-1")
        return other, region

    assert native(tmp_path, test) == (404, 404)


def test_a_fault_is_told_to_the_log_and_not_to_the_client(tmp_path: Path) -> None:
    class Broken(ScriptedDns):
        """A resolver with a bug."""

        async def ask_authorities(self, domain: str, questions: Any) -> AuthorityReport:
            raise ZeroDivisionError("inner matter")

    async def test(api: Native) -> tuple[int, Any, list[Line]]:
        await api.ask("POST", "identities", {"identity": "example.com"})
        object.__setattr__(api.world, "resolver", Broken())
        status, told = await api.ask("POST", "identities/example.com/check")
        return status, told, api.lines

    status, told, lines = native(tmp_path, test)
    assert (status, told["error"]["kind"]) == (500, "fault")
    assert "inner matter" not in json.dumps(told)
    [fault] = [line for line in lines if line.event == "fault"]
    assert fault.fields["request_id"] == told["error"]["request_id"]
    assert "inner matter" in str(fault.fields["detail"])


def test_health_needs_no_key(tmp_path: Path) -> None:
    async def test(api: Native) -> list[Any]:
        alive = await call(api.public, "GET", "/healthz", b"", b"", [])
        before = await call(api.public, "GET", "/readyz", b"", b"", [])
        await api.world.store.write(lambda tx: tx.zone.add(HOSTED_ZONE))
        return [alive, before, await call(api.public, "GET", "/readyz", b"", b"", [])]

    well = (200, {"status": "ok"})
    lacking = {"status": "not ready", "not_ready": {"zone": f"not served: {HOSTED_ZONE}"}}
    assert native(tmp_path, test) == [well, (503, lacking), well]


def test_the_sandboxs_application_gets_a_known_caller_and_the_body(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def sandbox(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["state"]["principal"].account_id, (await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def test(api: Native) -> int:
        right = Credentials(KEY.access_key_id, KEY.secret, "us-east-1")
        wrong = Credentials(KEY.access_key_id, "another", "us-east-1")
        assert (await api.ask_signed("sandbox/clock", wrong, b"{}"))[0] == 403
        return (await api.ask_signed("sandbox/clock", right, b'{"a":1}'))[0]

    assert native(tmp_path, test, sandbox) == 200
    assert seen == [(KEY.account_id, b'{"a":1}')]


def test_the_digest_of_nothing_is_the_one_that_signing_uses() -> None:
    target = Target("GET", b"/", b"")
    at = datetime(2026, 11, 23, tzinfo=UTC)
    one = signed_headers(target, b"", "h", Credentials("A", "s", "r"), at)
    other = signed_headers(target, hashlib.sha256(b"").digest(), "h", Credentials("A", "s", "r"), at)
    assert one["authorization"] != other["authorization"]


def test_an_address_is_created_shown_asked_again_and_deleted(tmp_path: Path) -> None:
    async def test(native: Native) -> None:
        status, made = await native.ask("POST", "identities", {"identity": "Me@Example.com"})
        assert status == 200
        assert (made["identity"], made["kind"]) == ("Me@example.com", "EMAIL_ADDRESS")
        assert (made["verification_status"], made["may_send"], made["domain"]) == ("PENDING", False, None)
        assert made["mails_tried"] == 1
        assert [event["kind"] for event in made["events"]] == ["mail", "created"]
        _, again = await native.ask("POST", "identities/Me%40example.com/retry")
        assert [event["kind"] for event in again["events"]] == ["mail", "restart", "mail", "created"]
        _, listed = await native.ask("GET", "identities")
        assert [(row["identity"], row["kind"]) for row in listed["items"]] == [
            ("Me@example.com", "EMAIL_ADDRESS")
        ]
        _, shown = await native.ask("GET", "installation")
        assert shown["identities"] == {"PENDING": 1}
        status, told = await native.ask("PUT", "identities/Me%40example.com", {"signing_enabled": False})
        assert (status, told["error"]["code"]) == (400, "BadRequestException")
        for method, tail in (("GET", "records"), ("GET", "evidence"), ("POST", "check")):
            status, told = await native.ask(method, f"identities/Me%40example.com/{tail}")
            assert (status, "has no records" in told["error"]["message"]) == (400, True)
        assert (await native.ask("DELETE", "identities/Me%40example.com"))[0] == 200
        assert (await native.ask("GET", "identities/Me%40example.com"))[0] == 404

    native(tmp_path, test)
