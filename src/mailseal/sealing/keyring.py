"""Keys at rest: each private key under a data key of its own, each data key under the master key.

Rule: an envelope opens only for the key and the place that it was sealed for; no operation gives a private
key out, and no text made here holds a byte of one.
References: docs/operating.md; RFC 8017 §8.2; NIST SP 800-38D (AES-GCM: a nonce is never used twice under one
key, and at most 2^32 random ones).

    envelope   1 | nonce 12 | wrapped data key 32+16 | nonce 12 | PKCS#8 DER + 16
    data key   AES-256-GCM by the master key, bound to master key id, key id, bits, public key, place
    PKCS#8     AES-256-GCM by the data key, bound to key id, bits, public key
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.stored import SealedKey
from mailseal.dkim.keys import KeyRefused, PrivateKey, load_trusted_key
from mailseal.sealing.masterkey import MasterKey, MasterKeyRefused

LOADED_AT_MOST = 4096
"""Loaded keys that are kept, some 5 KB each."""

_FORMAT = b"\x01"
_NONCE, _KEY, _TAG = 12, 32, 16
_WRAPPED = _NONCE + _KEY + _TAG
_CHECK_NAME, _CHECK_TEXT = "master_key_check", b"mailseal master key check"
_KEY_ID_LETTERS = 8


class SealBroken(Exception):
    """An envelope does not open for the key and place it is said to belong to: altered, moved or foreign."""


class Keyring:
    """Private keys at rest and in use (`Keyring` in service/world.py, by shape)."""

    def __init__(self, master: MasterKey, *, loaded_at_most: int = LOADED_AT_MOST) -> None:
        self._master = master
        self._cipher = AESGCM(master.secret.reveal())
        self._loaded: OrderedDict[tuple[KeyRef, KeyPlace | None, bytes], PrivateKey] = OrderedDict()
        self._loaded_at_most = loaded_at_most
        self._lock = threading.Lock()

    @property
    def master_key_id(self) -> str:
        """The id of the master key that seals from now on."""
        return self._master.key_id

    def seal(self, private: PrivateKey, key_id: str, now: datetime, place: KeyPlace | None) -> SealedKey:
        """The key sealed for its place, or for the stock where it has none yet."""
        ref = KeyRef(key_id, private.bits, private.spki)
        data_key, nonce = secrets.token_bytes(_KEY), secrets.token_bytes(_NONCE)
        sealed = AESGCM(data_key).encrypt(nonce, private.to_pkcs8(), _key_data(ref))
        envelope = _FORMAT + self._wrap(data_key, ref, place) + nonce + sealed
        return SealedKey(ref, envelope, self._master.key_id, now, place)

    def placed(self, key: SealedKey, place: KeyPlace) -> SealedKey:
        """A stock key bound to its place: its data key is wrapped anew, the private key stays as it is."""
        if key.place is not None:
            raise ValueError(f"key {key.ref.key_id} has its place already")
        wrapped = self._wrap(self._unwrap(key), key.ref, place)
        envelope = _FORMAT + wrapped + key.envelope[1 + _WRAPPED :]
        return replace(key, envelope=envelope, place=place)

    def sign_digest(self, key: SealedKey, digest: bytes) -> bytes:
        """The RSASSA-PKCS1-v1_5 signature of a SHA-256 digest (RFC 8017 §8.2); raises SealBroken."""
        if len(digest) != SHA256.digest_size:
            raise ValueError("a SHA-256 digest has 32 octets")
        return self._opened(key).sign_digest(digest)

    def seal_secret(self, name: str, secret: bytes) -> bytes:
        """A small secret sealed under its name."""
        nonce = secrets.token_bytes(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret, self._secret_data(name))

    def open_secret(self, name: str, sealed: bytes) -> bytes:
        """The secret that was sealed under that name; raises SealBroken for any other."""
        nonce, text = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] != _FORMAT or len(text) < _TAG:
            raise SealBroken(f"the sealed value {name!r} is not of our form")
        try:
            return self._cipher.decrypt(nonce, text, self._secret_data(name))
        except InvalidTag:
            raise SealBroken(f"the sealed value {name!r} does not open") from None

    def check_value(self) -> bytes:
        """What is stored beside sealed keys, so that a wrong master key is noticed before all else."""
        return self._master.key_id.encode() + self.seal_secret(_CHECK_NAME, _CHECK_TEXT)

    def confirm(self, check_value: bytes) -> None:
        """Raises MasterKeyRefused unless the check value was made with this master key."""
        sealed_with = check_value[:_KEY_ID_LETTERS].decode("ascii", "replace")
        try:
            if sealed_with == self._master.key_id:
                self.open_secret(_CHECK_NAME, check_value[_KEY_ID_LETTERS:])
                return
        except SealBroken:
            sealed_with = "another one"
        raise MasterKeyRefused(
            f"{self._master.where} (id {self._master.key_id}) does not open this database",
            why=f"it was sealed with master key {sealed_with}, and no other one opens it",
            do=f"put the backup of {sealed_with} back; nothing was read or changed",
        )

    def _wrap(self, data_key: bytes, ref: KeyRef, place: KeyPlace | None) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data_key, self._data_key_data(ref, place))

    def _unwrap(self, key: SealedKey) -> bytes:
        envelope = key.envelope
        if envelope[:1] != _FORMAT or len(envelope) <= 1 + _WRAPPED + _NONCE + _TAG:
            raise SealBroken(f"the envelope of key {key.ref.key_id} is not of our form")
        if key.master_key_id != self._master.key_id:
            raise SealBroken(f"key {key.ref.key_id} is sealed with master key {key.master_key_id}")
        nonce, wrapped = envelope[1 : 1 + _NONCE], envelope[1 + _NONCE : 1 + _WRAPPED]
        try:
            return self._cipher.decrypt(nonce, wrapped, self._data_key_data(key.ref, key.place))
        except InvalidTag:
            raise SealBroken(f"key {key.ref.key_id} does not open in {_told(key.place)}") from None

    def _opened(self, key: SealedKey) -> PrivateKey:
        """The loaded key, from memory where this very envelope was opened before."""
        name = (key.ref, key.place, key.envelope)
        with self._lock:
            loaded = self._loaded.get(name)
            if loaded is not None:
                self._loaded.move_to_end(name)
                return loaded
        loaded = self._open(key)
        with self._lock:
            self._loaded[name] = loaded
            while len(self._loaded) > self._loaded_at_most:
                self._loaded.popitem(last=False)
        return loaded

    def _open(self, key: SealedKey) -> PrivateKey:
        data_key = self._unwrap(key)
        nonce = key.envelope[1 + _WRAPPED : 1 + _WRAPPED + _NONCE]
        sealed = key.envelope[1 + _WRAPPED + _NONCE :]
        pkcs8 = bytearray(len(sealed) - _TAG)
        try:
            AESGCM(data_key).decrypt_into(nonce, sealed, _key_data(key.ref), pkcs8)
            loaded = load_trusted_key(pkcs8)
        except (InvalidTag, KeyRefused, ValueError):
            raise SealBroken(f"the envelope of key {key.ref.key_id} does not open") from None
        finally:
            pkcs8[:] = bytes(len(pkcs8))
        _judge(loaded, key.ref)
        return loaded

    def _data_key_data(self, ref: KeyRef, place: KeyPlace | None) -> bytes:
        parts = ("mailseal data key 1", self._master.key_id, ref.key_id, str(ref.bits), ref.spki_sha256)
        if place is None:
            return associated_data(*parts, "stock")
        return associated_data(*parts, "placed", place.account_id, place.region, place.domain, place.selector)

    def _secret_data(self, name: str) -> bytes:
        return associated_data("mailseal secret 1", self._master.key_id, name)


def associated_data(*parts: str | bytes) -> bytes:
    """Parts as one string of bytes, each behind its length, so that no two lists of parts give the same."""
    encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _key_data(ref: KeyRef) -> bytes:
    return associated_data("mailseal private key 1", ref.key_id, str(ref.bits), ref.spki_sha256)


def _judge(loaded: PrivateKey, ref: KeyRef) -> None:
    """Raises SealBroken unless the opened key is the one that was published, and signs."""
    if not hmac.compare_digest(loaded.spki, ref.spki) or loaded.bits != ref.bits:
        raise SealBroken(f"the envelope of key {ref.key_id} holds another key")
    digest = hashlib.sha256(b"mailseal self-test " + ref.key_id.encode()).digest()
    public = load_der_public_key(ref.spki)
    if not isinstance(public, rsa.RSAPublicKey):
        raise SealBroken(f"key {ref.key_id} is not an RSA key")
    try:
        public.verify(loaded.sign_digest(digest), digest, padding.PKCS1v15(), utils.Prehashed(SHA256()))
    except InvalidSignature:
        raise SealBroken(f"key {ref.key_id} does not sign as its public half says") from None


def _told(place: KeyPlace | None) -> str:
    if place is None:
        return "the stock"
    return f"the place {place.selector} of {place.domain}, account {place.account_id}, {place.region}"
