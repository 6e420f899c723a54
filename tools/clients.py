"""`./dev test-clients`: five generations of unmodified clients against a sandbox; writes docs/clients.md.

Rule: each client in an environment of its own below .dev/clients, from a lock of its own; with CI=true the
page is compared, else it is written.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import environments
from screen import aside

HERE = Path(__file__).resolve().parent.parent
SOURCES = HERE / "tests" / "clients" / "environments"
TARGETS = HERE / ".dev" / "clients"


def run(arguments: list[str]) -> int:
    """pytest's exit code; `--lock` writes the locks anew instead, all else goes to pytest."""
    if arguments == ["--lock"]:
        return max(environments.relock(source) for source in sorted(SOURCES.iterdir()))
    for source in sorted(SOURCES.iterdir()):
        gap = environments.bring(source, TARGETS / source.name)
        if gap:
            aside(f"  {source.name}: {gap}; its column is missing")
    test = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "suite_clients", "tests/clients"]
    stays = os.environ.get("CI") == "true"
    if not stays:
        # Written below from this very run.
        test += ["--deselect", "tests/clients/test_clients.py::test_the_page_is_what_this_run_gave"]
    shutil.rmtree(TARGETS / "told", ignore_errors=True)
    code = subprocess.run([*test, *arguments], cwd=HERE).returncode
    if not stays and code in (0, 1):
        code = code or subprocess.run([sys.executable, "-m", "tests.clients.page"], cwd=HERE).returncode
    return code
