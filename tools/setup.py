"""Makes .dev/venv from requirements.lock: uv by pip, everything else by uv, hashes checked.

Rule: stdlib only, since it runs before anything is installed; it writes nothing outside .dev/.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEV = HERE / ".dev"
BAR_WIDTH = 30
PIP_INSTALL = (
    "-m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps"
)


def main() -> int:
    """Exit code: 0 set up, 2 could not, with the installer's own words."""
    again = (DEV / "stamp").exists()
    why = "requirements.lock or pyproject.toml changed" if again else "the first time only"
    print(f"Setting up in .dev/ ({why})", file=sys.stderr)
    DEV.mkdir(exist_ok=True)
    started = time.monotonic()
    try:
        with (DEV / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # a second ./dev waits here and then finds the work done
            if not stamped("requirements.lock", "pyproject.toml"):
                install(bootstrap_uv(), started)
                stamp()
    except subprocess.CalledProcessError as failed:
        print(failed.stdout or "", failed.stderr or "", sep="", end="", file=sys.stderr)
        print("error: the set-up in .dev/ did not finish", file=sys.stderr)
        print("  why: the installer's words stand above", file=sys.stderr)
        print("  do:  check the network and pip's settings, then repeat the command", file=sys.stderr)
        return 2
    return 0


def bootstrap_uv() -> Path:
    """The pinned uv; `pip install --target` works without the venv module and in a managed Python too."""
    wanted = (HERE / "tools" / "uv.txt").read_text()
    target, seen = DEV / "uv", DEV / "uv" / "uv.txt"
    if not (seen.exists() and seen.read_text() == wanted):
        shutil.rmtree(target, ignore_errors=True)
        run(
            [
                sys.executable,
                *PIP_INSTALL.split(),
                "--target",
                str(target),
                "-r",
                str(HERE / "tools" / "uv.txt"),
            ],
            PIP_USER="0",
            PIP_REQUIRE_VIRTUALENV="0",
            PIP_ROOT_USER_ACTION="ignore",
        )
        seen.write_text(wanted)
    return target / "bin" / "uv"


def install(uv: Path, started: float) -> None:
    """Fill .dev/venv to exactly what the lock says, then the project itself, editable."""
    venv, python = DEV / "venv", DEV / "venv" / "bin" / "python"
    lock = HERE / "requirements.lock"
    wanted = len(re.findall(r"^\S+==", lock.read_text(), re.MULTILINE))
    with Progress(venv, wanted, started) as progress:
        if not same_python(python):
            shutil.rmtree(DEV / "stamp", ignore_errors=True)
            run([str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)])
        if not stamped("requirements.lock"):
            run([str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)])
        editable = ["--no-deps", "--no-build-isolation", "--editable", str(HERE)]
        run([str(uv), "pip", "install", "--quiet", "--python", str(python), *editable])
        progress.done()


def same_python(python: Path) -> bool:
    """Whether .dev/venv exists and runs the Python that runs this."""
    if not python.exists():
        return False
    asked = subprocess.run([python, "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
    return asked.stdout.strip() == sys.version.strip()


def run(command: list[str], **environment: str) -> None:
    """Run to its end, silent unless it fails. CalledProcessError carries what it said."""
    settings = {"UV_COMPILE_BYTECODE": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    merged = os.environ | settings | environment
    merged.pop("VIRTUAL_ENV", None)
    merged.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, check=True, capture_output=True, text=True, env=merged, cwd=HERE)


def stamped(*names: str) -> bool:
    """Whether .dev/venv was made in this place, by this Python, from these very files."""
    folder = DEV / "stamp"
    here = folder / "here"
    if not (
        here.exists() and here.read_text() == f"{HERE}\n" and same_python(DEV / "venv" / "bin" / "python")
    ):
        return False
    return all((folder / name).read_bytes() == (HERE / name).read_bytes() for name in names)


def stamp() -> None:
    """Note what the environment was made from; `./dev` compares these three files and asks no more."""
    folder = DEV / "stamp"
    folder.mkdir(exist_ok=True)
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copyfile(HERE / name, folder / name)
    (folder / "here").write_text(f"{HERE}\n")


class Progress:
    """One line that counts the packages as they arrive: redrawn on a terminal, printed once elsewhere."""

    def __init__(self, venv: Path, wanted: int, started: float) -> None:
        self._venv, self._wanted, self._started = venv, wanted, started
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
            print(file=sys.stderr)

    def done(self) -> None:
        """The last state of the line."""
        have = self._installed()
        self._stop.set()
        if sys.stderr.isatty():
            self._thread.join()
            self._draw(have, have)
            print("\n", file=sys.stderr)
        else:
            print(f"  packages  {have} of {have}, hashes checked  {self._elapsed()}", file=sys.stderr)

    def _redraw(self) -> None:
        while not self._stop.wait(0.2):
            self._draw(min(self._installed(), self._wanted), self._wanted)

    def _draw(self, have: int, of: int) -> None:
        full = BAR_WIDTH * have // max(of, 1)
        bar = "━" * full + "╌" * (BAR_WIDTH - full)
        print(
            f"\r  packages  {bar}  {have} of {of}, hashes checked  {self._elapsed()}", end="", file=sys.stderr
        )
        sys.stderr.flush()

    def _installed(self) -> int:
        return sum(1 for _ in self._venv.glob("lib/python*/site-packages/*.dist-info"))

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60}:{seconds % 60:02d}"


if __name__ == "__main__":
    sys.exit(main())
