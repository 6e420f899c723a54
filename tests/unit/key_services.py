"""Two key services in a thread: AWS KMS as its JSON 1.1 protocol says, and the transit engine of Vault.

Their ciphers are real AES-GCM under keys that they hold, so that a wrong key, context or altered blob is
refused as the real ones do.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class KeyServices:
    """What both hold and what they were asked."""

    keys: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    binds: bool = True
    """Whether what a secret is bound to is looked at."""
    broken: str = ""
    """What to answer instead: an error code of KMS's, an HTTP status, or `nonsense`."""

    def add(self, *names: str) -> None:
        """Makes keys of those names."""
        self.keys |= {name: secrets.token_bytes(32) for name in names}

    def kms(self, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """KMS's answer to one call."""
        call = target.removeprefix("TrentService.")
        self.asked.append(call)
        key = str(body["KeyId"]).rpartition("/")[2]
        if self.broken or key not in self.keys:
            return 400, {"__type": self.broken or "NotFoundException", "message": "no"}
        context = json.dumps(body.get("EncryptionContext", {}), sort_keys=True).encode()
        if call == "Encrypt":
            blob = self._sealed(key, base64.b64decode(body["Plaintext"]), context)
            return 200, {"CiphertextBlob": base64.b64encode(blob).decode(), "KeyId": key}
        opened = self._opened(key, base64.b64decode(body["CiphertextBlob"]), context)
        if opened is None:
            return 400, {"__type": "InvalidCiphertextException", "message": "no"}
        return 200, {"Plaintext": base64.b64encode(opened).decode(), "KeyId": key}

    def vault(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The transit engine's answer to one call."""
        self.tokens.append(token)
        mount, call, key = path.strip("/").rsplit("/", 2)
        self.asked.append(f"{mount} {call}")
        if self.broken.isdigit() or key not in self.keys:
            return int(self.broken or 404), {"errors": ["no"]}
        bound = base64.b64decode(body["associated_data"])
        if call == "encrypt":
            blob = self._sealed(key, base64.b64decode(body["plaintext"]), bound)
            return 200, {"data": {"ciphertext": "vault:v1:" + base64.b64encode(blob).decode()}}
        opened = self._opened(key, base64.b64decode(body["ciphertext"].removeprefix("vault:v1:")), bound)
        if opened is None:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(opened).decode()}}

    def _sealed(self, key: str, secret: bytes, bound: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(self.keys[key]).encrypt(nonce, secret, bound if self.binds else b"")

    def _opened(self, key: str, blob: bytes, bound: bytes) -> bytes | None:
        try:
            return AESGCM(self.keys[key]).decrypt(blob[:12], blob[12:], bound if self.binds else b"")
        except InvalidTag:
            return None


def _handler(services: KeyServices) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            target = self.headers.get("X-Amz-Target")
            if target:
                assert self.headers["Content-Type"] == "application/x-amz-json-1.1"
                status, answer = services.kms(target, body)
            else:
                status, answer = services.vault(self.path, self.headers["X-Vault-Token"], body)
            text = b"<html>" if services.broken == "nonsense" else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def key_services(*names: str) -> Iterator[tuple[KeyServices, str]]:
    """Both services with keys of those names, and the URL at which they answer."""
    services = KeyServices()
    services.add(*names)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(services))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield services, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
