"""Identities are counted for their account's limit, also those that were there before they were counted."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from mailseal.store.migrate import migrate, shipped
from mailseal.store.sqlite import SqliteStore
from tests.store.stories import tell

US, EU = ("000000000001", "us-east-1"), ("000000000001", "eu-west-1")

_IDENTITY = """
INSERT INTO identities (account_id, region, name, version, created_at, newest_setting_id, signing_enabled,
    new_key_wanted, status, may_send) VALUES (?, ?, ?, 1, 0, 's', 1, 0, 'PENDING', 0)
"""
_ADDRESS = """
INSERT INTO addresses (account_id, region, name, created_at, status, link_at, mails_tried)
VALUES (?, ?, ?, 0, 'PENDING', 0, 0)
"""

pytestmark = pytest.mark.usefixtures("each_engine")


def test_what_was_there_before_is_counted_by_the_migration() -> None:
    connection = apsw.Connection(":memory:")
    earlier = [one for one in shipped() if one.number < 8]
    migrate(connection, earlier)
    for number in range(3):
        connection.execute(_IDENTITY, (*US, f"d{number}.example"))
    connection.execute(_ADDRESS, (*US, "me@d0.example"))
    connection.execute(_ADDRESS, (*EU, "me@d0.example"))
    migrate(connection, shipped())
    counted = connection.execute("SELECT * FROM identity_places ORDER BY region").fetchall()
    assert counted == [(*EU, 1), (*US, 4)]


def test_places_are_an_accounts_and_a_regions_own_and_never_below_none(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        for place in (US, US, EU):
            await store.write(lambda tx, place=place: tx.access_keys.take_place(*place))
        await store.write(lambda tx: tx.access_keys.give_place_back(*US))
        for _ in range(3):
            await store.write(lambda tx: tx.access_keys.give_place_back(*EU))
        assert await store.read(lambda tx: tx.access_keys.places_taken(*US)) == 1
        assert await store.read(lambda tx: tx.access_keys.places_taken(*EU)) == 0
        assert await store.read(lambda tx: tx.access_keys.places_taken("000000000002", "us-east-1")) == 0

    tell(tmp_path, story)
