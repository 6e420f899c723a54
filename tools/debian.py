"""Installs Debian packages for tests without starting a single service of theirs, or unpacks them in .dev/.

Rule: the tests' own `needs_debian` and `needs_unpacked` markers are the lists; a policy-rc.d that was there
before is put back. Unpacked are mail servers, of which Debian lets only one be installed.
"""

import ast
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from screen import aside, fail

HERE = Path(__file__).resolve().parent.parent
UNPACKED = HERE / ".dev" / "debian"
POLICY = Path("/usr/sbin/policy-rc.d")
DENY = "#!/bin/sh\n# Services are not started while test parts are installed; removed afterwards.\nexit 101\n"
APT = ["apt-get", "-o", "DPkg::Lock::Timeout=180", "-q", "-y"]


def bring() -> None:
    """All that the tests name, installed or unpacked."""
    install(wanted_by_tests("needs_debian"))
    unpack(wanted_by_tests("needs_unpacked"))


def wanted_by_tests(marker: str) -> list[str]:
    """Every package that this marker names under tests/."""
    names: set[str] = set()
    for path in (HERE / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == marker:
                names |= {
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                }
    return sorted(names)


def install(packages: list[str]) -> None:
    """All of them installed; ends the program with three lines where that cannot be."""
    missing = [name for name in packages if not installed(name)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        fail(
            f"cannot install {', '.join(missing)}",
            "this machine has no apt-get",
            "run it on Debian or Ubuntu",
        )
    if os.geteuid() != 0:
        line = "apt-get install --no-install-recommends " + " ".join(missing)
        fail(
            "installing Debian packages takes root",
            "you are not root",
            f"sudo {line}; then repeat the command",
        )
    aside(f"  Debian packages, services not started: {' '.join(missing)} …")
    with services_denied():
        if apt("install", "--no-install-recommends", *missing) != 0:
            apt("update")
            if (code := apt("install", "--no-install-recommends", *missing, loud=True)) != 0:
                fail("apt-get did not finish", f"it ended with {code}", "see its words above")


def unpack(packages: list[str]) -> None:
    """Each in .dev/debian/ under its name, where no script of it runs; what it depends on is not brought."""
    missing = [name for name in packages if not (UNPACKED / name).is_dir()]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        fail(
            f"cannot unpack {', '.join(missing)}", "this machine has no apt-get", "run it on Debian or Ubuntu"
        )
    aside(f"  Debian packages, unpacked in .dev/debian: {' '.join(missing)} …")
    UNPACKED.mkdir(parents=True, exist_ok=True)
    for name in missing:
        with tempfile.TemporaryDirectory(dir=UNPACKED) as folder:
            if apt("download", name, inside=folder) != 0:
                apt("update")
                if (code := apt("download", name, inside=folder, loud=True)) != 0:
                    fail("apt-get did not finish", f"it ended with {code}", "see its words above")
            [archive] = Path(folder).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(archive), f"{folder}/tree"], check=True)
            Path(folder, "tree").rename(UNPACKED / name)


def installed(name: str) -> bool:
    """Whether dpkg has it, unpacked and configured."""
    if shutil.which("dpkg-query") is None:
        return False
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True)
    return asked.stdout == "install ok installed"


def apt(*arguments: str, loud: bool = False, inside: str | None = None) -> int:
    """apt-get's exit code; its words are kept for the last try."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run([*APT, *arguments], env=environment, capture_output=not loud, cwd=inside).returncode


@contextmanager
def services_denied() -> Iterator[None]:
    """Packages that are installed inside start no service."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    mode = POLICY.stat().st_mode if before is not None else 0o755
    POLICY.write_text(DENY)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink(missing_ok=True)
        else:
            POLICY.write_bytes(before)
            POLICY.chmod(mode)
