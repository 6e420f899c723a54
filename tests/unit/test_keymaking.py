"""Key making in children: real keys, low priority, and nothing that outlives its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mailseal
from mailseal.dkim.keys import load_private_key
from mailseal.keymaking import ChildKeyMaker, KeyMakingFailed


def with_maker(story: Callable[[ChildKeyMaker], Awaitable[None]], processes: int = 1) -> None:
    """Runs a story with a key maker, which is closed at the end."""

    async def told() -> None:
        maker = ChildKeyMaker(processes)
        try:
            await story(maker)
        finally:
            await maker.close()

    asyncio.run(told())


def pid_of(maker: ChildKeyMaker) -> int:
    """The process id of the first child."""
    process = maker._children[0]._process
    assert process is not None
    return process.pid


def test_a_child_makes_keys_of_the_length_that_was_asked_for() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        keys = [await maker.make(bits) for bits in (1024, 2048, 1024)]
        assert [key.bits for key in keys] == [1024, 2048, 1024]
        assert len({key.spki for key in keys}) == 3
        assert load_private_key(keys[1].to_pkcs8()).spki == keys[1].spki

    with_maker(story)


def test_each_key_that_was_made_is_counted_by_its_length() -> None:
    async def told() -> None:
        made: list[int] = []
        maker = ChildKeyMaker(on_made=made.append)
        try:
            for bits in (1024, 2048, 1024):
                await maker.make(bits)
        finally:
            await maker.close()
        assert made == [1024, 2048, 1024]

    asyncio.run(told())


def test_callers_who_come_at_once_get_different_keys() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        keys = await asyncio.gather(*(maker.make(1024) for _ in range(6)))
        assert len({key.spki for key in keys}) == 6

    with_maker(story, processes=2)


def test_the_child_works_at_the_lowest_priority() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        await maker.make(1024)
        assert os.getpriority(os.PRIO_PROCESS, pid_of(maker)) == 19

    with_maker(story)


def test_a_child_that_was_killed_is_replaced() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        await maker.make(1024)
        first = pid_of(maker)
        os.kill(first, signal.SIGKILL)
        assert (await maker.make(1024)).bits == 1024
        assert pid_of(maker) != first

    with_maker(story)


def test_a_caller_who_gave_up_does_not_leave_its_key_to_the_next() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        await maker.make(1024)
        given_up = asyncio.ensure_future(maker.make(2048))
        await asyncio.sleep(0.001)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert (await maker.make(1024)).bits == 1024

    with_maker(story)


def test_a_length_we_do_not_sign_with_is_refused() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        for bits in (0, 512, 4096):
            with pytest.raises(ValueError, match="1024 to 2048"):
                await maker.make(bits)

    with_maker(story)


def test_a_maker_that_was_closed_starts_no_child_again() -> None:
    async def story(maker: ChildKeyMaker) -> None:
        waiting = asyncio.ensure_future(maker.make(2048))
        await asyncio.sleep(0)
        await maker.close()
        with pytest.raises(KeyMakingFailed):
            await maker.make(1024)
        await asyncio.gather(waiting, return_exceptions=True)
        assert maker._children[0]._process is None

    with_maker(story)


def test_the_child_runs_the_code_of_its_parent_wherever_that_lies(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(Path(mailseal.__file__).parent, copy / "mailseal")
    told = (copy / "mailseal" / "dkim" / "keys.py").read_text(encoding="utf-8")
    (copy / "mailseal" / "dkim" / "keys.py").write_text(
        told.replace("key_size=bits)", "key_size=1032)"), encoding="utf-8"
    )
    program = (
        "import asyncio; from mailseal.keymaking import ChildKeyMaker\n"
        "async def main():\n"
        "    maker = ChildKeyMaker(); print((await maker.make(1024)).bits); await maker.close()\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30
    )
    assert ran.stdout == "1032\n", ran.stderr


PARENT = """
import asyncio, time
from mailseal.keymaking import ChildKeyMaker

async def main():
    maker = ChildKeyMaker()
    await maker.make(1024)
    print(maker._children[0]._process.pid, flush=True)
    time.sleep(30)

asyncio.run(main())
"""


def test_the_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
        parent.wait(10)
    for _ in range(100):
        if not is_running(child):
            return
        time.sleep(0.02)
    raise AssertionError(f"process {child} outlived its parent")


def is_running(pid: int) -> bool:
    """Whether that process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_the_child_does_not_inherit_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSEAL_TEST_SECRET", "the master key may be here")

    async def story(maker: ChildKeyMaker) -> None:
        await maker.make(1024)
        environment = Path(f"/proc/{pid_of(maker)}/environ")
        with contextlib.suppress(PermissionError):  # not dumpable: unless we are root we may not look
            assert b"MAILSEAL_TEST_SECRET" not in environment.read_bytes()

    with_maker(story)
