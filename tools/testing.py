"""`./dev test`: brings what the tests need, runs them, and names what was left out.

Rule: with CI=true nothing is left out; without it, what is left out is named with the option that runs it.
"""

import os
import subprocess
import sys

import debian
import npm
from screen import aside

LONG_SUITES = " and ".join(
    f"not suite_{name}" for name in ("mail", "faults", "clients", "keys", "dns", "people")
)


def run(arguments: list[str]) -> int:
    """pytest's exit code; `--install` is ours, all else goes to pytest."""
    everything = os.environ.get("CI") == "true"
    if everything or "--install" in arguments:
        debian.bring()
    gap = npm.bring()
    if gap:
        aside(f"  npm packages: {gap}; tests that need them are left out")
    rest = [argument for argument in arguments if argument != "--install"]
    command = [sys.executable, "-m", "pytest", "-q", *parallel(rest), *long_suites(rest), *rest]
    return subprocess.run(command).returncode


def parallel(arguments: list[str]) -> list[str]:
    """Two workers, unless the arguments say otherwise or ask for one test to look into."""
    own = any(argument.startswith(("-n", "--numprocesses", "--pdb", "-s")) for argument in arguments)
    return [] if own else ["-n", "2", "--dist", "loadfile"]


def long_suites(arguments: list[str]) -> list[str]:
    """The suites of .ci/run stay out, unless `-m` asks for them."""
    return [] if "-m" in arguments else ["-m", LONG_SUITES]
