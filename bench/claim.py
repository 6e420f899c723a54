"""Claiming due checks: so many a second are taken under a lease, and given back.

Prints `name value unit ratio=<x> of=<what>`: per second of this process's CPU, each batch taken and given
back in durable transactions, from a table of 100,000 due settings (1,000,000 with `--long`), in turn with one
of 1,000; medians of five.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import apsw

from mailseal.service.verify import BATCH, LEASE
from mailseal.store.engine import to_ms
from mailseal.store.sqlite import SqliteStore, prepare

MANY, FEW = (1_000_000 if "--long" in sys.argv else 100_000), 1_000
ROUNDS, BATCHES = 5, 15
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = {"account_id": "'000000000001'", "region": "'us-east-1'", "name": "'customer' || value || '.example'"}
DUE = {"setting_id": "'setting' || value", "claim_at": f"{to_ms(NOW)} - value"}
"""The columns whose content matters, as SQL; whatever else may not be NULL is empty or 0."""


def main() -> int:
    """The exit code: 0 when it was measured."""
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-") as made:
        asyncio.run(show_claim(Path(made)))
    return 0


async def show_claim(folder: Path) -> None:
    """The line of `claim.1M`."""
    stores = {count: opened(folder / f"{count}.db", count) for count in (MANY, FEW)}
    rates: dict[int, list[float]] = {count: [] for count in stores}
    wall: list[float] = []
    for _ in range(ROUNDS):
        for count, store in stores.items():
            began, cpu = time.perf_counter(), time.process_time()
            for _ in range(BATCHES):
                await claim_and_complete(store)
            rates[count].append(BATCHES * BATCH / (time.process_time() - cpu))
            if count == MANY:
                wall.append(BATCHES * BATCH / (time.perf_counter() - began))
    many, few = (statistics.median(rates[count]) for count in (MANY, FEW))
    seen = statistics.median(wall)
    rest = f"rows={MANY} wall={seen:.0f}/s"
    print(f"claim.1M {many:.0f} checks/s/core ratio={many / 20_000:.2f} of=20000/s {rest}")
    print(f"claim.growth {many:.0f} checks/s/core ratio={many / few:.2f} of={FEW}-rows peer={few:.0f}")
    for store in stores.values():
        await store.close()


async def claim_and_complete(store: SqliteStore) -> None:
    """One batch under a lease, then due again behind all others."""
    claimed = await store.write(lambda tx: tx.identities.claim_due(NOW, NOW + LEASE, BATCH))
    assert len(claimed) == BATCH
    assert await store.write(lambda tx: tx.identities.release(NOW, NOW + LEASE)) == BATCH


def opened(path: Path, count: int) -> SqliteStore:
    """A database with so many identities whose check is due."""
    prepare(path)
    connection = apsw.Connection(str(path))
    with connection:
        for table, known in (("identities", PLACE), ("settings", PLACE | DUE)):
            columns = dict(known)
            for _, name, kind, needed, default, _ in connection.execute(f"PRAGMA table_info({table})"):
                if needed and default is None and name not in columns:
                    columns[name] = "''" if kind == "TEXT" else "0"
            rows = f"WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT {count})"
            what = ", ".join(columns.values())
            connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) {rows} SELECT {what} FROM n")
    connection.close()
    return SqliteStore.open(path)


if __name__ == "__main__":
    sys.exit(main())
