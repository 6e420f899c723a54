"""What the documents say is there is there: files of the specs table, commands of the door, links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import CHECKOUT, SOURCE, Module, modules

PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
SPEC_ROW = re.compile(r"^\| *([^|]+?) *\| *(yes|partly|no) *\| *(.*?) *\| *(.*?) *\|$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
DOOR = re.compile(r"(?<![\w/])\./dev ([a-z-]+)")
PAGE = re.compile(r"\bdocs/[\w/.-]*\w")
DIVERGENCE_ROW = re.compile(r"^\| *(?:differs|chosen) *\|.*\| *([^|]*?) *\|$", re.MULTILINE)
# Another machine's words: a checkout is read by people who do not have ours.
FOREIGN = re.compile(r"/work/|/tmp/brief|shared/design|shared/spec")


def spec_rows() -> list[tuple[str, str, str, str]]:
    """Section, done, where, remark of every row of docs/specs.md."""
    return SPEC_ROW.findall((CHECKOUT / "docs" / "specs.md").read_text(encoding="utf-8"))


def door_commands() -> set[str]:
    """The words that `./dev` takes."""
    script = (CHECKOUT / "dev").read_text(encoding="utf-8")
    lines = re.findall(r"^    ([a-z |-]+)\)$", script, re.MULTILINE)
    return {name for line in lines for name in line.split(" | ")}


def test_a_section_that_is_done_names_where_and_the_file_exists() -> None:
    missing = []
    for section, done, where, _ in spec_rows():
        paths = re.findall(r"`([^`]+)`", where)
        if done != "no" and not paths:
            missing.append(f"{section}: says {done} and not where")
        missing += [f"{section}: {path}" for path in paths if not (SOURCE / path).exists()]
    assert missing == []


def test_a_section_that_is_partly_done_says_what_is_missing() -> None:
    assert [section for section, done, _, remark in spec_rows() if done == "partly" and not remark] == []


def test_no_section_has_two_rows() -> None:
    sections = [section for section, *_ in spec_rows()]
    assert sorted(sections) == sorted(set(sections))


def test_a_divergence_names_a_module_that_exists() -> None:
    text = (CHECKOUT / "docs" / "divergences.md").read_text(encoding="utf-8")
    names = [name for cell in DIVERGENCE_ROW.findall(text) for name in re.findall(r"`([\w.]+)`", cell)]
    assert len(names) > 10
    here = [name.replace(".", "/") for name in names]
    assert [n for n in here if not (SOURCE / f"{n}.py").exists() and not (SOURCE / n).is_dir()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [target for target in LINK.findall(text) if not (page.parent / target).exists()] == []
    assert FOREIGN.findall(text) == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_a_page_that_the_code_refers_to_exists(module: Module) -> None:
    assert [page for page in PAGE.findall(module.text) if not (CHECKOUT / page).exists()] == []
    assert FOREIGN.findall(module.text) == []


def test_the_pages_made_from_the_code_are_what_the_code_says() -> None:
    command = [sys.executable, CHECKOUT / "tools" / "pages.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), "stale: ./dev fix writes them anew"


def test_the_door_knows_every_command_that_the_pages_name() -> None:
    named = {name for page in PAGES for name in DOOR.findall(page.read_text(encoding="utf-8"))}
    known = door_commands()
    assert {"run", "demo", "test"} <= named
    assert named - known == set()


def test_the_help_names_every_command_of_the_door() -> None:
    shown = subprocess.run([CHECKOUT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    known = door_commands()
    commands = {name for name in known if not name.startswith("-")} - {"help"}
    assert {name for name in commands if f"\n  {name} " not in shown} == set()


def test_an_unknown_command_of_the_door_is_wrong_usage() -> None:
    done = subprocess.run([CHECKOUT / "dev", "rum"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no command rum" in done.stderr


def test_the_locks_hold_hashes_and_no_address() -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    npm_lock = (CHECKOUT / "tools" / "npm" / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "://" not in npm_lock
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_each_command_says_what_it_needs_without_a_trace() -> None:
    done = subprocess.run([CHECKOUT / "dev", "lint", "src"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "  do:  ./dev lint" in done.stderr
    assert "Traceback" not in done.stderr
