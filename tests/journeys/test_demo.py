"""`./dev demo`, run as anybody would run it, with fewer mails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

DEMO = CHECKOUT / "examples" / "demo" / "demo.py"
COUNTS = re.compile(
    r"^(\d+) of 10(?:, (\d+) not asked)?  (\d+) mails signed, (\d+) verified, (\d+) unsigned, ", re.M
)


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), "--mails", "20", *arguments], capture_output=True, text=True, timeout=110
    )


@pytest.mark.timeout(120)
@pytest.mark.needs_npm("@aws-sdk/client-sesv2")
@pytest.mark.needs_debian("opendkim")
def test_the_whole_story_is_told_with_every_tick_and_no_mail_unsigned() -> None:
    done = run_demo()
    assert done.returncode == 0, done.stdout + done.stderr
    counted = COUNTS.search(done.stdout)
    assert counted is not None, done.stdout
    good, unasked, signed, verified, unsigned = counted.groups()
    assert (good, unasked, unsigned) == ("10", None, "0")
    assert int(signed) == int(verified) > 20
    assert done.stdout.count("  ✓ ") == 10
    assert "BadRequestException, as it must" in done.stdout


@pytest.mark.timeout(120)
def test_without_javascript_its_rows_are_named_as_not_asked() -> None:
    done = run_demo("--without-js")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = COUNTS.search(done.stdout)
    assert counted is not None, done.stdout
    assert int(counted[1]) + int(counted[2]) == 10
    assert done.stdout.count("JS SDK: left out by --without-js") == 3
    assert counted[5] == "0"
