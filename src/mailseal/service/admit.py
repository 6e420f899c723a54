"""Who is asking: access keys found and opened, and a principal for whoever proves one.

Rule: an unknown key takes the same way as a known one, with a decoy for a secret, and ends in the same
refusal; how a secret is proven is the front end's matter and passed in.
References: docs/divergences.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from mailseal.core.access import AccessKey, Principal, no_match, secret_name, usable
from mailseal.service.world import Keyring, Store, Tx

T = TypeVar("T")

_DECOY = "decoy-of-the-length-of-a-real-secret-000"


class _Neighbours(Protocol):
    @property
    def store(self) -> Store: ...
    @property
    def keyring(self) -> Keyring: ...


class KnownKeys:
    """Access keys of late, opened; one that was changed or disabled is believed five seconds at most.

    That a key is unknown is remembered too, for a second, so that both cost the same to ask for.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, tuple[AccessKey, datetime]] = OrderedDict()
        self._unknown: OrderedDict[str, datetime] = OrderedDict()

    async def find(self, world: _Neighbours, access_key_id: str, now: datetime) -> AccessKey | None:
        """The enabled key of that id with its secret, or None."""
        remembered = self._known.get(access_key_id)
        if remembered is not None and now - remembered[1] < timedelta(seconds=5):
            return remembered[0]
        unknown_since = self._unknown.get(access_key_id)
        if unknown_since is not None and now - unknown_since < timedelta(seconds=1):
            return None
        key = usable(await _load(world, access_key_id))
        if key is None:
            self._known.pop(access_key_id, None)
            _remember(self._unknown, access_key_id, now, self._capacity)
        else:
            self._unknown.pop(access_key_id, None)
            _remember(self._known, access_key_id, (key, now), self._capacity)
        return key


def admit(key: AccessKey | None, region: str, proves: Callable[[str], bool]) -> Principal:
    """The principal of a request whose signature `proves` the key's secret; else raises the one refusal."""
    proven = proves(_DECOY if key is None else key.secret)
    if key is None or not proven:
        raise no_match()
    return Principal(key.account_id, region, key.access_key_id)


async def _load(world: _Neighbours, access_key_id: str) -> AccessKey | None:
    def unit(tx: Tx) -> tuple[AccessKey, bytes] | None:
        return tx.access_keys.load(access_key_id)

    found = await world.store.read(unit)
    if found is None:
        return None
    key, sealed = found
    secret = world.keyring.open_secret(secret_name(access_key_id), sealed).decode()
    return AccessKey(key.access_key_id, key.account_id, secret, key.enabled, key.is_sandbox_key)


def _remember(kept: OrderedDict[str, T], name: str, value: T, capacity: int) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > capacity:
        kept.popitem(last=False)
