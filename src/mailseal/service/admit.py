"""Who is asking, whether they may, and whether they ask too often: one gate for every front end.

Rule: an unknown key takes the same way as a known one, with a decoy for a secret, and ends in the same
refusal; the database is asked each time, so that neither a changed key nor the time of an answer tells of an
earlier request. How a secret is proven is the front end's matter and passed in.
References: docs/decisions/0010-access.md; docs/divergences.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from mailseal.core.access import AccessKey, Principal, check_permission, no_match, secret_name, usable
from mailseal.core.limits import Rate, check_identities
from mailseal.service.rates import Rates, remember
from mailseal.service.world import Keyring, Store, Tx

_DECOY = "decoy-of-the-length-of-a-real-secret-000"


class _Neighbours(Protocol):
    @property
    def store(self) -> Store: ...
    @property
    def keyring(self) -> Keyring: ...


class OpenedKeys:
    """Access keys of late with their secrets in the clear, each as long as it is stored as it was then."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, tuple[AccessKey, bytes, AccessKey]] = OrderedDict()

    def opened(self, keyring: Keyring, key: AccessKey, sealed: bytes) -> AccessKey:
        """The key with the secret that was sealed for it; a decoy has the decoy's."""
        kept = self._kept.get(key.access_key_id)
        if kept is not None and kept[0] is key and kept[1] == sealed:
            return kept[2]
        secret = _DECOY
        if sealed:
            secret = keyring.open_secret(secret_name(key.access_key_id), sealed).decode()
        whole = replace(key, secret=secret)
        remember(self._kept, key.access_key_id, (key, sealed, whole), self._capacity)
        return whole


class Gate:
    """Where every signed request is let in or not; one for a process, whichever API it comes to.

    `guests` is the account of whoever signs with a key that does not exist: only a sandbox has one.
    """

    def __init__(self, guests: str | None = None) -> None:
        self._guests = guests
        self._keys = OpenedKeys()
        self._rates = Rates()

    async def find(self, world: _Neighbours, access_key_id: str) -> AccessKey | None:
        """The enabled key of that id with its secret, or None."""
        key, sealed, exists = await world.store.read(lambda tx: tx.access_keys.look_up(access_key_id))
        whole = self._keys.opened(world.keyring, key, sealed)
        return usable(whole) if exists else None

    def admit(
        self, key: AccessKey | None, claimed_id: str, region: str, proves: Callable[[str], bool]
    ) -> Principal:
        """The principal of a request whose signature `proves` the key's secret; raises the one refusal."""
        proven = proves(_DECOY if key is None else key.secret)
        if key is None and self._guests is not None:
            return Principal(self._guests, region, claimed_id)
        if key is None or not proven:
            raise no_match()
        return Principal(key.account_id, region, key.access_key_id, key.permissions)

    def within_rate(self, key: AccessKey | None, region: str, now: datetime) -> None:
        """Raises TooManyRequests where the key's account has asked too often of late."""
        if key is not None:
            self.pass_one(key.account_id, region, key.limits.rate, now)

    def pass_one(self, account_id: str, region: str, rate: Rate | None, now: datetime) -> None:
        """Lets one request of an account through; raises TooManyRequests."""
        self._rates.pass_one(account_id, region, rate, now)


def permit(who: Principal, operation: str, name: str | None) -> None:
    """Raises AccessDenied unless the principal may do an operation, by AWS's name, on that identity."""
    check_permission(who, f"ses:{operation}", name)


def take_place(tx: Tx, who: Principal) -> None:
    """Counts one more identity of the account; raises LimitExceeded where it may not have one more."""
    account = tx.access_keys.account(who.account_id)
    if account is not None:
        taken = tx.access_keys.places_taken(who.account_id, who.region)
        check_identities(taken, account.limits, who.region)
    tx.access_keys.take_place(who.account_id, who.region)


def give_place_back(tx: Tx, who: Principal) -> None:
    """Counts one identity of the account less."""
    tx.access_keys.give_place_back(who.account_id, who.region)
