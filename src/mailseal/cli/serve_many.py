"""`mailseal serve --processes N`: the parent's side, and what it tells.

Rule: the parent opens the unix sockets, starts the children and tells of them; nothing else.
References: docs/operating.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from mailseal import __version__
from mailseal.app.http import bind_control
from mailseal.app.milter import bind_unix, unix_paths
from mailseal.app.processes import READY, Supervisor
from mailseal.app.roles import Role, Roles
from mailseal.app.sharing import Sharing
from mailseal.cli.ending import Ending
from mailseal.cli.options import given, output
from mailseal.cli.output import text
from mailseal.config import Config, control_path
from mailseal.telemetry import Line, Value, format_json

One = Callable[[Sharing, Callable[[], None]], Coroutine[Any, Any, int]]
"""One process's whole life, given what it shares and how it says that it is ready."""


def run_many(config: Config, path: Path, roles: Roles, processes: int, one: One) -> int:
    """The exit code, once all processes have ended; raises SetupError."""
    with ExitStack() as parts:
        control = control_path(config)
        unix = {str(control): bind_control(control)}
        parts.callback(control.unlink, missing_ok=True)
        for mtas in unix_paths(config) if Role.SIGNER in roles else ():
            unix[str(mtas)] = bind_unix(config, mtas, parts)

        def child(number: int, ready: Callable[[], None]) -> int:
            with Ending(as_json=bool(given("as_json")), verbose=bool(given("verbose"))) as ending:
                ending.code = uvloop.run(one(Sharing(number, processes, unix), ready))
            return ending.code

        on_terminal = sys.stdout.isatty() and not given("as_json")
        if on_terminal:
            output().line(text(f"Mailseal {__version__}  {path}, {processes} processes"))
            output().line()
        return Supervisor(processes, child, _OnScreen(processes) if on_terminal else _as_line).run()


def _as_line(number: int, pid: int, happened: str) -> None:
    """One line of the service's log."""
    fields: dict[str, Value] = {"pid": pid, "count": number + 1, "text": happened}
    sys.stdout.write(format_json(Line(datetime.now(UTC), "process", fields)) + "\n")
    sys.stdout.flush()


@dataclass(slots=True)
class _OnScreen:
    """The same for a person: a row a process, and a word when all are ready for the first time."""

    processes: int
    ready: set[int] = field(default_factory=set)

    def __call__(self, number: int, pid: int, happened: str) -> None:
        out, width = output(), len(str(self.processes))
        out.line(text(f"  process {number + 1:{width}} of {self.processes}  {happened}, process id {pid}"))
        if happened != READY or number in self.ready:
            return
        self.ready.add(number)
        if len(self.ready) == self.processes:
            out.line(text(f"All ready; SIGTERM to {os.getpid()} drains and stops them."))
            out.next("mailseal doctor")
            out.line()
