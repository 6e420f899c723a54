"""Small stories told to a real database in a folder of its own."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import apsw
import psycopg

from mailseal.core.identity import Identity
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.rotation import KeySlot, Slots, answer_of
from mailseal.core.stored import DueTimes, SealedKey
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.fakes import opened_store
from tests.postgresql import DATABASE, server
from tests.unit.core.scenes import ACCOUNT, DOMAIN, POLICY, REGION, START, easy_identity

BROKEN_CONSTRAINT = (apsw.ConstraintError, psycopg.IntegrityError)
PLACE = (ACCOUNT, REGION, DOMAIN)
_TELLINGS, _SELDOM = itertools.count(), 5
NOTHING_DUE = DueTimes({}, None)


def tell(folder: Path, story: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Runs a story on a database in that folder, new unless it is there."""

    async def told() -> None:
        async with opened_store(folder) as store:
            await story(store)

    asyncio.run(told())


def tell_each(engine: str, story: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """The same on a database of its own, for a story that is told many times; on PostgreSQL now and then."""
    if engine == "postgresql" and next(_TELLINGS) % _SELDOM:
        return
    with tempfile.TemporaryDirectory() as folder:
        if engine == "postgresql":
            (Path(folder) / DATABASE).write_text(server().database())
        tell(Path(folder), story)


def sealed(ref: KeyRef, place: KeyPlace | None, made_at: datetime = START) -> SealedKey:
    """A row for a key; its envelope opens nowhere."""
    return SealedKey(ref, b"envelope of " + ref.key_id.encode(), "7f3a11d8", made_at, place)


def renamed(identity: Identity, name: str) -> Identity:
    """The same identity under another name, with settings, tokens and keys of its own."""
    setting = replace(identity.newest, setting_id=f"setting of {name}")
    slots = tuple(_renamed_slot(slot, name) for slot in identity.slots)
    return replace(identity, name=name, newest=setting, slots=slots)


def _renamed_slot(slot: KeySlot, name: str) -> KeySlot:
    key = None if slot.key is None else replace(slot.key, key_id=f"{slot.key.key_id} of {name}")
    return replace(slot, token=f"{slot.token[:20]}{hashlib.sha256(name.encode()).hexdigest()[:12]}", key=key)


def create(tx: Transaction, identity: Identity, due: DueTimes = NOTHING_DUE) -> Identity:
    """Stores a new identity, its slots' keys put into their places first."""
    put_keys(tx, identity, identity.slots)
    saved = tx.identities.save(identity, due)
    assert saved is not None
    return saved


def put_keys(tx: Transaction, identity: Identity, slots: Slots) -> None:
    """Puts the keys of these slots into their places, unless they are there."""
    for slot in slots:
        if slot.key is not None and tx.keys.load(slot.key.key_id) is None:
            place = KeyPlace(identity.account_id, identity.region, identity.name, slot.token)
            tx.keys.put(sealed(slot.key, place))


def new_identity() -> Identity:
    """An Easy DKIM identity that was never stored; slot 1 holds a key, nothing is published."""
    identity = easy_identity()
    return replace(identity, slots=tuple(replace(slot, answered=None) for slot in identity.slots))


def publish(tx: Transaction, now: datetime) -> list[str]:
    """Serves what every marked name ought to give, as the publisher does; the names that were marked."""
    marked = list(tx.zone.marked(100))
    for owner in marked:
        slot = tx.slots.find(owner)
        assert slot is not None
        tx.zone.serve(slot.zone, owner, answer_of(slot, POLICY), now)
    return marked
