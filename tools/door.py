"""The commands of `./dev` that need the environment: test, lint, fix, bench, demo, lock.

Rule: one function a command; each ends with an exit code, 0 done, 1 looked and the answer is no, 2 could not.
"""

import subprocess
import sys
import time
from pathlib import Path

import clients
import debian
import npm
import testing
from screen import aside, fail

HERE = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
CHECKED = ["src", "tests", "tools", "bench", "examples"]


def main(command: str, arguments: list[str]) -> int:
    """The exit code of one command."""
    commands = {"setup": setup, "test": testing.run, "lint": lint, "fix": fix, "cover": cover}
    commands |= {"bench": bench, "demo": demo, "lock": lock, "test-clients": clients.run}
    commands |= {"zero-gap": zero_gap}
    return commands[command](arguments)


def zero_gap(arguments: list[str]) -> int:
    """The zero-gap rig; with --full in the size of a release, with --kill under kill -9."""
    return subprocess.run([PYTHON, "-m", "tests.faults.zero_gap", *arguments], cwd=HERE).returncode


def setup(arguments: list[str]) -> int:
    """What tests and demo use beyond Python: npm's packages and Debian's."""
    if arguments != ["--install"]:
        fail(f"./dev setup does not know {' '.join(arguments)}", "its one option is --install", "./dev help")
    debian.bring()
    gap = npm.bring()
    print(f"npm packages: {gap}." if gap else "Ready, with all test parts.", "Next: ./dev test")
    return 1 if gap else 0


def lint(arguments: list[str]) -> int:
    """Everything is looked at, also after the first fault; 1 when anything was found."""
    if arguments:
        fail("./dev lint takes no arguments", "it looks at the whole checkout", "./dev lint")
    steps = {
        "ruff check": [PYTHON, "-m", "ruff", "check", "--quiet", *there()],
        "ruff format": [PYTHON, "-m", "ruff", "format", "--quiet", "--check", *there()],
        "mypy --strict": [PYTHON, "-m", "mypy", "--no-error-summary"],
        "the house": [PYTHON, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "tests/house"],
    }
    failed = [name for name, step in steps.items() if not passes(name, step)]
    if failed:
        print(f"lint: {len(failed)} of {len(steps)} found something: {', '.join(failed)}. Next: ./dev fix")
        return 1
    print(f"lint: {len(steps)} of {len(steps)} found nothing. Next: ./dev test")
    return 0


def passes(name: str, step: list[str]) -> bool:
    """Whether the step found nothing; its words are shown when it did."""
    started = time.monotonic()
    done = subprocess.run(step, cwd=HERE, capture_output=True, text=True)
    good = done.returncode == 0
    print(f"  {'✓' if good else '✗'} {name:<14}  {time.monotonic() - started:.1f} s", flush=True)
    if not good:
        print(done.stdout + done.stderr)
    return good


def fix(arguments: list[str]) -> int:
    """Only what ruff calls safe, and the pages made from the code; `arguments` may name files."""
    targets = arguments or there()
    subprocess.run([PYTHON, "-m", "ruff", "check", "--quiet", "--fix", *targets], cwd=HERE)
    code = subprocess.run([PYTHON, "-m", "ruff", "format", *targets], cwd=HERE).returncode
    code |= subprocess.run([PYTHON, "tools/pages.py"], cwd=HERE).returncode
    print("Next: ./dev lint")
    return code


def cover(arguments: list[str]) -> int:
    """pytest's exit code; prints which lines and branches of src/mailseal no test ran."""
    told = [PYTHON, "-m", "coverage"]
    code = subprocess.run([*told, "run", "-m", "pytest", "-q", *arguments], cwd=HERE).returncode
    subprocess.run([*told, "report", "--show-missing", "--skip-covered"], cwd=HERE)
    return code


def bench(arguments: list[str]) -> int:
    """The named benches, or all: each prints `name value unit ratio=… of=…`."""
    # dns_.py is the bench "dns": a dns.py there would hide the package of that name from every bench.
    programs = {path.stem.rstrip("_"): path for path in sorted((HERE / "bench").glob("[!_]*.py"))}
    names = [argument for argument in arguments if not argument.startswith("-")] or list(programs)
    options = [argument for argument in arguments if argument.startswith("-")]
    worst = 0
    for name in names:
        if name not in programs:
            fail(f"there is no bench {name}", f"bench/ has {', '.join(programs)}", "./dev bench")
        done = subprocess.run([PYTHON, str(programs[name]), *options], cwd=HERE)
        worst = max(worst, done.returncode)
    return worst


def demo(arguments: list[str]) -> int:
    """The story of examples/demo; `--install` brings OpenDKIM first, everything else goes to the demo."""
    if "--install" in arguments:
        debian.install(["opendkim", "opendkim-tools"])
        arguments = [argument for argument in arguments if argument != "--install"]
    gap = npm.bring()
    if gap:
        aside(f"  npm packages: {gap}; the demo names the steps it cannot show")
    return subprocess.run([PYTHON, "examples/demo/demo.py", *arguments], cwd=HERE).returncode


def lock(arguments: list[str]) -> int:
    """requirements.lock anew: every platform's hashes, no addresses; `--upgrade` takes the newest."""
    options = "--universal --generate-hashes --no-header --no-annotate"
    command = [str(HERE / ".dev" / "uv" / "bin" / "uv"), "pip", "compile", *options.split(), "--quiet"]
    command += ["--python-version", "3.11", "pyproject.toml", "--group", "dev", "-o", "requirements.lock"]
    code = subprocess.run([*command, *arguments], cwd=HERE, stdout=subprocess.DEVNULL).returncode
    print("Next: git diff requirements.lock, then ./dev test")
    return code


def there() -> list[str]:
    """The folders with Python of ours that exist."""
    return [name for name in CHECKED if (HERE / name).is_dir()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
