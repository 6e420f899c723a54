"""The milter as `mailseal serve` runs it: on the sockets, and for the accounts, of its configuration."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from mailseal.config import SetupError
from mailseal.sandbox.settings import free_ports
from tests.journeys.rig import ACCOUNT, Rig, running_rig
from tests.journeys.test_spine import proven
from tests.unit.milter.mta import OUTSIDE, Answer, Mta
from tests.unit.service.scenes import MAIL


def handed_in(where: str | tuple[str, int], *, login: str = "", client: bytes | None = None) -> Answer:
    """The milter's answer for one letter."""

    async def whole() -> Answer:
        mta = await (Mta.connected(where) if client is None else Mta.connected(where, client))
        try:
            return await mta.hand_in(MAIL, login=login)
        finally:
            mta.close()

    return asyncio.run(whole())


def test_a_letter_is_signed_on_each_socket_for_the_account_that_it_names(tmp_path: Path) -> None:
    port, other = free_ports(2)
    path = str(tmp_path / "m")
    more = (
        f'[milter]\naccount = "{ACCOUNT}"\nlogins = ["me {ACCOUNT}"]\n'
        f'listen = ["127.0.0.1:{port}", "unix:{path}", "127.0.0.1:{other} 000000000009"]\n'
    )
    with running_rig(tmp_path, more=more) as rig:
        proven(rig)
        assert rig.app.milter_sockets == (f"127.0.0.1:{port}", f"unix:{path}", f"127.0.0.1:{other}")
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        for where in (("127.0.0.1", port), path):
            assert rig.is_signed(handed_in(where).applied(MAIL))
            assert handed_in(where, client=OUTSIDE).inserted == []
            assert rig.is_signed(handed_in(where, client=OUTSIDE, login="me").applied(MAIL))
            assert handed_in(where, login="you").inserted == []
        assert handed_in(("127.0.0.1", other)).inserted == []
        rig.stop()
        assert not Path(path).exists()
        rig.start()
        assert rig.is_signed(handed_in(path).applied(MAIL))


def test_a_socket_of_a_process_that_died_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "m"
    more = f'[milter]\naccount = "{ACCOUNT}"\nlisten = ["unix:{path}"]\n'
    (tmp_path / "first").mkdir()
    with running_rig(tmp_path / "first", more=more):
        (tmp_path / "second").mkdir()
        second = Rig(tmp_path / "second", more=more)
        try:
            with pytest.raises(SetupError, match="another program answers"):
                second.start()
        finally:
            second.close()
        assert path.exists()


def test_the_signature_says_what_the_configuration_asks_for(tmp_path: Path) -> None:
    path = str(tmp_path / "m")
    more = (
        f'[milter]\naccount = "{ACCOUNT}"\nlisten = ["unix:{path}"]\n'
        '[signing]\nheaders = ["X-Mailer"]\noversign = ["Subject", "X-Mailer"]\nlifetime_days = 0\n'
    )
    with running_rig(tmp_path, more=more) as rig:
        proven(rig)
        signed = handed_in(path).applied(MAIL)
        assert rig.is_signed(signed)
        assert not rig.is_signed(b"X-Mailer: added\r\n" + signed)
        assert not rig.is_signed(b"Subject: added\r\n" + signed)
        head = signed.partition(b"bh=")[0]
        assert b"x=" not in head
        assert b"From:Subject:X-Mailer;" in head.replace(b"\r\n\t", b"")
