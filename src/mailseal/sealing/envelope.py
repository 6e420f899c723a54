"""What sealed keys and secrets look like, and what each of them is bound to.

Rule: an envelope opens only for the key and the place that it was sealed for; a text made here names the key
and the place and holds no byte of either secret.
References: NIST SP 800-38D (AES-GCM: a nonce is never used twice under one key, at most 2^32 random ones).

    envelope   1 | nonce 12 | wrapped data key 32+16 | nonce 12 | PKCS#8 DER + 16
    data key   AES-256-GCM by the master key, bound to master key id, key id, bits, public key, place
               (and, for a retired key, how far it has come on its way to the public)
    PKCS#8     AES-256-GCM by the data key, bound to key id, bits, public key
    secret     2 | master key id 8 | nonce 12 | secret + 16, AES-256-GCM by the master key, bound to its name
               (1 | nonce 12 | secret + 16 before secrets named their master key)
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.stored import SealBroken, SealedKey
from mailseal.dkim.keys import KeyRefused, PrivateKey, load_trusted_key
from mailseal.sealing.masterkey import KEY_ID_LETTERS

Ciphers = Mapping[str, AESGCM]
"""The ciphers of the master keys that are there, by master key id."""

_FORMAT = b"\x01"
_NAMED, _NAMELESS = b"\x02", b"\x01"
_NONCE, _KEY, _TAG = 12, 32, 16
_WRAPPED = _NONCE + _KEY + _TAG


def seal_envelope(
    private: PrivateKey, ref: KeyRef, place: KeyPlace | None, by: str, ciphers: Ciphers
) -> bytes:
    """The envelope of a private key under a data key of its own, wrapped by the master key of that id."""
    data_key, nonce = secrets.token_bytes(_KEY), secrets.token_bytes(_NONCE)
    sealed = AESGCM(data_key).encrypt(nonce, private.to_pkcs8(), _key_data(ref))
    return _FORMAT + _wrap(data_key, ref, place, by, ciphers) + nonce + sealed


def rewrap_envelope(key: SealedKey, place: KeyPlace | None, by: str, ciphers: Ciphers) -> bytes:
    """The same private key's envelope, its data key wrapped for that place by the master key of that id."""
    wrapped = _wrap(unwrap_data_key(key, ciphers), key.ref, place, by, ciphers)
    return _FORMAT + wrapped + key.envelope[1 + _WRAPPED :]


def unwrap_data_key(key: SealedKey, ciphers: Ciphers) -> bytes:
    """The data key; raises SealBroken unless the envelope was sealed for this key in this place."""
    envelope = key.envelope
    if envelope[:1] != _FORMAT or len(envelope) <= 1 + _WRAPPED + _NONCE + _TAG:
        raise SealBroken(f"the envelope of key {key.ref.key_id} is not of our form")
    cipher = ciphers.get(key.master_key_id)
    if cipher is None:
        raise SealBroken(f"key {key.ref.key_id} is sealed with master key {key.master_key_id}")
    nonce, wrapped = envelope[1 : 1 + _NONCE], envelope[1 + _NONCE : 1 + _WRAPPED]
    try:
        return cipher.decrypt(nonce, wrapped, _data_key_data(key.master_key_id, key.ref, key.place))
    except InvalidTag:
        raise SealBroken(f"key {key.ref.key_id} does not open in {_told(key.place)}") from None


def open_envelope(key: SealedKey, ciphers: Ciphers) -> PrivateKey:
    """The private key, loaded and not yet judged; raises SealBroken."""
    data_key = unwrap_data_key(key, ciphers)
    nonce = key.envelope[1 + _WRAPPED : 1 + _WRAPPED + _NONCE]
    sealed = key.envelope[1 + _WRAPPED + _NONCE :]
    pkcs8 = bytearray(len(sealed) - _TAG)
    try:
        AESGCM(data_key).decrypt_into(nonce, sealed, _key_data(key.ref), pkcs8)
        return load_trusted_key(pkcs8)
    except (InvalidTag, KeyRefused, ValueError):
        raise SealBroken(f"the envelope of key {key.ref.key_id} does not open") from None
    finally:
        pkcs8[:] = bytes(len(pkcs8))


def seal_secret(name: str, secret: bytes, by: str, ciphers: Ciphers) -> bytes:
    """A small secret sealed under its name by the master key of that id."""
    nonce = secrets.token_bytes(_NONCE)
    return secret_head(by) + nonce + ciphers[by].encrypt(nonce, secret, _secret_data(by, name))


def open_secret(name: str, sealed: bytes, ciphers: Ciphers) -> bytes:
    """The secret that was sealed under that name; raises SealBroken for any other."""
    head = 1 if sealed[:1] == _NAMELESS else 1 + KEY_ID_LETTERS
    nonce, text = sealed[head : head + _NONCE], sealed[head + _NONCE :]
    if not is_secret(sealed) or len(text) < _TAG:
        raise SealBroken(f"the sealed value {name!r} is not of our form")
    named = sealed[1:head].decode("ascii", "replace")
    for key_id, cipher in tuple(ciphers.items()):
        if named in {"", key_id}:
            try:
                return cipher.decrypt(nonce, text, _secret_data(key_id, name))
            except InvalidTag:
                continue
    raise SealBroken(f"the sealed value {name!r} does not open")


def secret_head(by: str) -> bytes:
    """What every secret begins with that the master key of that id sealed."""
    return _NAMED + by.encode()


def is_secret(sealed: bytes) -> bool:
    """Whether a value begins as sealed secrets do."""
    return sealed[:1] in {_NAMED, _NAMELESS}


def associated_data(*parts: str | bytes) -> bytes:
    """Parts as one string of bytes, each behind its length, so that no two lists of parts give the same."""
    encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _wrap(data_key: bytes, ref: KeyRef, place: KeyPlace | None, by: str, ciphers: Ciphers) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + ciphers[by].encrypt(nonce, data_key, _data_key_data(by, ref, place))


def _data_key_data(by: str, ref: KeyRef, place: KeyPlace | None) -> bytes:
    parts = ("mailseal data key 1", by, ref.key_id, str(ref.bits), ref.spki_sha256)
    if place is None:
        return associated_data(*parts, "stock")
    at = (place.account_id, place.region, place.domain, place.selector)
    if place.retired:
        return associated_data(*parts, "retired", *at, place.retired)
    return associated_data(*parts, "placed", *at)


def _secret_data(by: str, name: str) -> bytes:
    return associated_data("mailseal secret 1", by, name)


def _key_data(ref: KeyRef) -> bytes:
    return associated_data("mailseal private key 1", ref.key_id, str(ref.bits), ref.spki_sha256)


def _told(place: KeyPlace | None) -> str:
    if place is None:
        return "the stock"
    return f"the place {place.selector} of {place.domain}, account {place.account_id}, {place.region}"
