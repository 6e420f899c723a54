"""Which keyring a database opens with, also between one master key and the next.

Rule: at every moment the provider that is configured opens everything, the old one until it was seen that the
configuration names the new one; a master key that opens nothing is told so before anything is written.
References: docs/operating.md; docs/decisions/0014-master-keys.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailseal.core.stored import SealBroken
from mailseal.sealing.keyring import Keyring, master_key_id_of
from mailseal.sealing.masterkey import MasterKey, MasterKeyRefused, master_key_of
from mailseal.sealing.providers import (
    CHECK_VALUE,
    PREDECESSOR,
    SUCCESSOR,
    WRAPPED,
    first_master_key,
    load_master_key,
)

_MOST_SIGNPOSTS = 8


@dataclass(frozen=True, slots=True)
class Opened:
    """A keyring that opens the database it was made for."""

    keyring: Keyring
    values: Mapping[str, bytes]
    """What a new database has to store of it; empty for one that was opened before."""
    outdated: str = ""
    """The provider that [store] master_key should name, where it names the one before."""
    outlived: tuple[str, ...] = ()
    """Names of the values that nobody needs any more."""


def open_keyring(provider: str, stored: Mapping[str, bytes], *, data_dir: Path | None = None) -> Opened:
    """The keyring for a database whose installation has these values; raises MasterKeyRefused.

    Nothing is written; a database without a check value is taken for a new one.
    """
    check = stored.get(CHECK_VALUE)
    if check is None:
        first = first_master_key(provider, data_dir=data_dir)
        return Opened(Keyring(first.master, data_dir=data_dir), first.values)
    master = load_master_key(provider, data_dir=data_dir, stored=stored)
    outdated = ""
    for _ in range(_MOST_SIGNPOSTS):
        signpost = stored.get(SUCCESSOR + master.key_id)
        if signpost is None or master_key_id_of(check) == master.key_id:
            break
        outdated = _followed(master, signpost)
        master = load_master_key(outdated, data_dir=data_dir, stored=stored)
    keyring = Keyring(master, data_dir=data_dir)
    keyring.confirm(check)
    predecessor = stored.get(PREDECESSOR)
    if predecessor is not None:
        keyring = Keyring(master, older=_opened_predecessor(keyring, predecessor), data_dir=data_dir)
    settled = not outdated and predecessor is None
    return Opened(keyring, {}, outdated, _outlived(stored, master) if settled else ())


def _outlived(stored: Mapping[str, bytes], master: MasterKey) -> tuple[str, ...]:
    """Signposts and wrapped keys that led here, once the configuration names the master key in use."""
    in_use = WRAPPED + master.key_id
    return tuple(n for n in sorted(stored) if n.startswith((SUCCESSOR, WRAPPED)) and n != in_use)


def _followed(master: MasterKey, signpost: bytes) -> str:
    """The provider that replaced this master key, as the rotation wrote it down."""
    try:
        return Keyring(master).open_secret(SUCCESSOR + master.key_id, signpost).decode()
    except (SealBroken, UnicodeDecodeError):
        raise MasterKeyRefused(
            f"{master.where} (id {master.key_id}) does not open this database",
            why="it was replaced by another master key, and what was written down about that does not open",
            do="name the provider of the newer one in [store] master_key; nothing was read or changed",
        ) from None


def _opened_predecessor(keyring: Keyring, sealed: bytes) -> MasterKey:
    try:
        return master_key_of(keyring.open_secret(PREDECESSOR, sealed), "the master key before")
    except (SealBroken, ValueError):
        raise MasterKeyRefused(
            "the master key before this one does not open",
            why="keys were moving from it to the one in use, and its sealed form was altered",
            do="restore the database from its backup; nothing was changed",
        ) from None
