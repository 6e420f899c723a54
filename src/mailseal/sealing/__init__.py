"""Keys at rest: the keyring that seals and signs, and the master key that it stands on."""

from mailseal.core.stored import SealBroken
from mailseal.sealing.keyring import Keyring
from mailseal.sealing.masterkey import (
    MasterKey,
    MasterKeyRefused,
    master_key_of,
    new_master_key,
    write_master_key,
)
from mailseal.sealing.providers import load_master_key

__all__ = [
    "Keyring",
    "MasterKey",
    "MasterKeyRefused",
    "SealBroken",
    "load_master_key",
    "master_key_of",
    "new_master_key",
    "write_master_key",
]
