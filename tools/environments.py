"""Environments beside .dev/venv, each made from a lock of its own: SDK generations, and the peers of benches.

Rule: exactly what the lock says, hashes checked, no package's own scripts are run; what cannot be had is a
named gap, never a silent one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEV = HERE / ".dev"
UV = DEV / "uv" / "bin" / "uv"
PYTHON_LOCK, NPM_LOCK, NPM_WISH = "requirements.txt", "package-lock.json", "package.json"
DONE = "made-from"


def bring(source: Path, target: Path) -> str:
    """Empty when `target` holds what the lock in `source` says, else the reason why not, in a few words."""
    lock = source / PYTHON_LOCK if (source / PYTHON_LOCK).is_file() else source / NPM_LOCK
    if current(lock, target):
        return ""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    done = _python(lock, target) if lock.name == PYTHON_LOCK else _npm(source, target)
    if done is None:
        return "npm and node are not installed"
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return f"not installed: {words[-1][:200] if words else f'exit code {done.returncode}'}"
    (target / DONE).write_bytes(_made_from(lock))
    return ""


def current(lock: Path, target: Path) -> bool:
    """Whether the environment was made here, from this very lock, for this Python."""
    note = target / DONE
    return note.is_file() and note.read_bytes() == _made_from(lock)


def python_of(target: Path) -> Path:
    """The Python of an environment."""
    return target / "bin" / "python"


def _made_from(lock: Path) -> bytes:
    place = f"{lock.parent}\n{sys.version if lock.name == PYTHON_LOCK else ''}\n".encode()
    return place + lock.read_bytes()


def _python(lock: Path, target: Path) -> subprocess.CompletedProcess[str]:
    made = _run([str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(target)])
    if made.returncode != 0:
        return made
    sync = [str(UV), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python_of(target))]
    return _run([*sync, str(lock)])


def _npm(source: Path, target: Path) -> subprocess.CompletedProcess[str] | None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        return None
    for name in (NPM_WISH, NPM_LOCK):
        shutil.copyfile(source / name, target / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    return _run(command, cwd=target)


def _run(command: list[str], cwd: Path = HERE) -> subprocess.CompletedProcess[str]:
    settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "hardlink", "CI": "true"}
    environment = os.environ | settings
    environment.pop("VIRTUAL_ENV", None)
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def relock(source: Path) -> int:
    """Writes the lock of `source` anew from its wishes, with hashes and without addresses; the exit code."""
    if (source / NPM_WISH).is_file():
        options = "--package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund"
        code = subprocess.run(["npm", "install", *options.split()], cwd=source).returncode
        _strip_addresses(source / NPM_LOCK)
        return code
    options = "--universal --generate-hashes --no-header --no-annotate --quiet --python-version 3.11"
    command = [str(UV), "pip", "compile", *options.split(), "requirements.in", "-o", PYTHON_LOCK]
    return subprocess.run(command, cwd=source, stdout=subprocess.DEVNULL).returncode


def _strip_addresses(lock: Path) -> None:
    """Takes the places where people may give money out of an npm lock; npm does not miss them."""
    found = json.loads(lock.read_text(encoding="utf-8"))
    for package in found["packages"].values():
        package.pop("funding", None)
    lock.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
