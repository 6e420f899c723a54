"""What holds for every test: no address but loopback, and a named reason for whatever cannot run here.

Rule: with CI=true a missing part is a failure; without it a skip that names the one option that brings it.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent
NODE_MODULES = CHECKOUT / ".dev" / "npm" / "node_modules"
UNPACKED = CHECKOUT / ".dev" / "debian"
EVERYTHING_MUST_RUN = os.environ.get("CI") == "true"
LEFT_OUT = "left out: "


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_debian("postgresql"))])
def each_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each engine in turn, with a database of the test's own, which a store or rig finds in the folder."""
    engine: str = request.param
    if engine == "postgresql":
        # Only here, so that a test that needs no server has not to import its driver.
        from tests.postgresql import DATABASE, server

        (tmp_path / DATABASE).write_text(server().database())
    return engine


class OutsideRefused(AssertionError):
    """A test tried to talk to something that is not on this machine."""


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    # An audit hook sees every socket of this process but those that uvloop opens in C.
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        _judge_address(arguments[-1])
    elif event == "socket.getaddrinfo":
        _judge_host(arguments[0])


def _judge_address(address: object) -> None:
    if isinstance(address, tuple) and address:
        _judge_host(address[0])


def _judge_host(host: object) -> None:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if text is None or not isinstance(text, str) or text in {"", "localhost", socket.gethostname()}:
        return
    try:
        inside = ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise OutsideRefused(f"tests talk to loopback only, and this one asked for {text}")


def pytest_configure() -> None:
    """From here to the end of the run nothing in this process leaves the machine."""
    sys.addaudithook(_refuse_outside)
    # A busy machine is not a finding; a run that lands a change is the same each time.
    settings.register_profile("mailseal", deadline=None, derandomize=EVERYTHING_MUST_RUN, print_blob=True)
    settings.load_profile("mailseal")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with a named reason, or fail where everything must run."""
    for marker in item.iter_markers("needs_debian"):
        _need([f"Debian's {name}" for name in marker.args if not _debian_has(name)])
    for marker in item.iter_markers("needs_unpacked"):
        missing = [name for name in marker.args if not (UNPACKED / name).is_dir()]
        _need([f"Debian's {name}, unpacked" for name in missing])
    for marker in item.iter_markers("needs_npm"):
        _need([f"npm's {name}" for name in marker.args if not _npm_has(name)])


def _need(missing: list[str]) -> None:
    if not missing:
        return
    reason = f"{LEFT_OUT}needs {', '.join(missing)}"
    if EVERYTHING_MUST_RUN:
        pytest.fail(f"{reason}; with CI=true nothing may be left out", pytrace=False)
    pytest.skip(reason)


@cache
def _debian_has(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
    return asked.stdout == "install ok installed"


@cache
def _npm_has(package: str) -> bool:
    return shutil.which("node") is not None and (NODE_MODULES / package / "package.json").is_file()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The closing lines: what was left out, for want of what, and the option that runs it."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if LEFT_OUT in text:
            reasons[text.partition(LEFT_OUT)[2].removeprefix("needs ")] += 1
    if reasons:
        terminalreporter.section("left out", sep="-")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count:5} for want of {reason}")
        terminalreporter.line("To run them too: ./dev test --install")
