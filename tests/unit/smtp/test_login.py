"""Logging in at the next hop: at aiosmtpd, which we did not write; and a password that nobody sees."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from mailseal.app.parts import make_next_hop
from mailseal.config import Config, NextHopConfig, SetupError
from mailseal.core.envelope import HandedOver, MailAnswer, NoAnswer
from mailseal.smtp.login import Login, load_login
from mailseal.smtp.nexthop import SmtpNextHop
from tests.journeys.submitting import write_certificate
from tests.unit.smtp.test_nexthop import ENVELOPE, MESSAGE, Keeping

GOOD = Login("mailseal", "a pässword")


def let_in(server: Any, session: Any, envelope: Any, mechanism: str, said: Any) -> AuthResult:
    assert isinstance(said, LoginPassword)
    known = (said.login.decode(), said.password.decode()) == (GOOD.user, GOOD.password)
    return AuthResult(success=known, handled=False)


async def handed_over(folder: Path, login: Login | None, **settings: Any) -> tuple[MailAnswer, Keeping, str]:
    """What became of a message at a server that wants a login in STARTTLS, and what a doctor is told."""
    certificate, key = write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keeping = Keeping()
    loop = asyncio.get_running_loop()
    settings = {"auth_required": True, "require_starttls": True, "tls_context": context, **settings}

    def serve() -> SMTP:
        return SMTP(keeping, hostname="mx.test", loop=loop, authenticator=let_in, **settings)

    server = await loop.create_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hop = SmtpNextHop(f"smtp+starttls://127.0.0.1:{port}", ca_file=str(certificate), login=login)
    try:
        return await hop.hand_over(ENVELOPE, MESSAGE), keeping, await hop.answers() or ""
    finally:
        await hop.close()
        server.close()


@pytest.mark.parametrize("without", [[], ["PLAIN"]], ids=["PLAIN", "LOGIN"])
def test_mail_is_handed_over_after_a_login_inside_tls(tmp_path: Path, without: list[str]) -> None:
    answer, keeping, said = asyncio.run(handed_over(tmp_path, GOOD, auth_exclude_mechanism=without))
    assert isinstance(answer, HandedOver)
    assert said == ""
    assert len(keeping.mails) == 1


def test_a_wrong_password_refuses_no_message_and_is_not_told(tmp_path: Path) -> None:
    answer, keeping, said = asyncio.run(handed_over(tmp_path, Login("mailseal", "wrong")))
    assert answer == NoAnswer("the server refuses our login with 535")
    assert said == "the server refuses our login with 535"
    assert keeping.mails == []


def test_a_server_without_a_login_that_we_know_gets_no_password(tmp_path: Path) -> None:
    neither = {"auth_exclude_mechanism": ["PLAIN", "LOGIN"], "auth_required": False}
    answer, keeping, _ = asyncio.run(handed_over(tmp_path, GOOD, **neither))
    assert answer == NoAnswer("the server offers no login by PLAIN or LOGIN")
    assert keeping.mails == []


def test_credentials_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text("mailseal\na pässword\n", encoding="utf-8")
    assert load_login(f"file:{file}", {}) == GOOD
    assert load_login("env:HOP", {"HOP": "mailseal\na pässword"}) == GOOD
    assert load_login("", {}) is None
    assert "pässword" not in repr(GOOD)


@pytest.mark.parametrize("content", ["", "only-a-secret", "user\n\n", "user\nsecret\nmore", "us\0er\nsecret"])
def test_credentials_in_another_form_are_refused_and_not_repeated(content: str) -> None:
    with pytest.raises(ValueError, match="does not hold") as refused:
        load_login("env:HOP", {"HOP": content})
    assert "secret" not in str(refused.value)
    with pytest.raises(ValueError, match="are kept at"):
        load_login("secret", {})


def test_a_password_in_clear_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text("mailseal\nsecret\n", encoding="utf-8")
    where = f"file:{file}"
    with pytest.raises(SetupError) as refused:
        make_next_hop(Config(nexthop=NextHopConfig(url="smtp://192.0.2.1:25", credentials=where)))
    assert "inside TLS only" in str(refused.value)
    for url in ("smtp://127.0.0.1:25", "smtps://192.0.2.1", "smtp+starttls://192.0.2.1"):
        make_next_hop(Config(nexthop=NextHopConfig(url=url, credentials=where)))
