"""A program that changes the master key of a database, and kills itself at the n-th transaction.

    rewrap_child FOLDER N WHEN     WHEN: `inside` the n-th transaction, or `after` its commit

With a folder that holds no change under way it begins one. It says `over` on stdout if it came to the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailseal.sealing import load_master_key
from mailseal.sealing.succession import open_keyring
from mailseal.service import rewrap
from mailseal.service.world import Tx
from mailseal.store.sqlite import SqliteStore, peek_installation
from tests.fakes import START, fake_world


class MortalStore:
    """The store, of which one write is the last thing this process does."""

    def __init__(self, store: SqliteStore, number: int, when: str) -> None:
        self._store = store
        self._left = number
        self._when = when

    async def read(self, unit: Callable[[Tx], Any]) -> Any:
        """What the store reads."""
        return await self._store.read(unit)

    async def read_kept(self, key: Hashable, unit: Callable[[Tx], Any]) -> Any:
        """What the store reads."""
        return await self._store.read_kept(key, unit)

    async def write(self, unit: Callable[[Tx], Any]) -> Any:
        """What the store writes, unless it is the one."""
        self._left -= 1
        is_last = self._left == 0

        def mortal(tx: Tx) -> Any:
            result = unit(tx)
            if is_last and self._when == "inside":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        result = await self._store.write(mortal)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


async def change(folder: Path, number: int, when: str) -> None:
    """The change, or as much of it as this life is long."""
    database, provider = folder / "mailseal.db", f"file:{folder}/old.key"
    keyring = open_keyring(provider, peek_installation(database)).keyring
    store = SqliteStore.open(database)
    world = replace(fake_world(store, keyring=keyring), store=MortalStore(store, number, when))
    if keyring.master_key_id == load_master_key(provider).key_id:
        await rewrap.begin(world, f"file:{folder}/new.key")
    while keyring.older_key_id is not None:
        moving = await rewrap.go_on(world, START, batches=3, settle=0)
        assert moving.broken == []
    os.write(1, b"over\n")


if __name__ == "__main__":
    asyncio.run(change(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
