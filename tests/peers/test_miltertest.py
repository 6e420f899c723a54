"""OpenDKIM's own milter client, Debian's miltertest, against our milter on both kinds of sockets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailseal.sandbox.settings import free_ports
from tests.peers.signing_milter import SigningMilter, running_milter

SCRIPTS = Path(__file__).with_name("miltertest")
pytestmark = pytest.mark.needs_debian("miltertest")


@pytest.fixture(params=["unix", "inet"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SigningMilter, str]]:
    """A milter, and where it is, as miltertest names it."""
    if request.param == "unix":
        path = tmp_path / "m"
        with running_milter(tmp_path, path) as running:
            yield running, f"unix:{path}"
    else:
        (port,) = free_ports(1)
        with running_milter(tmp_path, ("127.0.0.1", port)) as running:
            yield running, f"inet:{port}@127.0.0.1"


def run(script: str, where: str) -> None:
    command = ["miltertest", "-D", f"socket={where}", "-s", str(SCRIPTS / script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_who_hands_a_letter_in_decides_whether_it_is_signed(served: tuple[SigningMilter, str]) -> None:
    milter, where = served
    run("sign.lua", where)
    outcomes = ("signed", "client", "no_identity", "no_single_author", "deferred")
    assert [milter.letters(one) for one in outcomes] == [2, 1, 1, 1, 0]


def test_an_error_of_ours_is_a_tempfail_and_the_connection_goes_on(served: tuple[SigningMilter, str]) -> None:
    milter, where = served
    with milter.broken(store=None):
        run("deferred.lua", where)
    assert (milter.letters("deferred"), milter.letters("signed")) == (2, 0)
