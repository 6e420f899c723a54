"""Own keys that clients send, made once for a run, in the forms in which people send them."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def _key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _base64(key: rsa.RSAPrivateKey, encoding: Encoding, form: PrivateFormat) -> str:
    return base64.b64encode(key.private_bytes(encoding, form, NoEncryption())).decode()


@cache
def own_keys() -> dict[str, str]:
    """The keys by the names that steps have for them."""
    return {
        "own_key": _base64(_key(), Encoding.DER, PrivateFormat.PKCS8),
        "own_key_1": _base64(_key(), Encoding.DER, PrivateFormat.TraditionalOpenSSL),
        "key_as_pem_1": _base64(_key(), Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
        "key_as_pem_2": _base64(_key(), Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
        "long_key": _base64(_key(3072), Encoding.DER, PrivateFormat.PKCS8),
        "pem_lines": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n",
    }
