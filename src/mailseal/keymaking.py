"""Makes RSA key pairs in niced child processes, where their 40 to 130 ms of CPU hurt nobody.

Rule: a child writes a key to the pipe it was asked over and nowhere else, and ends when that pipe does; it
is started afresh (not forked), so that no two children share a random state.
References: prctl(2) PR_SET_PDEATHSIG.

    asked      4 octets, the length in bits; 0 octets (end of file): stop
    answered   4 octets, a length; that many octets of PKCS#8 DER
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mailseal.dkim.keys import MAX_BITS, MIN_BITS, PrivateKey, generate_private_key, load_trusted_key

_NUMBER = struct.Struct(">I")
_LONGEST_KEY = 16 * 1024
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PATIENCE = 60.0
"""Seconds for one key; a niced child on a busy machine may need many times its CPU time."""

# Isolated from the environment and the working folder, and yet the very code that its parent runs.
_PROGRAM = """
import runpy, sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
runpy.run_module("mailseal.keymaking", run_name="__main__")
"""
_OUR_FOLDER = str(Path(__file__).resolve().parents[1])
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


class KeyMakingFailed(Exception):
    """A child ended or fell silent twice for one and the same key."""


class ChildKeyMaker:
    """Children that make keys, started when first needed (`KeyMaker` in service/world.py, by shape)."""

    def __init__(self, processes: int = 1, *, on_made: Callable[[int], None] | None = None) -> None:
        self._on_made = on_made
        self._free: asyncio.Queue[_Child] = asyncio.Queue()
        self._children = tuple(_Child() for _ in range(processes))
        self._is_closed = False
        for child in self._children:
            self._free.put_nowait(child)

    async def make(self, bits: int) -> PrivateKey:
        """A fresh key pair of that length; callers over the number of children wait in line.

        A child that died is replaced once; raises KeyMakingFailed where the second one dies too.
        """
        if not MIN_BITS <= bits <= MAX_BITS:
            raise ValueError(f"keys have {MIN_BITS} to {MAX_BITS} bits, not {bits}")
        child = await self._free.get()
        try:
            for _ in range(2):
                if self._is_closed:
                    break
                made = await child.ask(bits)
                if made is not None:
                    key = load_trusted_key(made)
                    made[:] = bytes(len(made))
                    if self._on_made is not None:
                        self._on_made(bits)
                    return key
            raise KeyMakingFailed(f"no key of {bits} bits could be made: {child.last_words or 'closed'}")
        finally:
            self._free.put_nowait(child)

    async def close(self) -> None:
        """Ends the children for good; keys that are being made or waited for are lost."""
        self._is_closed = True
        for child in self._children:
            child.is_over = True
            await child.end()


class _Child:
    """One child process, or the place of one that has not been needed yet."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.last_words = ""
        self.is_over = False
        """No process is wanted any more, not even one that is being started."""

    async def ask(self, bits: int) -> bytearray | None:
        """The PKCS#8 DER of a fresh key, or None where the child did not live to say it."""
        try:
            process = await self._started()
            async with asyncio.timeout(_PATIENCE):
                return await _exchange(process, bits)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            status = await self.end()
            self.last_words = f"{type(error).__name__}, exit status {status}"
            return None
        except BaseException:
            # Cancelled half-way: what the child says next would answer a question nobody asks any more.
            await self.end()
            raise

    async def end(self) -> int | None:
        """The exit status of the process, which is over then; None where there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            process.kill()
        return await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is not None:
            await self.end()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _PROGRAM, _OUR_FOLDER),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Not the parent's environment: the master key may be in it.
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
        if self.is_over:
            raise ConnectionAbortedError("closed while the child was being started")
        return self._process


async def _exchange(process: asyncio.subprocess.Process, bits: int) -> bytearray:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the child has no pipes")
    process.stdin.write(_NUMBER.pack(bits))
    await process.stdin.drain()
    (length,) = _NUMBER.unpack(await process.stdout.readexactly(_NUMBER.size))
    if not 0 < length <= _LONGEST_KEY:
        raise ValueError("the child's answer has no sensible length")
    return bytearray(await process.stdout.readexactly(length))


def _serve(asked: int, answers: int) -> None:
    """Answers until nobody asks any more."""
    while len(question := os.read(asked, _NUMBER.size)) == _NUMBER.size:
        (bits,) = _NUMBER.unpack(question)
        made = generate_private_key(bits).to_pkcs8()
        _write_all(answers, _NUMBER.pack(len(made)) + made)


def _write_all(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]


def _step_back() -> None:
    """Lowest priority; ends with the parent; no core file and no debugger may hold a key."""
    parent = os.getppid()
    os.nice(19)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_DUMPABLE, 0)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    _step_back()
    _serve(sys.stdin.fileno(), sys.stdout.fileno())
