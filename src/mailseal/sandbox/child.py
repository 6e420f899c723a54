"""A sandbox as a child process: the pytest plugin and the demo start one, `--detach` leaves one behind.

Rule: it says on its first line where it is, or why it could not start; a child ends with its parent, because
it ends when its standard input does. Standard library only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from time import monotonic
from typing import IO

from mailseal.sandbox.settings import Place

READY_WITHIN_SECONDS = 30.0
STOP_WITHIN_SECONDS = 10.0
COMMAND = (sys.executable, "-m", "mailseal", "sandbox")
_LONGEST_LINE = 1 << 16


class SandboxFailed(Exception):
    """The sandbox did not start: what it said, why, and what to do."""

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        rest = (f"\n  {word} {text}" for word, text in (("why:", why), ("do: ", do)) if text)
        super().__init__(what + "".join(rest))
        self.what, self.why, self.do = what, why, do


@dataclass(frozen=True, slots=True)
class ChildSandbox:
    """A running child and where it is."""

    process: subprocess.Popen[bytes]
    place: Place

    def stop(self) -> int:
        """The child's exit code, after asking it to end and, where it does not, ending it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(STOP_WITHIN_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start_child(arguments: Sequence[str]) -> ChildSandbox:
    """A sandbox that is ready, started with these options; raises SandboxFailed."""
    command = [*COMMAND, *arguments, "--json", "--quiet", "--until-stdin-ends"]
    # A pipe that nobody reads would stop the child one day; a file without a name goes with it.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        return ChildSandbox(process, wait_until_ready(process, errors))


def start_detached(arguments: Sequence[str]) -> Place:
    """Where a sandbox is that goes on after us, in a session of its own; raises SandboxFailed."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        place = wait_until_ready(process, errors)
    assert process.stdout is not None
    process.stdout.close()
    process.returncode = 0  # it is nobody's child any more, and no warning is due
    return place


def wait_until_ready(process: subprocess.Popen[bytes], errors: IO[bytes]) -> Place:
    """Where the sandbox is, as its first line says; raises SandboxFailed, with the process ended."""
    line = _first_line(process)
    try:
        said = json.loads(line)
        return Place(**{one.name: said[one.name] for one in fields(Place)})
    except (ValueError, KeyError, TypeError):
        process.kill()
        process.communicate()
        errors.seek(0)
        raise _failure(errors.read().decode("utf-8", "replace").strip()) from None


def _failure(said: str) -> SandboxFailed:
    """The failure that a child told on standard error, as one JSON object or in its own words."""
    try:
        error = json.loads(said.rpartition("\n")[2])["error"]
        return SandboxFailed(error["message"], error.get("why", ""), error.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return SandboxFailed(said or "the sandbox ended without a word")


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """The first line of standard output, however it is cut into reads; less where time or output ends."""
    assert process.stdout is not None
    place = process.stdout.fileno()
    deadline = monotonic() + READY_WITHIN_SECONDS
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
        readable, _, _ = select.select([place], [], [], max(0.0, deadline - monotonic()))
        octet = os.read(place, 1) if readable else b""
        if not octet:
            break
        line += octet
    return line
