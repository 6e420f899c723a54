"""Keys at rest and in use: each private key under a data key of its own, each data key under the master key.

Rule: one operation gives a private key out, `disclosed`, and only what is sealed as retired and published; no
other text made here holds a byte of one.
References: docs/operating.md; docs/decisions/0014-master-keys.md; RFC 8017 §8.2,
RFC 8463 §3.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.retired import is_published
from mailseal.core.stored import SealBroken, SealedKey
from mailseal.dkim.keys import PrivateKey
from mailseal.sealing import envelope
from mailseal.sealing.masterkey import KEY_ID_LETTERS, MasterKey, MasterKeyRefused
from mailseal.sealing.providers import CHECK_VALUE, OWN_NAMES, PREDECESSOR, SUCCESSOR, first_master_key

LOADED_AT_MOST = 4096
"""Loaded keys that are kept, some 5 KB each."""

_PEM_LINE = 64
_CHECK_TEXT = b"mailseal master key check"


@dataclass(frozen=True, slots=True)
class Succession:
    """A master key that is ready to take over, and what is stored in the moment when it does."""

    master: MasterKey
    replaces: str
    """The id of the master key that it was made ready to replace."""
    values: Mapping[str, bytes]
    take_over: Callable[[], None]
    """Lets the keyring seal with it from then on; what was sealed before still opens."""


class SigningEngine(Protocol):
    """Signs SHA-256 digests, several at once where that is faster."""

    async def sign(self, key: PrivateKey, digest: bytes) -> bytes: ...


class Keyring:
    """Private keys at rest and in use (`Keyring` in service/world.py, by shape).

    One master key seals; while keys move from an older one to it, both open.
    """

    def __init__(
        self,
        master: MasterKey,
        *,
        older: MasterKey | None = None,
        data_dir: Path | None = None,
        loaded_at_most: int = LOADED_AT_MOST,
    ) -> None:
        self._master = master
        self._ciphers = {one.key_id: AESGCM(one.secret.reveal()) for one in (master, older) if one}
        self.older_key_id = older.key_id if older else None
        self._data_dir = data_dir
        self._loaded: OrderedDict[SealedKey, PrivateKey] = OrderedDict()
        self._loaded_at_most = loaded_at_most
        self._lock = threading.Lock()
        self._engine: SigningEngine | None = None

    @property
    def master_key_id(self) -> str:
        """The id of the master key that seals from now on."""
        return self._master.key_id

    @property
    def where(self) -> str:
        """Where that master key comes from, for people."""
        return self._master.where

    def seal(self, private: PrivateKey, key_id: str, now: datetime, place: KeyPlace | None) -> SealedKey:
        """The key sealed for its place, or for the stock where it has none yet."""
        ref, by = KeyRef(key_id, private.bits, private.spki), self._master.key_id
        return SealedKey(ref, envelope.seal_envelope(private, ref, place, by, self._ciphers), by, now, place)

    def placed(self, key: SealedKey, place: KeyPlace) -> SealedKey:
        """A stock key bound to its place: its data key is wrapped anew, the private key stays as it is."""
        if key.place is not None:
            raise ValueError(f"key {key.ref.key_id} has its place already")
        return self._rewrapped(key, place)

    def retired(self, key: SealedKey, stage: str) -> SealedKey:
        """A key that no slot has, bound to how far it has come towards the public; raises SealBroken."""
        if key.place is None:
            raise ValueError(f"key {key.ref.key_id} has had no place")
        return self._rewrapped(key, replace(key.place, retired=stage))

    def disclosed(self, key: SealedKey) -> str:
        """The private key as PEM, for everybody; raises SealBroken unless it was sealed as published."""
        if key.place is None or not is_published(key.place.retired):
            raise SealBroken(f"key {key.ref.key_id} is not published")
        private = envelope.open_envelope(key, self._ciphers)
        _judge(private, key.ref)
        lines = base64.encodebytes(private.to_pkcs8()).decode().replace("\n", "")
        body = "\n".join(lines[at : at + _PEM_LINE] for at in range(0, len(lines), _PEM_LINE))
        return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"

    def current(self, key: SealedKey) -> SealedKey:
        """The key under the master key that seals now: the same, or its data key wrapped anew."""
        return key if key.master_key_id == self._master.key_id else self._rewrapped(key, key.place)

    def confirm_key(self, key: SealedKey) -> None:
        """Raises SealBroken unless the key's data key opens under the master key that it names."""
        envelope.unwrap_data_key(key, self._ciphers)

    def sign_digest(self, key: SealedKey, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest by the key's own algorithm (RFC 8017 §8.2, RFC 8463 §3).

        Raises SealBroken.
        """
        if len(digest) != SHA256.digest_size:
            raise ValueError("a SHA-256 digest has 32 octets")
        return self._opened(key).sign_digest(digest)

    def sign_with(self, engine: SigningEngine) -> None:
        """From now on `sign_soon` signs by this engine."""
        self._engine = engine

    async def sign_soon(self, key: SealedKey, digest: bytes) -> bytes:
        """The same as `sign_digest`, by the engine where there is one."""
        if self._engine is None:
            return self.sign_digest(key, digest)
        return await self._engine.sign(self._opened(key), digest)

    def seal_secret(self, name: str, secret: bytes) -> bytes:
        """A small secret sealed under its name."""
        return envelope.seal_secret(name, secret, self._master.key_id, self._ciphers)

    def open_secret(self, name: str, sealed: bytes) -> bytes:
        """The secret that was sealed under that name; raises SealBroken for any other."""
        return envelope.open_secret(name, sealed, self._ciphers)

    @property
    def secret_head(self) -> bytes:
        """What every secret begins with that was sealed with the master key of now."""
        return envelope.secret_head(self._master.key_id)

    def current_secret(self, name: str, sealed: bytes) -> bytes:
        """The secret under the master key that seals now: the same, or sealed anew; raises SealBroken."""
        if sealed.startswith(self.secret_head):
            return sealed
        return self.seal_secret(name, self.open_secret(name, sealed))

    def current_values(self, stored: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Those of the installation's values that have to be sealed anew, sealed anew; raises SealBroken."""
        secrets = {
            name: value
            for name, value in stored.items()
            if not name.startswith(OWN_NAMES) and envelope.is_secret(value)
        }
        current = {name: self.current_secret(name, value) for name, value in secrets.items()}
        return {name: value for name, value in current.items() if value != stored[name]}

    def check_value(self) -> bytes:
        """What is stored beside sealed keys, so that a wrong master key is noticed before all else."""
        return self._master.key_id.encode() + self.seal_secret(CHECK_VALUE, _CHECK_TEXT)

    def confirm(self, check_value: bytes) -> None:
        """Raises MasterKeyRefused unless the check value was made with this master key."""
        sealed_with = master_key_id_of(check_value)
        try:
            if sealed_with == self._master.key_id:
                self.open_secret(CHECK_VALUE, check_value[KEY_ID_LETTERS:])
                return
        except SealBroken:
            sealed_with = "another one"
        raise MasterKeyRefused(
            f"{self._master.where} (id {self._master.key_id}) does not open this database",
            why=f"it was sealed with master key {sealed_with}, and no other one opens it",
            do=f"put the backup of {sealed_with} back; nothing was read or changed",
        )

    def successor(self, provider: str) -> Succession:
        """The master key that `provider` names, ready to take over; may ask a key service, stores nothing.

        Raises MasterKeyRefused, also where it is the one in use.
        """
        first = first_master_key(provider, data_dir=self._data_dir)
        if first.master.key_id in self._ciphers:
            raise MasterKeyRefused(
                f"{first.master.where} holds the master key in use (id {first.master.key_id})",
                why="a rotation has to lead to another one",
                do="make one: (umask 277; openssl rand -base64 32 > /etc/mailseal/master-2.key)",
            )
        ahead, signpost = Keyring(first.master), SUCCESSOR + self._master.key_id
        values = {
            **first.values,
            CHECK_VALUE: ahead.check_value(),
            PREDECESSOR: ahead.seal_secret(PREDECESSOR, self._master.secret.reveal()),
            signpost: self.seal_secret(signpost, provider.encode()),
        }
        return Succession(first.master, self._master.key_id, values, partial(self._adopt, first.master))

    def forget_older(self, master_key_id: str) -> None:
        """Opens nothing any more that names this older master key, not even what was opened before."""
        if master_key_id != self.older_key_id:
            return
        self.older_key_id = None
        self._ciphers.pop(master_key_id, None)
        with self._lock:
            for key in [one for one in self._loaded if one.master_key_id == master_key_id]:
                del self._loaded[key]

    def _adopt(self, master: MasterKey) -> None:
        self.older_key_id = self._master.key_id
        self._ciphers[master.key_id] = AESGCM(master.secret.reveal())
        self._master = master

    def _rewrapped(self, key: SealedKey, place: KeyPlace | None) -> SealedKey:
        by = self._master.key_id
        wrapped = envelope.rewrap_envelope(key, place, by, self._ciphers)
        return replace(key, envelope=wrapped, master_key_id=by, place=place)

    def _opened(self, key: SealedKey) -> PrivateKey:
        """The loaded key, from memory where this very row was opened before."""
        with self._lock:
            loaded = self._loaded.get(key)
            if loaded is not None:
                self._loaded.move_to_end(key)
                return loaded
        loaded = envelope.open_envelope(key, self._ciphers)
        _judge(loaded, key.ref)
        with self._lock:
            if key.master_key_id in self._ciphers:
                self._loaded[key] = loaded
            while len(self._loaded) > self._loaded_at_most:
                self._loaded.popitem(last=False)
        return loaded


def master_key_id_of(check_value: bytes) -> str:
    """The id of the master key that a check value was made with, as the value itself says."""
    return check_value[:KEY_ID_LETTERS].decode("ascii", "replace")


def _judge(loaded: PrivateKey, ref: KeyRef) -> None:
    """Raises SealBroken unless the opened key is the one that was published, and signs."""
    if not hmac.compare_digest(loaded.spki, ref.spki) or loaded.bits != ref.bits:
        raise SealBroken(f"the envelope of key {ref.key_id} holds another key")
    digest = hashlib.sha256(b"mailseal self-test " + ref.key_id.encode()).digest()
    public = load_der_public_key(ref.spki)
    try:
        signature = loaded.sign_digest(digest)
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, digest)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(SHA256()))
        else:
            raise SealBroken(f"key {ref.key_id} is neither an RSA key nor an Ed25519 key")
    except InvalidSignature:
        raise SealBroken(f"key {ref.key_id} does not sign as its public half says") from None
