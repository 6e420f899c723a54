"""A real `mailseal serve` that can be killed and started again, and clients that sign their requests.

Nobody answers its DNS questions, so no status turns by itself while a test looks.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mailseal.app.installation import add_access_key, open_installation
from mailseal.core.access import AccessKey
from mailseal.sealing import Keyring, load_master_key, write_master_key
from mailseal.store.sqlite import SqliteStore
from tests.fakes import HOSTED_ZONE, START, FakeClock, fake_world, opened_store, pooled_key
from tests.peers.dns_daemons import free_port
from tests.unit.service.scenes import Scene

KEY = AccessKey("MSAKCRASH00000000001", "000000000001", "crash-secret")
REGION = "us-east-1"

CONFIG = """
[store]
database = "sqlite:{folder}/data/mailseal.db"
master_key = "file:{folder}/master.key"
[dns]
hosted_zone = "{zone}"
name_servers = ["ns1.{zone}"]
listen = ["127.0.0.1:{dns}"]
[resolver]
vantages = ["udp://127.0.0.1:{nobody}"]
authorities = false
[api]
listen = ["127.0.0.1:{api}"]
[keys]
stock_2048 = 0
own_keys_per_second = 0
stock_1024 = 12
[nexthop]
url = "maildir:{folder}/mail"
"""


@dataclass
class Server:
    """One installation in a folder, and its process while there is one."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    dns_port: int = field(default_factory=free_port)
    program: str = "mailseal"
    """The module that is run as `mailseal`."""
    environment: dict[str, str] | None = None

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir()
        ports = {"api": self.port, "dns": self.dns_port, "nobody": free_port()}
        text = CONFIG.format(folder=self.folder, zone=HOSTED_ZONE, **ports)
        (self.folder / "mailseal.toml").write_text(text, encoding="utf-8")
        write_master_key(self.folder / "master.key")
        asyncio.run(self._install())

    async def _install(self) -> None:
        keyring = Keyring(load_master_key(f"file:{self.folder}/master.key"))
        store = SqliteStore.open(self.database)
        await open_installation(store, keyring, (HOSTED_ZONE,))
        await add_access_key(store, keyring, KEY, START)
        await store.close()

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.folder / "data" / "mailseal.db"

    def start(self) -> None:
        """Starts it and waits until it says that it is ready."""
        command = [
            sys.executable,
            "-m",
            self.program,
            "serve",
            "--config",
            str(self.folder / "mailseal.toml"),
        ]
        with self.log.open("ab") as log:
            begins = log.seek(0, os.SEEK_END)
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        for _ in range(2000):
            if b'"ready"' in self.log.read_bytes()[begins:]:
                return
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]
            time.sleep(0.01)
        raise AssertionError("the server is not ready after 20 s")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(10) == -9, "the server ended by itself"

    def stop(self) -> None:
        """SIGTERM, where it runs at all."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    @property
    def log(self) -> Path:
        """Everything it ever said."""
        return self.folder / "serve.log"


@dataclass(frozen=True)
class Standing:
    """What a client can see of one identity."""

    exists: bool
    enabled: bool = True
    origin: str = ""
    selector: str = ""


ABSENT = Standing(exists=False)


@dataclass(frozen=True)
class Answered:
    """An HTTP answer."""

    status: int
    body: dict[str, Any]


class Client:
    """One connection after the other, each request signed."""

    def __init__(self, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._signer = SigV4Auth(Credentials(KEY.access_key_id, KEY.secret), "ses", REGION)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answered:
        """The answer to one signed request; OSError or HTTPException where the server died."""
        data = b"" if body is None else json.dumps(body).encode()
        request = AWSRequest(method, f"http://{self._host}{path}", data=data)
        request.headers["Content-Type"] = "application/json"
        self._signer.add_auth(request)
        target = urlsplit(request.url).path
        self._connection.request(method, target, data, dict(request.headers.items()))
        response = self._connection.getresponse()
        text = response.read()
        return Answered(response.status, json.loads(text) if text else {})

    def close(self) -> None:
        """Drops the connection."""
        self._connection.close()

    def standing(self, name: str) -> Standing:
        """How an identity stands."""
        answered = self.call("GET", f"/v2/email/identities/{quote(name)}")
        if answered.status == 404:
            return ABSENT
        assert answered.status == 200, answered
        dkim = answered.body["DkimAttributes"]
        origin = dkim["SigningAttributesOrigin"]
        selector = dkim["Tokens"][0] if origin == "EXTERNAL" else ""
        return Standing(True, dkim["SigningEnabled"], origin, selector)

    def change(
        self, name: str, chance: random.Random, now: Standing
    ) -> tuple[Standing, tuple[str, str, Any]]:
        """A change to make, and how the identity stands after it."""
        path = f"/v2/email/identities/{quote(name)}"
        if not now.exists:
            bits = {"DkimSigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}}
            body = {"EmailIdentity": name, **bits}
            return Standing(True, True, "AWS_SES"), ("POST", "/v2/email/identities", body)
        what = chance.choices(["enabled", "external", "easy", "delete"], [4, 3, 2, 1])[0]
        if what == "delete":
            return ABSENT, ("DELETE", path, None)
        if what == "external":
            selector = f"s{chance.randrange(1000)}"
            private = base64.b64encode(pooled_key(chance.randrange(4), 1024).to_pkcs8()).decode()
            signing = {"DomainSigningSelector": selector, "DomainSigningPrivateKey": private}
            body = {"SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": signing}
            return Standing(True, now.enabled, "EXTERNAL", selector), (
                "PUT",
                f"{_v1(path)}/dkim/signing",
                body,
            )
        if what == "easy":
            body = {"SigningAttributesOrigin": "AWS_SES"}
            return Standing(True, now.enabled, "AWS_SES"), ("PUT", f"{_v1(path)}/dkim/signing", body)
        enabled = not now.enabled
        return Standing(True, enabled, now.origin, now.selector), (
            *("PUT", f"{path}/dkim"),
            {"SigningEnabled": enabled},
        )


def _v1(path: str) -> str:
    return path.replace("/v2/", "/v1/", 1)


async def prove(server: Server) -> None:
    """Gives an installation whose server does not run an identity that may send."""
    keyring = Keyring(load_master_key(f"file:{server.folder}/master.key"))
    async with opened_store(server.database.parent) as store:
        scene = Scene(fake_world(store, keyring=keyring, clock=FakeClock(datetime.now(UTC))))
        await scene.create()
        await scene.proven()
