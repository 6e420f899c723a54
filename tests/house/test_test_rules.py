"""The rules for tests hold: loopback only, a missing part is named, and with CI=true it is a failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import CHECKOUT

PLANTED = """
import pytest

@pytest.mark.needs_debian("no-such-package-of-debian")
def test_left_out():
    assert False

@pytest.mark.needs_npm("no-such-package-of-npm")
def test_left_out_too():
    assert False
"""
RESULTS = '<testsuites><testsuite tests="{}" failures="{}" errors="0" skipped="{}"/></testsuites>'


def run_planted(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """pytest over two tests that need what nobody has, under this project's own rules."""
    shutil.copy(CHECKOUT / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "test_planted.py").write_text(PLANTED)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  needs_debian\n  needs_npm\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:mailseal",
        str(folder),
    ]
    environment = os.environ | {"CI": ci}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_missing_part_is_left_out_by_name_with_the_option_that_brings_it(tmp_path: Path) -> None:
    done = run_planted(tmp_path, ci="")
    assert done.returncode == 0
    assert "1 for want of Debian's no-such-package-of-debian" in done.stdout
    assert "1 for want of npm's no-such-package-of-npm" in done.stdout
    assert "./dev test --install" in done.stdout


def test_with_ci_a_missing_part_is_a_failure(tmp_path: Path) -> None:
    done = run_planted(tmp_path, ci="true")
    assert done.returncode == 1
    assert "no-such-package-of-debian; with CI=true nothing may be left out" in done.stdout


@pytest.mark.parametrize("address", [("192.0.2.1", 53), ("2001:db8::1", 53, 0, 0)])
def test_no_test_reaches_outside_by_tcp(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as caller, pytest.raises(AssertionError, match="loopback only"):
        caller.connect(address)


def test_no_test_reaches_outside_by_udp_or_by_name() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
        pytest.raises(AssertionError, match="loopback only"),
    ):
        caller.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(AssertionError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 80)


def test_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def tally(folder: Path, broken: int, *suites: tuple[int, int, int]) -> tuple[int, str]:
    """The closing line of .ci/run for these (tests, failures, skipped)."""
    files = [folder / f"{number}.xml" for number in range(len(suites))]
    for file, numbers in zip(files, suites, strict=True):
        file.write_text(RESULTS.format(*numbers))
    command = [sys.executable, CHECKOUT / "tools" / "tally.py", str(broken), *files]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


def test_the_closing_line_sums_all_suites(tmp_path: Path) -> None:
    assert tally(tmp_path, 0, (10, 0, 1), (5, 0, 0)) == (0, "14 passed, 0 failed, 1 skipped")
    assert tally(tmp_path, 1, (10, 2, 0)) == (1, "8 passed, 2 failed")


def test_a_suite_that_overran_and_a_run_without_tests_are_failures(tmp_path: Path) -> None:
    assert tally(tmp_path, 1, (10, 0, 0)) == (1, "10 passed, 1 failed")
    assert tally(tmp_path, 0) == (1, "0 passed, 0 failed")
