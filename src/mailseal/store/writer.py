"""The one writer of a SQLite database: many units share a commit, and nobody is answered before it.

Rule: units run on the event loop's thread; only COMMIT, which waits for the disk, has a thread. (Units in a
thread give the interpreter's lock away at every statement and get it back a whole loop turn later.) Where a
unit refuses or fails, its batch is rolled back and runs once more, each unit under a SAVEPOINT of its own:
a SAVEPOINT costs a tenth of a unit, and refusals are rare. Where a failure took the whole transaction with it
(disk full, out of memory), nobody of that batch is answered and its units run again one by one. After an I/O
error nothing is tried again: what reached the disk is unknown, so the writer stops for good.
References: docs/decisions/0002-units-and-group-commit.md; sqlite.org/lang_transaction.html §3.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import apsw

from mailseal.store.engine import Execute
from mailseal.store.transaction import Transaction

BATCH = 64
"""Units that share a commit at most, so that the loop is never away for more than some milliseconds."""
WAITING = 1024
"""Units that wait at most; whoever comes then waits before being queued."""

_FATAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError)


class StoreStopped(Exception):
    """The database could not be written to and was given up: the process has to end and start again."""


@dataclass(slots=True, eq=False)
class Write:
    """One unit on its way: what to run, whom to answer, and what came of it."""

    unit: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: BaseException | None = None


class Caught:
    """Catches whatever is raised inside `with`, so that it can be given to the one who asked."""

    error: BaseException | None = None

    def __enter__(self) -> Caught:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


class Writer:
    """The connection that writes, and the queue before it."""

    def __init__(
        self,
        connection: apsw.Connection,
        execute: Execute,
        *,
        on_commit: Callable[[Transaction], None],
        on_stop: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._transaction = Transaction(execute)
        self._on_commit, self._on_stop = on_commit, on_stop
        self._waiting: deque[Write] = deque()
        self._room = asyncio.Semaphore(WAITING)
        self._is_busy = False
        self._stopped: StoreStopped | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._commits: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._commit_thread, name="mailseal-commit", daemon=True)
        self._thread.start()

    async def write(self, unit: Callable[[Transaction], Any]) -> Any:
        """What the unit returned, after the commit that holds its changes is durable."""
        await self._room.acquire()
        try:
            if self._stopped is not None:
                raise StoreStopped(*self._stopped.args)
            loop = asyncio.get_running_loop()
            write = Write(unit, loop.create_future())
            self._waiting.append(write)
            if not self._is_busy:
                self._is_busy = True
                self._idle.clear()
                loop.call_soon(self._next_batch, loop)
            return await write.future
        finally:
            self._room.release()

    async def close(self) -> None:
        """Ends the writer after everything that was handed over."""
        await self._idle.wait()
        self._commits.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _next_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs the units that wait, as far as they share a commit, and sends the commit to its thread."""
        batch = self._take()
        if not batch:
            self._is_busy = False
            self._idle.set()
            return
        with Caught() as caught:
            together = self._run(batch)
        if caught.error is not None:
            self._after_failure(batch, caught.error, loop)
        elif not together:
            self._run_alone(batch, loop)
        else:
            self._commits.put(lambda: self._commit(batch, loop))

    def _take(self) -> list[Write]:
        """The next batch: the units that wait, or the first of them if it has to be alone."""
        batch: list[Write] = []
        while self._waiting and len(batch) < BATCH and not (batch and self._waiting[0].alone):
            batch.append(self._waiting.popleft())
            if batch[-1].alone:
                break
        return batch

    def _run(self, batch: Sequence[Write]) -> bool:
        """Whether the transaction still stands after all units of the batch."""
        self._connection.execute("BEGIN IMMEDIATE")
        if all(self._succeeds(write) for write in batch):
            return True
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        elif len(batch) > 1:
            return False
        # A lone unit has had its chance: its error is its answer, and an empty transaction ends its batch.
        self._connection.execute("BEGIN IMMEDIATE")
        return len(batch) == 1 or self._run_apart(batch)

    def _run_apart(self, batch: Sequence[Write]) -> bool:
        """The same, where a unit that fails takes nothing of the others with it."""
        for write in batch:
            self._connection.execute("SAVEPOINT unit")
            if not self._succeeds(write):
                if not self._connection.in_transaction:
                    return False
                self._connection.execute("ROLLBACK TO unit")
            self._connection.execute("RELEASE unit")
        return True

    def _succeeds(self, write: Write) -> bool:
        """Whether the unit ran through and the transaction still stands; what came of it is in `write`."""
        self._transaction.begin()
        with Caught() as caught:
            write.result = write.unit(self._transaction)
        if isinstance(caught.error, _FATAL):
            raise caught.error
        write.error = caught.error
        if write.error is None and not self._connection.in_transaction:
            write.error = apsw.FullError("the transaction was rolled back")
        return write.error is None

    def _commit_thread(self) -> None:
        while (commit := self._commits.get()) is not None:
            commit()

    def _commit(self, batch: list[Write], loop: asyncio.AbstractEventLoop) -> None:
        with Caught() as caught:
            self._connection.execute("COMMIT")
        loop.call_soon_threadsafe(self._after_commit, batch, caught.error, loop)

    def _after_commit(
        self, batch: list[Write], error: BaseException | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        if error is not None:
            self._after_failure(batch, error, loop)
            return
        self._on_commit(self._transaction)
        _answer(batch)
        self._next_batch(loop)

    def _after_failure(
        self, batch: list[Write], error: BaseException, loop: asyncio.AbstractEventLoop
    ) -> None:
        """What follows where BEGIN, COMMIT or the disk failed: stop, or answer one, or run one by one."""
        if isinstance(error, _FATAL):
            self._stop(batch, error)
            return
        with Caught():
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if len(batch) > 1:
            self._run_alone(batch, loop)
            return
        batch[0].error = error
        _answer(batch)
        loop.call_soon(self._next_batch, loop)

    def _run_alone(self, batch: list[Write], loop: asyncio.AbstractEventLoop) -> None:
        for write in reversed(batch):
            write.alone, write.result, write.error = True, None, None
            self._waiting.appendleft(write)
        loop.call_soon(self._next_batch, loop)

    def _stop(self, batch: list[Write], error: BaseException) -> None:
        """Refuses everything from now on; the commit in question may or may not have reached the disk."""
        self._stopped = StoreStopped(f"{type(error).__name__}: {error}")
        everybody = [*batch, *self._waiting]
        self._waiting.clear()
        for write in everybody:
            write.error = StoreStopped(*self._stopped.args)
        _answer(everybody)
        self._is_busy = False
        self._idle.set()
        self._on_stop(str(self._stopped))


def _answer(batch: Sequence[Write]) -> None:
    """Gives everybody who still waits the result of their unit, or its error."""
    for write in batch:
        if write.future.done():
            continue
        if isinstance(write.error, StopIteration):
            write.error = RuntimeError("a unit raised StopIteration")
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.result)
