"""Killed at every write and sync, and synced before it answers: what kill -9 at random moments cannot show.

The page cache outlives a process, so only the order of system calls proves that an answer follows the disk.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.faults.ledger import Ledger
from tests.faults.store_child import CLIENTS, domain_of
from tests.faults.test_store_crash import judged, killed_after, note

CALL = re.compile(r"^(?P<thread>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?P<rest>.*)$")
SAID = re.compile(r'\(1, "(?P<what>[sa]) (?P<client>\d+) (?P<number>\d+)\\n"')


def traced(path: Path, *options: str, lines: int | None = None) -> list[str]:
    """What the writing program said under strace, until it was killed or had said so many lines."""
    command = ["strace", "-f", "-qq", *options, sys.executable, "-m", "tests.faults.store_child", str(path)]
    told: list[str] = []
    with (
        path.with_name("stderr").open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=CHECKOUT) as child,
    ):
        assert child.stdout is not None
        for line in child.stdout:
            told.append(line.strip())
            if len(told) == lines:
                # strace gone, the program goes on; killed by its own id, which its lock file tells.
                child.kill()
                holder = path.with_name(path.name + ".lock").read_text(encoding="utf-8").split()[0]
                subprocess.run(["kill", "-9", holder], check=True)
                break
            assert len(told) < 20_000, "the program was never killed"
    return told


def crash_at(path: Path, boundary: int, ledger: Ledger[int]) -> None:
    """Kills the program at its n-th write or sync, which each thread counts for itself, and judges."""
    kill = f"inject=pwrite64,fdatasync:signal=KILL:when={boundary}"
    note(ledger, traced(path, "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync", "-e", kill))
    assert asyncio.run(judged(path, ledger)) == [], f"killed at write or sync {boundary}"


def empty_ledger() -> Ledger[int]:
    """A ledger in which every client stands at 0."""
    ledger: Ledger[int] = Ledger()
    for client in range(CLIENTS):
        ledger.open(domain_of(client), 0)
    return ledger


@pytest.mark.suite_faults
@pytest.mark.needs_debian("strace")
@pytest.mark.timeout(200)
def test_a_database_whose_making_was_cut_short_anywhere_can_be_made(tmp_path: Path) -> None:
    for boundary in range(1, 150, 3):
        folder = tmp_path / str(boundary)
        folder.mkdir()
        crash_at(folder / "mailseal.db", boundary, empty_ledger())


@pytest.mark.suite_faults
@pytest.mark.needs_debian("strace")
@pytest.mark.timeout(200)
def test_killed_at_any_write_or_sync_of_a_commit_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path, ledger = tmp_path / "mailseal.db", empty_ledger()
    note(ledger, killed_after(path, 0.0))
    assert asyncio.run(judged(path, ledger)) == []
    for boundary in range(1, 80):
        crash_at(path, boundary, ledger)
    assert ledger.acknowledged > 40, "too few boundaries lay behind an acknowledged unit"


@pytest.mark.needs_debian("strace")
@pytest.mark.parametrize("fault", ["fdatasync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"])
def test_once_the_disk_fails_nothing_is_acknowledged_any_more(tmp_path: Path, fault: str) -> None:
    path, ledger = tmp_path / "mailseal.db", empty_ledger()
    note(ledger, killed_after(path, 0.0))
    assert asyncio.run(judged(path, ledger)) == []
    trace = tmp_path / "trace"
    inject = f"inject={fault}:when=40+"
    note(ledger, traced(path, "-o", str(trace), "-e", "trace=pwrite64,fdatasync,write", "-e", inject))
    _, failed, after = trace.read_text(encoding="utf-8").partition("(INJECTED)")
    assert failed, "the disk never failed"
    assert ' write(1, "a ' not in after
    told = path.with_name("stderr").read_text(encoding="utf-8").splitlines()[-1]
    assert ("StoreStopped" if "EIO" in fault else "FullError") in told
    assert asyncio.run(judged(path, ledger)) == []


@pytest.mark.needs_debian("strace")
def test_every_answer_follows_a_sync_that_follows_the_write(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    traced(tmp_path / "mailseal.db", "-o", str(trace), "-e", "trace=pwrite64,fdatasync,write", lines=200)
    assert order_faults(trace.read_text(encoding="utf-8")) == []
    assert len(re.findall(r'\(1, "a ', trace.read_text(encoding="utf-8"))) > 20


def order_faults(trace: str) -> list[str]:
    """The answers in a trace before which no sync ended that had begun after the unit's last write."""
    faults = []
    sent: dict[str, int] = {}
    last_write = began = ended = synced_from = -1
    for number, line in enumerate(trace.splitlines()):
        call = CALL.match(line)
        if call is None:
            continue
        said = SAID.search(line)
        if said and said["what"] == "s":
            sent[said["client"]] = number
        elif said:
            if not (sent[said["client"]] < last_write < synced_from <= ended):
                faults.append(line)
        elif call["name"] == "pwrite64":
            last_write = number
        elif call["name"] == "fdatasync":
            if "resumed" not in line:
                began = number
            if "unfinished" not in line:
                ended, synced_from = number, began
    return faults


def test_an_answer_before_the_sync_is_seen() -> None:
    sent, written = '1 write(1, "s 0 1\\n", 6) = 6', '2 pwrite64(9, "x", 1, 0) = 1'
    synced, answered = "2 fdatasync(9) = 0", '1 write(1, "a 0 1\\n", 6) = 6'
    assert order_faults("\n".join([sent, written, synced, answered])) == []
    assert order_faults("\n".join([sent, written, answered, synced])) == [answered]
    assert order_faults("\n".join([synced, sent, written, answered])) == [answered]
    assert order_faults("\n".join([sent, synced, written, answered])) == [answered]
