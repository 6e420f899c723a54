"""Behind pgbouncer in transaction mode, where each transaction may have another connection of the server."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from mailseal.sandbox.settings import free_ports
from mailseal.store.lane import connect
from mailseal.store.postgresql import PostgresqlStore
from mailseal.store.transaction import Transaction
from tests.postgresql import as_user, server
from tests.store.test_postgresql import tell

CONFIG = """
[databases]
* = host={folder} user=mailseal
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture
def bounced() -> Iterator[str]:
    """The URL of a new database behind a pgbouncer of its own, which has three connections for everybody."""
    folder = server().folder
    [port] = free_ports(1)
    config = folder / f"pgbouncer-{port}.ini"
    config.write_text(CONFIG.format(folder=folder, port=port))
    name = server().database().partition("@/")[2].partition("?")[0]
    url = f"postgresql://mailseal@127.0.0.1:{port}/{name}"
    with subprocess.Popen(
        [*as_user(folder), "/usr/sbin/pgbouncer", "-q", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            await_answer(url)
            yield url
        finally:
            process.kill()


def await_answer(url: str) -> None:
    """Returns when the database answers there."""
    until = time.monotonic() + 30
    while True:
        try:
            with closing(connect(url)):
                return
        except psycopg.OperationalError:
            assert time.monotonic() < until, "pgbouncer does not answer"
            time.sleep(0.1)


@pytest.mark.needs_debian("postgresql", "pgbouncer")
def test_many_lanes_share_few_connections_and_nothing_is_left_on_them(bounced: str) -> None:
    def unit(tx: Transaction) -> None:
        number = int(tx.installation.get("n") or b"0")
        tx.installation.put("n", b"%d" % (number + 1))

    async def story(stores: list[PostgresqlStore]) -> None:
        before = stores[1].served.generation()
        await asyncio.gather(*(stores[turn % 2].write(unit) for turn in range(40)))
        assert await stores[0].read(lambda tx: tx.installation.get("n")) == b"40"
        await stores[0].write(lambda tx: tx.zone.advance("z.example"))
        assert stores[1].served.zone_serial("z.example") == 2
        for _ in range(1000):
            if stores[1].served.generation() != before:
                break
            await asyncio.sleep(0.03)
        assert stores[1].served.generation() != before

    tell(bounced, story)
    with closing(connect(bounced)) as connection:
        for _ in range(6):
            shown = connection.execute("SHOW default_transaction_isolation").fetchall()
            left = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchall()
            assert (shown, left) == ([("read committed",)], [(0,)])
