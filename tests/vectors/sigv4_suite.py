"""The SigV4 cases that botocore's own tests run, out of botocore's source distribution.

Origin: botocore's sdist, tests/unit/auth/aws4_testsuite, after AWS's aws-sig-v4-test-suite. Not committed:
fetched into .dev/cache once, its tests never executed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore
import pytest

CACHE = Path(__file__).resolve().parents[2] / ".dev" / "cache" / "botocore"
INSIDE = "/tests/unit/auth/aws4_testsuite/"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
# botocore runs 30 of the suite's 34 cases, its reasons in its test_sigv4.py: one request line that Python's
# parser refuses, three with several parameters of one name. All of those four are within our reach as well.
SKIPPED_BY_BOTOCORE = frozenset(
    {
        "normalize-path/get-space",
        "get-vanilla-query-order-key-case",
        "get-vanilla-query-order-key",
        "get-vanilla-query-order-value",
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the request as a client would send it, and what signing it must give."""

    name: str
    request: bytes
    canonical: bytes
    string_to_sign: bytes
    authorization: bytes


@cache
def cases() -> dict[str, Case]:
    """Every case by its name; skips, or fails with CI=true, when the distribution cannot be had."""
    files = {}
    with tarfile.open(_sdist()) as archive:
        for member in archive:
            place, inside, name = member.name.partition(INSIDE)
            opened = archive.extractfile(member) if inside and member.isfile() else None
            if opened is not None and place:
                files[name] = opened.read().replace(b"\r\n", b"\n")
    stems = [name[: -len(".req")] for name in files if name.endswith(".req")]
    return {stem.rpartition("/")[0]: _case(stem, files) for stem in stems}


def _case(stem: str, files: dict[str, bytes]) -> Case:
    kinds = (files[f"{stem}.{kind}"] for kind in ("req", "creq", "sts", "authz"))
    return Case(stem.rpartition("/")[0], *kinds)


def _sdist() -> Path:
    wanted = CACHE / f"botocore-{botocore.__version__}.tar.gz"
    if not wanted.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        named = f"botocore=={botocore.__version__}"
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "botocore"]
        # Several test processes may fetch at once: each into its own folder, and the whole file is moved.
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            fetched = subprocess.run(
                [str(python), "-m", "pip", "download", *options, "--dest", folder, named],
                capture_output=True,
                text=True,
                timeout=150,
            )
            arrived = Path(folder) / wanted.name
            if not arrived.exists():
                _cannot(fetched.stderr.strip().splitlines()[-1:] or ["no word from pip"])
            arrived.replace(wanted)
    return wanted


def _cannot(words: list[str]) -> None:
    reason = f"left out: needs botocore's source distribution, which pip could not fetch: {words[0]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
