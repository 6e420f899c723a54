"""The database that the configuration names: SQLite in this process alone, or PostgreSQL for many.

Rule: everybody else knows a database by `Database`; which one it is is decided here.
References: docs/config.md; docs/decisions/0020-postgresql.md.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Hashable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from mailseal.app.doors import NameServerSource
from mailseal.config import Config, SetupError, data_folder, database_path, postgresql_url
from mailseal.service.world import Clock
from mailseal.store import sqlite
from mailseal.store.transaction import Transaction

T = TypeVar("T")


class Database(Protocol):
    """An opened database; `Store` in service/world.py is the part of it that use cases know."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may have it open too."""

    @property
    def where(self) -> str:
        """What it is called when somebody is told of it."""

    @property
    def folder(self) -> Path:
        """Where this process keeps what it needs beside it."""

    @property
    def served(self) -> NameServerSource:
        """What the name server answers from."""

    async def read(self, unit: Callable[[Transaction], T]) -> T: ...

    async def read_kept(self, key: Hashable, unit: Callable[[Transaction], T]) -> T: ...

    async def write(self, unit: Callable[[Transaction], T]) -> T: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SharedClock:
    """A clock whose due times and leases are the database's: all processes agree on what is over."""

    own: Clock
    offset: Callable[[], timedelta]

    def now(self) -> datetime:
        """The time at the database."""
        return self.own.now() + self.offset()

    def real_now(self) -> datetime:
        """This machine's time, as for signatures."""
        return self.own.real_now()


def peek_installation(config: Config) -> Mapping[str, bytes]:
    """The installation's values before the database is opened, which may change it; raises StartRefused."""
    url = postgresql_url(config)
    if url is None:
        return sqlite.peek_installation(database_path(config))
    found: Mapping[str, bytes] = _postgresql().peek_installation(url)
    return found


async def open_database(
    config: Config, clock: Clock, holder: str, failed: asyncio.Future[str], parts: AsyncExitStack
) -> tuple[Database, Clock]:
    """The database, to be closed by `parts`, and the clock by which its leases end; raises StartRefused.

    `failed` is done, with the reason, when it can no longer be written.
    """
    url = postgresql_url(config)
    if url is not None:
        shared = await _postgresql().PostgresqlStore.open(url, folder=data_folder(config))
        parts.push_async_callback(shared.close)
        return shared, SharedClock(clock, lambda: shared.served.clock_offset)
    loop = asyncio.get_running_loop()

    def note(reason: str) -> None:
        if not failed.done():
            failed.set_result(reason)

    # The writer's thread calls it, so the event loop has to be asked.
    store = sqlite.SqliteStore.open(
        database_path(config),
        holder=holder,
        on_stop=lambda reason: _tell(loop, note, reason),
    )
    parts.push_async_callback(store.close)
    return store, clock


def _tell(loop: asyncio.AbstractEventLoop, note: Callable[[str], None], reason: str) -> None:
    loop.call_soon_threadsafe(note, reason)


def _postgresql() -> ModuleType:
    """The module that knows PostgreSQL; raises SetupError where its driver is not installed."""
    try:
        return importlib.import_module("mailseal.store.postgresql")
    except ImportError as fault:
        raise SetupError(
            "the driver for PostgreSQL is not installed",
            str(fault),
            "pip install 'mailseal[postgresql]'",
        ) from None
