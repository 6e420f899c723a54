"""A parent with children that do what their number says: run by test_processes, which sends it signals.

`python -m tests.unit.app.processes_program steady|dying|wrong` prints a line for all that happens.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from mailseal.app.processes import Supervisor


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def steady(number: int, ready: Callable[[], None]) -> int:
    """Lives until it is told to stop; tells of SIGHUP."""
    heard = {signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    ready()
    while signal.sigwait(heard) == signal.SIGHUP:
        say("heard", number, "SIGHUP")
    return 0


def dying(number: int, ready: Callable[[], None]) -> int:
    """The second of them ends by itself with a fault, each time."""
    if number == 1:
        ready()
        return 70
    return steady(number, ready)


def wrong(number: int, ready: Callable[[], None]) -> int:
    """The second of them finds its set-up wrong."""
    return 2 if number == 1 else steady(number, ready)


def main(which: str) -> int:
    """The parent's exit code."""
    child = {"steady": steady, "dying": dying, "wrong": wrong}[which]
    say("parent", os.getpid())
    supervisor = Supervisor(2, child, say, backoff_s=(0.05, 0.1, 0.2))
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
