"""Opening an installation: a master key that does not belong to it changes not one byte of it."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import apsw
import pytest

from mailseal.app.inside import Edges, Inside, open_inside
from mailseal.config import Config, DnsConfig, NextHopConfig, StoreConfig
from mailseal.sealing import MasterKeyRefused, write_master_key
from mailseal.sealing.providers import PREDECESSOR, SUCCESSOR, WRAPPED
from mailseal.store.sqlite import peek_installation
from mailseal.telemetry import Line
from tests.unit.key_services import key_services


def config_of(folder: Path, master_key: str) -> Config:
    """A configuration whose data lies in a folder of its own."""
    (folder / "data").mkdir(exist_ok=True)
    return Config(
        store=StoreConfig(database=f"sqlite:{folder}/data/mailseal.db", master_key=master_key),
        dns=DnsConfig(hosted_zone="dkim.example.net"),
        nexthop=NextHopConfig(url=f"maildir:{folder}/mail"),
    )


async def opened(config: Config, lines: list[Line] | None = None) -> str:
    """The id of the master key that the installation opened with; it is closed again."""
    async with AsyncExitStack() as parts:
        edges = Edges(on_log=lines.append if lines is not None else None)
        inside: Inside = await open_inside(config, edges, parts)
        return inside.world.keyring.master_key_id


def key_file(folder: Path, name: str) -> str:
    """The provider of a fresh master key."""
    write_master_key(folder / name)
    return f"file:{folder / name}"


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the data folder but the lock and the WAL's index: its bytes, and when it changed."""
    kept = [path for path in folder.iterdir() if not path.name.endswith((".lock", "-shm"))]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in kept}


def leave_a_wal(path: Path) -> None:
    """Ends as a killed server would: the newest commit is in the WAL alone."""
    pid = os.fork()
    if pid == 0:
        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO installation (name, value) VALUES ('late', x'01')")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("state", ["closed", "with a WAL", "of an older schema"])
def test_a_wrong_master_key_touches_nothing(tmp_path: Path, state: str) -> None:
    right, wrong = key_file(tmp_path, "right.key"), key_file(tmp_path, "wrong.key")
    asyncio.run(opened(config_of(tmp_path, right)))
    database = tmp_path / "data" / "mailseal.db"
    if state == "with a WAL":
        leave_a_wal(database)
        assert (tmp_path / "data" / "mailseal.db-wal").stat().st_size > 0
    if state == "of an older schema":
        connection = apsw.Connection(str(database))
        connection.execute("DELETE FROM schema_migrations WHERE number > 1")
        connection.close()
    before = contents(tmp_path / "data")
    with pytest.raises(MasterKeyRefused, match="does not open this database"):
        asyncio.run(opened(config_of(tmp_path, wrong)))
    assert contents(tmp_path / "data") == before


def test_what_is_peeked_is_what_the_database_holds_also_in_its_wal(tmp_path: Path) -> None:
    asyncio.run(opened(config_of(tmp_path, key_file(tmp_path, "master.key"))))
    database = tmp_path / "data" / "mailseal.db"
    assert "late" not in peek_installation(database)
    leave_a_wal(database)
    assert peek_installation(database)["late"] == b"\1"


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_what_is_no_database_has_no_values(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert peek_installation(tmp_path / "file") == {}


def test_a_key_behind_kms_opens_the_installation_and_kms_is_asked_once_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with key_services("mailseal") as (services, url):
        config = config_of(tmp_path, f"aws-kms:alias/mailseal@{url}")
        first = asyncio.run(opened(config))
        assert asyncio.run(opened(config)) == first
        assert services.asked == ["Encrypt", "Decrypt"]
    assert WRAPPED + first in peek_installation(tmp_path / "data" / "mailseal.db")
    with pytest.raises(MasterKeyRefused, match="could not be used"):
        asyncio.run(opened(config))


def test_a_start_with_the_old_provider_is_told_and_one_with_the_new_ends_the_change(tmp_path: Path) -> None:
    old, new = key_file(tmp_path, "old.key"), key_file(tmp_path, "new.key")

    async def rotated() -> str:
        async with AsyncExitStack() as parts:
            inside = await open_inside(config_of(tmp_path, old), Edges(), parts)
            succession = inside.world.keyring.successor(new)
            succession.take_over()
            values = {**succession.values, **_moved(inside)}
            await inside.store.write(lambda tx: [tx.installation.put(n, v) for n, v in values.items()])
            await inside.store.write(lambda tx: tx.installation.delete(PREDECESSOR))
            return inside.world.keyring.master_key_id

    key_id = asyncio.run(rotated())
    lines: list[Line] = []
    assert asyncio.run(opened(config_of(tmp_path, old), lines)) == key_id
    assert [line.fields["text"] for line in lines] == [f'write [store] master_key = "{new}"']
    lines.clear()
    assert asyncio.run(opened(config_of(tmp_path, new), lines)) == key_id
    assert lines == []
    assert not [n for n in peek_installation(tmp_path / "data" / "mailseal.db") if n.startswith(SUCCESSOR)]
    with pytest.raises(MasterKeyRefused):
        asyncio.run(opened(config_of(tmp_path, old)))


def _moved(inside: Inside) -> dict[str, bytes]:
    """The installation's secrets, sealed anew."""
    return dict(inside.world.keyring.current_values(peek_installation(inside.store.path)))
