"""Keys as the use cases see them: sealed in their tables, in use behind the keyring, made by the key maker.

Rule: nothing here gives a private key out, save one that is retired and published; the part of `world` that
concerns keys.
References: docs/decisions/0014-master-keys.md; RFC 8017 §8.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailseal.core.keys import KeyPlace
from mailseal.core.retired import RetiredKey
from mailseal.core.stored import SealedKey
from mailseal.dkim.keys import PrivateKey


class Keys(Protocol):
    """Sealed private keys: the stock, and those that have a place."""

    def add_stock(self, key: SealedKey) -> None: ...

    def take_stock(self, bits: int) -> SealedKey | None:
        """The oldest key of that length, removed from the stock; the caller puts it in its place."""

    def stock_levels(self) -> Mapping[int, int]: ...

    def put(self, key: SealedKey) -> None: ...

    def load(self, key_id: str) -> SealedKey | None: ...

    def load_stock(self, key_id: str) -> SealedKey | None:
        """A key in stock, left there."""

    def load_retired(self, key_id: str) -> SealedKey | None: ...

    def list_under(self, master_key_id: str, after: str, limit: int) -> Sequence[SealedKey]:
        """Keys, placed, retired or in stock, that a master key seals, in the order of their ids."""

    def count_under(self, master_key_id: str) -> int: ...

    def rewrap(self, key: SealedKey) -> bool:
        """Whether the key was there under another master key; its envelope is this one from now on."""

    def block(self, spki_sha256: bytes, reason: str) -> None: ...

    def is_blocked(self, spki_sha256: bytes) -> bool: ...

    def holders(self, spki: bytes) -> Sequence[str]:
        """The accounts that have this very public key in a place."""


class RetiredKeys(Protocol):
    """Keys that no slot has any more, kept for publication."""

    def list_due(self, now: datetime, limit: int) -> Sequence[RetiredKey]: ...

    def next_due_at(self) -> datetime | None: ...

    def list_published(self, domain: str, selector: str | None, limit: int) -> Sequence[RetiredKey]:
        """Newest first; of all selectors where None is named."""

    def save(self, retired: RetiredKey) -> None: ...

    def forget_all(self) -> None: ...


class Succession(Protocol):
    """A master key that is ready to take over."""

    @property
    def values(self) -> Mapping[str, bytes]:
        """What is stored in the moment when it does."""

    @property
    def replaces(self) -> str:
        """The id of the master key that it was made ready to replace."""

    @property
    def take_over(self) -> Callable[[], None]:
        """Seals with it from then on; the one before still opens."""


class Keyring(Protocol):
    """Private keys at rest and in use; nothing here gives one out but `disclosed`."""

    def seal(self, private: PrivateKey, key_id: str, now: datetime, place: KeyPlace | None) -> SealedKey: ...

    def placed(self, key: SealedKey, place: KeyPlace) -> SealedKey:
        """A stock key bound to its place: its data key is wrapped anew, in memory."""

    def retired(self, key: SealedKey, stage: str) -> SealedKey:
        """A key that no slot has, bound to how far it has come towards the public; raises SealBroken."""

    def disclosed(self, key: SealedKey) -> str:
        """A published key as PEM, for everybody; raises SealBroken for any other."""

    def sign_digest(self, key: SealedKey, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest (RFC 8017 §8.2, RFC 8463 §3)."""

    async def sign_soon(self, key: SealedKey, digest: bytes) -> bytes:
        """The same, by an engine that signs what comes together at once, where there is one."""

    def seal_secret(self, name: str, secret: bytes) -> bytes: ...

    def open_secret(self, name: str, sealed: bytes) -> bytes: ...

    @property
    def master_key_id(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def older_key_id(self) -> str | None:
        """The master key that keys still move from."""

    @property
    def secret_head(self) -> bytes:
        """What every secret begins with that the master key of now sealed."""

    def current(self, key: SealedKey) -> SealedKey:
        """The key under the master key that seals now; raises SealBroken."""

    def current_secret(self, name: str, sealed: bytes) -> bytes: ...

    def current_values(self, stored: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Those of the installation's values that had to be sealed anew."""

    def confirm_key(self, key: SealedKey) -> None:
        """Raises SealBroken unless the key's data key opens."""

    def successor(self, provider: str) -> Succession:
        """A master key that is ready to take over; raises StartRefused. In a thread: it may ask others."""

    def forget_older(self, master_key_id: str) -> None:
        """Opens nothing any more that names this older master key."""


class KeyMaker(Protocol):
    """Makes RSA key pairs in a niced child process."""

    async def make(self, bits: int) -> PrivateKey: ...
