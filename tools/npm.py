"""Brings the npm packages of tools/npm into .dev/npm, when there is an npm.

Rule: exactly what the lock says, no package's own scripts are run; a missing npm is a named gap.
"""

import os
import shutil
import subprocess
from pathlib import Path

from screen import aside

HERE = Path(__file__).resolve().parent.parent
SOURCE = HERE / "tools" / "npm"
TARGET = HERE / ".dev" / "npm"
FILES = ("package.json", "package-lock.json")


def bring() -> str:
    """Empty when the packages are there, else the reason why not, in a few words."""
    if current():
        return ""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "npm and node are not installed"
    aside("  npm packages for tests and demo …")
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, TARGET / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        command, cwd=TARGET, env=os.environ | {"CI": "true"}, capture_output=True, text=True
    )
    if done.returncode != 0:
        aside(done.stderr.strip()[-2000:])
        return "npm could not install them, its words stand above"
    for name in FILES:
        shutil.copyfile(SOURCE / name, TARGET / f"{name}.done")
    return ""


def current() -> bool:
    """Whether .dev/npm was filled from this very lock."""
    return all(
        (TARGET / f"{name}.done").is_file()
        and (TARGET / f"{name}.done").read_bytes() == (SOURCE / name).read_bytes()
        for name in FILES
    )
