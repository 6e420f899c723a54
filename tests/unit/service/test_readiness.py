"""Whether a process can do its work: each part that cannot is named, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mailseal.service import readiness
from mailseal.service.readiness import not_ready
from mailseal.service.world import World
from tests.fakes import HOSTED_ZONE, fake_keyring, fake_world, opened_store


@dataclass
class NoDatabase:
    """A database that fails, or never answers."""

    fault: Exception | None = None

    async def read(self, unit: Any) -> Any:
        """No answer."""
        if self.fault is not None:
            raise self.fault
        return await asyncio.get_running_loop().create_future()


def found(folder: Path, check: bytes | None, **parts: Any) -> Mapping[str, str]:
    """What is not ready where the database names this check value."""

    async def story() -> Mapping[str, str]:
        async with opened_store(folder) as store:
            await store.write(lambda tx: tx.zone.add(HOSTED_ZONE))
            if check is not None:
                await store.write(lambda tx: tx.installation.put(readiness.CHECK_VALUE, check))
            return await not_ready(replace(fake_world(store), **parts))

    return asyncio.run(story())


def test_all_is_ready_where_database_master_key_and_zone_are_there(tmp_path: Path) -> None:
    assert found(tmp_path, fake_keyring().check_value()) == {}


def test_a_master_key_that_was_replaced_by_another_process_is_told(tmp_path: Path) -> None:
    assert list(found(tmp_path, b"0123456789abcdef and more")) == [readiness.MASTER_KEY]


def test_a_zone_of_a_region_that_is_not_served_is_told_by_its_name(tmp_path: Path) -> None:
    lacking = found(tmp_path, None, region_zones={"eu-west-1": "eu.example.net"})
    assert lacking == {readiness.ZONE: "not served: eu.example.net"}


def world_of(database: NoDatabase) -> World:
    return fake_world(database)  # type: ignore[arg-type]


def test_a_database_that_fails_leaves_nothing_ready() -> None:
    lacking = asyncio.run(not_ready(world_of(NoDatabase(OSError(28, "No space left on device")))))
    assert tuple(lacking) == readiness.PARTS
    assert lacking[readiness.DATABASE] == "OSError"


def test_a_database_that_does_not_answer_is_not_waited_for_longer_than_two_seconds() -> None:
    async def story() -> Mapping[str, str]:
        async with asyncio.timeout(30):
            return await not_ready(world_of(NoDatabase()))

    assert asyncio.run(story())[readiness.DATABASE] == "no answer within 2 s"
