"""Master keys that a key service keeps closed: AWS KMS, and the transit engine of Vault and OpenBao.

Rule: the service is asked once at start and once when a key is made, never for a message; what it wraps is
one 32-octet key whose wrapped form lies in our database, and what it is asked to bind is that key's id.
References: docs/operating.md; AWS KMS Encrypt and Decrypt; Vault's transit engine (also OpenBao's).
"""

from __future__ import annotations

import base64
import binascii
import http.client
import importlib
import ipaddress
import json
import logging
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from mailseal.sealing.masterkey import MasterKeyRefused

_PATIENCE_S = 10.0
_LONGEST_ANSWER = 64 * 1024
_LONGEST_TOKEN = 4096
# They write whole requests and answers at debug level, plaintext keys included.
_TALKATIVE = ("boto3", "botocore", "urllib3")


class KeyService(Protocol):
    """Wraps and unwraps one small secret; `about` is bound to it and needed again."""

    @property
    def where(self) -> str:
        """What messages call it."""

    def wrap(self, secret: bytes, about: Mapping[str, str]) -> bytes:
        """The wrapped secret; raises MasterKeyRefused."""

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes:
        """The secret; raises MasterKeyRefused."""


class KmsService:
    """AWS KMS, or whatever speaks its protocol at an endpoint; its client comes with `mailseal[kms]`."""

    def __init__(self, named: str) -> None:
        key_id, at, endpoint = named.partition("@")
        if not key_id or (at and not endpoint.startswith(("http://", "https://"))):
            raise MasterKeyRefused(
                "[store] master_key does not name a KMS key",
                why="behind aws-kms: stands a key's id, ARN or alias, then perhaps @ and a URL",
                do='master_key = "aws-kms:alias/mailseal"',
            )
        self.where = f"the KMS key {key_id}"
        self._key_id = key_id
        self._endpoint = endpoint or None

    def wrap(self, secret: bytes, about: Mapping[str, str]) -> bytes:
        """KMS Encrypt, the secret's description as its encryption context."""
        answer = self._ask("encrypt", Plaintext=secret, EncryptionContext=dict(about))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes:
        """KMS Decrypt, likewise."""
        answer = self._ask("decrypt", CiphertextBlob=wrapped, EncryptionContext=dict(about))
        return bytes(answer["Plaintext"])

    def _ask(self, call: str, **members: Any) -> Mapping[str, Any]:
        try:
            boto3 = importlib.import_module("boto3")
            faults = importlib.import_module("botocore.exceptions")
            settings = importlib.import_module("botocore.config")
        except ImportError:
            raise MasterKeyRefused(
                "boto3 is not installed, so that KMS cannot be asked",
                why="[store] master_key begins with aws-kms:, and boto3 comes with an extra of Mailseal's",
                do="pip install 'mailseal[kms]'",
            ) from None
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        config = settings.Config(
            connect_timeout=5,
            read_timeout=_PATIENCE_S,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        parts = self._key_id.split(":")
        region = parts[3] if parts[0] == "arn" and len(parts) > 3 else None
        try:
            client = boto3.client("kms", region_name=region, endpoint_url=self._endpoint, config=config)
            answer: Mapping[str, Any] = getattr(client, call)(KeyId=self._key_id, **members)
        except faults.ClientError as fault:
            raise self._refused(str(fault.response["Error"]["Code"])) from None
        except (faults.BotoCoreError, ValueError) as fault:
            raise self._refused(type(fault).__name__) from None
        return answer

    def _refused(self, why: str) -> MasterKeyRefused:
        return MasterKeyRefused(
            f"{self.where} could not be used",
            why=f"KMS or its client says {why}",
            do="see to credentials, region and the permissions kms:Encrypt and kms:Decrypt, then start again",
        )


class VaultService:
    """A key of the transit engine, which has to be one that takes associated data (aes256-gcm96)."""

    def __init__(self, named: str) -> None:
        url, _, key = named.rpartition("#")
        place = urlsplit(url)
        if not key or not place.hostname or place.scheme not in {"http", "https"}:
            raise MasterKeyRefused(
                "[store] master_key does not name a key of Vault's",
                why="behind vault: stand a URL, # and the name of a transit key",
                do='master_key = "vault:https://vault.example.net:8200#mailseal"',
            )
        if place.scheme == "http" and not _is_loopback(place.hostname):
            raise MasterKeyRefused(
                f"{url} is not encrypted",
                why="the key that opens all others would travel in the clear",
                do='master_key = "vault:https://…", or run an agent on 127.0.0.1',
            )
        self.where = f"the key {key} of {url}"
        self._place = place
        self._mount = place.path.strip("/") or "v1/transit"
        self._key = quote(key, safe="")

    def wrap(self, secret: bytes, about: Mapping[str, str]) -> bytes:
        """What transit's encrypt makes of the secret."""
        data = self._ask("encrypt", {"plaintext": _base64(secret)}, about)
        return str(data.get("ciphertext", "")).encode()

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes:
        """What transit's decrypt makes of it."""
        data = self._ask("decrypt", {"ciphertext": wrapped.decode("ascii", "replace")}, about)
        try:
            return binascii.a2b_base64(str(data.get("plaintext", "")), strict_mode=True)
        except binascii.Error:
            raise self._refused("its answer holds no key") from None

    def _ask(self, call: str, members: Mapping[str, str], about: Mapping[str, str]) -> Mapping[str, Any]:
        bound = json.dumps(dict(about), sort_keys=True, separators=(",", ":")).encode()
        body = json.dumps({**members, "associated_data": _base64(bound)})
        status, text = self._exchange(f"/{self._mount}/{call}/{self._key}", body)
        try:
            answer = json.loads(text)
            data = answer["data"] if status == 200 else None
        except (ValueError, KeyError, TypeError):
            data = None
        if not isinstance(data, dict):
            raise self._refused(f"it answers {status}")
        return data

    def _exchange(self, path: str, body: str) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/json",
            "X-Vault-Token": self._token(),
            "X-Vault-Request": "true",
        }
        namespace = os.environ.get("VAULT_NAMESPACE") or os.environ.get("BAO_NAMESPACE")
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        connection = self._connection()
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException) as fault:
            raise self._refused(getattr(fault, "strerror", None) or type(fault).__name__) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._place.hostname or "", self._place.port
        if self._place.scheme == "http":
            return http.client.HTTPConnection(host, port or 8200, timeout=_PATIENCE_S)
        authorities = os.environ.get("VAULT_CACERT") or os.environ.get("BAO_CACERT")
        try:
            context = ssl.create_default_context(cafile=authorities)
        except OSError as fault:
            raise self._refused(f"{authorities}: {fault.strerror or 'no certificates'}") from None
        return http.client.HTTPSConnection(host, port or 8200, timeout=_PATIENCE_S, context=context)

    def _token(self) -> str:
        """The token of the environment, or of the file that it names."""
        for name in ("VAULT_TOKEN", "BAO_TOKEN"):
            if os.environ.get(name):
                return os.environ[name]
        for name in ("VAULT_TOKEN_FILE", "BAO_TOKEN_FILE"):
            if os.environ.get(name):
                return self._token_in(Path(os.environ[name]))
        raise self._refused("neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set")

    def _token_in(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                token = file.read(_LONGEST_TOKEN).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token.isprintable() or not token:
            raise self._refused(f"{path} holds no token that can be read")
        return token

    def _refused(self, why: str) -> MasterKeyRefused:
        return MasterKeyRefused(
            f"{self.where} could not be used",
            why=why,
            do="see to the URL, the token and its policy (update on encrypt and decrypt), then start again",
        )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
