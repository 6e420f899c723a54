"""A parent and its children, with real signals: who dies is started again, who is told to stop stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mailseal.app.ports import bind_stream, parse_address
from mailseal.app.sharing import ALONE, Sharing
from mailseal.config import SetupError
from mailseal.sandbox.settings import free_ports

SOON = 30


class Family:
    """A running parent, and the lines that it and its children print."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self.parent = parent
        self.lines: list[list[str]] = []

    def line(self) -> list[str]:
        """The next line, in words."""
        assert self.parent.stdout is not None
        self.lines.append(self.parent.stdout.readline().split())
        return self.lines[-1]

    def until(self, *words: str) -> list[str]:
        """The next line that ends in these words."""
        while (line := self.line())[-len(words) :] != list(words):
            assert line, f"the parent ended before it said {words}: {self.lines}"
        return line

    def both_ready(self) -> dict[int, int]:
        """The process id of each child by its number."""
        return {int(number): int(pid) for number, pid, _ in (self.until("ready") for _ in range(2))}


@contextmanager
def family(which: str) -> Iterator[Family]:
    program = [sys.executable, "-m", "tests.unit.app.processes_program", which]
    parent = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        yield Family(parent)
    finally:
        if parent.poll() is None:
            parent.terminate()
        parent.communicate(timeout=SOON)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_sigterm_is_passed_on_and_the_parent_ends_after_its_children() -> None:
    with family("steady") as told:
        pids = told.both_ready()
        assert set(pids) == {0, 1}
        told.parent.send_signal(signal.SIGTERM)
        told.until("stopped")
        told.until("stopped")
        assert told.parent.wait(SOON) == 0
        assert not any(is_alive(pid) for pid in pids.values())


def test_sighup_reaches_every_child_and_ends_none() -> None:
    with family("steady") as told:
        pids = told.both_ready()
        told.parent.send_signal(signal.SIGHUP)
        heard = {told.until("SIGHUP")[1] for _ in range(2)}
        assert heard == {"0", "1"}
        assert all(is_alive(pid) for pid in pids.values())


def test_a_child_that_was_killed_is_started_again_and_the_others_stay() -> None:
    with family("steady") as told:
        pids = told.both_ready()
        os.kill(pids[1], signal.SIGKILL)
        died = told.line()
        assert (died[:2], died[-8:]) == (
            ["1", str(pids[1])],
            ["ended", "by", "SIGKILL;", "started", "again", "in", "0.05", "s"],
        )
        number, pid, _ = told.until("ready")
        assert (number, is_alive(pids[0])) == ("1", True)
        assert int(pid) != pids[1]


def test_a_child_that_dies_again_and_again_is_started_later_each_time() -> None:
    with family("dying") as told:
        pauses = [told.until("s")[-2] for _ in range(1)]
        while len(pauses) < 4:
            pauses.append(told.until("s")[-2])
        assert pauses == ["0.05", "0.1", "0.2", "0.2"]


def test_a_wrong_set_up_ends_all_of_them_with_exit_code_2() -> None:
    with family("wrong") as told:
        told.until("cannot", "start")
        assert told.parent.wait(SOON) == 2


def test_children_stop_when_their_parent_was_killed() -> None:
    with family("steady") as told:
        told.both_ready()
        told.parent.kill()
        told.parent.wait(SOON)
        # The pipe is theirs too: it ends when the last of them has.
        assert told.parent.communicate(timeout=SOON)[0] == ""


def test_several_processes_listen_on_one_address_and_one_that_is_alone_does_not() -> None:
    address = parse_address(f"127.0.0.1:{free_ports(1)[0]}", key="[api] listen")
    with (
        bind_stream(address, key="[api] listen", reuse_port=True),
        bind_stream(address, key="[api] listen", reuse_port=True),
    ):
        refused = None
        try:
            bind_stream(address, key="[api] listen").close()
        except SetupError as fault:
            refused = fault
        assert refused is not None


def test_an_inherited_socket_is_a_handle_of_ones_own() -> None:
    with bind_stream(("127.0.0.1", free_ports(1)[0]), key="x") as opened:
        sharing = Sharing(1, 2, {"/run/x.sock": opened})
        own = sharing.inherited("/run/x.sock")
        assert own is not None
        own.close()
        assert opened.fileno() >= 0
        assert sharing.inherited("/run/y.sock") is None
        assert (sharing.reuse_port, ALONE.reuse_port) == (True, False)
