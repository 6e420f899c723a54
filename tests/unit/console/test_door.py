"""The console's door: who gets in, what a cookie is worth, and which forms are taken."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.routing import Route

from mailseal.console.app import Console
from mailseal.core.commands import CreateIdentity
from mailseal.core.operators import IDLE, REST
from mailseal.service.configure import create_identity
from mailseal.service.signin import session_hash
from tests.unit.console.visitor import HOME, NAME, PASSWORD, WHO, Visitor, visiting

INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! type=\"module\" src=)")
SAMPLE = {"account": "000000000001", "region": "us-east-1", "name": "example.com", "file": "console.css"}


def paths(console: Console, method: str) -> list[str]:
    """Every route of a method, with something in the place of each parameter."""
    found = [route.path for route in console.routes if isinstance(route, Route) and method in route.methods]
    return [re.sub(r"\{(\w+)(:\w+)?\}", lambda m: SAMPLE.get(m[1], "x"), path) for path in found]


def test_the_right_password_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        wrong = await visitor.sign_in(password="not the right one")
        assert wrong.status == 403
        assert "do not open the console" in wrong.words
        unknown = await visitor.sign_in(name="nobody")
        assert unknown.words.replace("nobody", NAME) == wrong.words
        right = await visitor.sign_in()
        assert (right.status, right.to) == (303, "/console/")
        assert (await visitor.get("/console/")).to == f"{HOME}/identities"
        assert (await visitor.get(f"{HOME}/identities")).status == 200

    visiting(tmp_path, story, is_in=False)


def test_after_five_wrong_passwords_the_right_one_is_refused_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        for _ in range(5):
            refused = await visitor.sign_in(password="not the right one")
        assert (await visitor.sign_in()).words == refused.words
        visitor.world.clock.advance(seconds=REST.total_seconds() + 1)
        assert (await visitor.sign_in()).status == 303

    visiting(tmp_path, story, is_in=False)


def test_without_a_session_no_page_says_anything(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        for path in paths(visitor.console, "GET"):
            if path in ("/", "/console/sign-in") or path.startswith(("/console/static/", "/mailseal/share/")):
                continue
            answer = await visitor.stranger().get(path)
            assert (answer.status, answer.to) == (303, "/console/sign-in"), path

    visiting(tmp_path, story)


def test_an_operators_session_opens_no_share_page_and_a_forged_link_does_not_tell_who_is_here(
    tmp_path: Path,
) -> None:
    async def story(visitor: Visitor) -> None:
        shares = [path for path in paths(visitor.console, "GET") if path.startswith("/mailseal/share/")]
        assert len(shares) == 2
        now = visitor.world.clock.now()
        await create_identity(visitor.world, WHO, CreateIdentity("example.com"), now)
        for path in shares:
            elsewhere = path.replace("example.com", "nobody.example")
            stranger = visitor.stranger()
            asked = [await stranger.get(path), await visitor.get(path), await visitor.get(elsewhere)]
            assert {(one.status, one.to) for one in asked} == {(404, "")}, path
            assert len({one.words for one in asked}) == 1, path

    visiting(tmp_path, story)


def test_no_route_that_changes_something_takes_a_form_without_the_sessions_token(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        stranger = visitor.stranger()
        foreign = (await stranger.get("/console/sign-in")).token
        own = (await visitor.get(f"{HOME}/identities")).token
        changing = [path for path in paths(visitor.console, "POST") if path != "/console/sign-in"]
        assert len(changing) >= 2
        for path in changing:
            for form in ({}, {"token": ""}, {"token": "0" * 64}, {"token": foreign}):
                assert (await visitor.post(path, form)).status == 403, path
            elsewhere = await visitor.post(path, {"token": own}, origin="https://evil.example")
            assert elsewhere.status == 403, path
            cross = await visitor.post(path, {"token": own}, sec_fetch_site="cross-site")
            assert cross.status == 403, path
            plain = await visitor.ask("POST", path, f"token={own}".encode(), {"content-type": "text/plain"})
            assert plain.status == 400, path
            assert (await visitor.get(f"{HOME}/identities")).status == 200, path

    visiting(tmp_path, story)


def test_every_route_is_get_or_post_alone(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        for route in visitor.console.routes:
            assert isinstance(route, Route)
            assert route.methods in ({"GET", "HEAD"}, {"POST"}), route.path

    visiting(tmp_path, story)


def test_signing_in_gives_a_new_secret_and_signing_out_ends_it(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        before = (await visitor.get("/console/sign-in")).cookies[0].split(";")[0].partition("=")[2]
        answer = await visitor.sign_in()
        secret = visitor.cookies["mailseal_console"]
        assert secret != before
        assert len(secret) >= 43
        assert all(flag in answer.cookies[0] for flag in ("HttpOnly", "SameSite=strict", "Path=/console"))
        kept = dict(visitor.cookies)
        page = await visitor.get(f"{HOME}/identities")
        assert (await visitor.post("/console/sign-out", {"token": page.token})).to == "/console/sign-in"
        visitor.cookies = kept
        assert (await visitor.get(f"{HOME}/identities")).to == "/console/sign-in"

    visiting(tmp_path, story, is_in=False)


def test_behind_https_the_cookie_is_secure(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        assert "Secure" in (await visitor.sign_in()).cookies[0]

    visiting(tmp_path, story, is_in=False, url="https://mail.example.net")


def test_a_session_that_nobody_used_for_long_is_over(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        visitor.world.clock.advance(seconds=(IDLE - timedelta(minutes=1)).total_seconds())
        assert (await visitor.get(f"{HOME}/identities")).status == 200
        visitor.world.clock.advance(seconds=(IDLE - timedelta(minutes=1)).total_seconds())
        assert (await visitor.get(f"{HOME}/identities")).status == 200
        visitor.world.clock.advance(seconds=IDLE.total_seconds() + 1)
        assert (await visitor.get(f"{HOME}/identities")).to == "/console/sign-in"

    visiting(tmp_path, story)


def test_the_database_knows_neither_the_password_nor_the_sessions_secret(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> str:
        stored = await visitor.world.store.read(lambda tx: tx.operators.load(NAME))
        assert stored is not None
        assert stored.password.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
        secret = visitor.cookies["mailseal_console"]
        found = await visitor.world.store.read(lambda tx: tx.operators.session(session_hash(secret)))
        assert found is not None
        assert found.operator == NAME
        return secret

    secret = visiting(tmp_path, story)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert session_hash(secret).encode() in content
    assert secret.encode() not in content
    assert PASSWORD.encode() not in content


def test_an_account_or_region_that_is_not_there_is_no_page(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        assert (await visitor.get("/console/999999999999/us-east-1/identities")).status == 404
        assert (await visitor.get("/console/000000000001/mars-north-1/identities")).status == 404
        assert (await visitor.get("/console/nothing")).status == 404

    visiting(tmp_path, story)


@pytest.mark.parametrize("path", ["/console/sign-in", f"{HOME}/identities", "/console/nothing"])
def test_every_page_forbids_frames_foreign_requests_and_inline_scripts(tmp_path: Path, path: str) -> None:
    async def story(visitor: Visitor) -> None:
        answer = await visitor.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert not INLINE.search(answer.text)

    visiting(tmp_path, story)


def test_a_sandbox_lets_in_whoever_asks_for_this_machine_by_its_own_name(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        rebound = visitor.stranger()
        rebound.host = "evil.example:8080"
        refused = await rebound.get("/console/")
        assert (refused.status, rebound.cookies) == (403, {})
        entered = await visitor.get("/console/")
        assert entered.to == "/console/"
        assert (await visitor.get("/console/")).to == f"{HOME}/identities"

    visiting(tmp_path, story, sandbox=lambda scope, receive, send: None)


def test_a_log_line_tells_who_did_it_and_nothing_of_the_form(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        await visitor.sign_in(password="a wrong password")
        told = str([line.fields for line in visitor.lines])
        assert "console /console/sign-in" in told
        assert "a wrong password" not in told
        assert visitor.cookies["mailseal_console"] not in told

    visiting(tmp_path, story)
