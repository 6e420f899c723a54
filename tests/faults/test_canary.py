"""Known private keys go through every door while all is logged: nothing that is written holds one."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import apsw
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from mailseal.core.stored import SealedKey
from mailseal.sealing import Keyring, load_master_key, write_master_key
from mailseal.sealing.envelope import open_envelope
from mailseal.store.transaction import Transaction
from tests.conftest import CHECKOUT
from tests.fakes import opened_store, pooled_key
from tests.faults.canary import Canary
from tests.faults.server import KEY, REGION, Server, prove
from tests.unit.service.scenes import DOMAIN, MAIL

IDENTITIES = "/v2/email/identities"


def der_of(number: int) -> bytes:
    """The PKCS#8 DER of one of the pool's keys."""
    return pooled_key(number, 1024).to_pkcs8()


def loose(number: int) -> rsa.RSAPrivateKey:
    key = load_der_private_key(der_of(number), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def pem_of(number: int) -> bytes:
    return loose(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pkcs1_of(number: int) -> bytes:
    return loose(number).private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def pooled_canary() -> Canary:
    """The pool's keys, which all doors get to see."""
    canary = Canary()
    for number in range(4):
        canary.add_key(f"pooled {number}", der_of(number))
    return canary


P = loose(0).private_numbers().p
D = loose(0).private_numbers().d

# Each form in which a key may turn up in a text or a file.
FORMS: dict[str, Callable[[], bytes]] = {
    "DER": partial(der_of, 0),
    "DER, PKCS#1": partial(pkcs1_of, 0),
    "PEM": partial(pem_of, 0),
    "PEM in JSON": lambda: json.dumps(pem_of(0).decode()).encode(),
    "PEM in JSON in JSON": lambda: json.dumps(json.dumps(pem_of(0).decode())).encode(),
    "base64": lambda: base64.b64encode(der_of(0)),
    "base64, one octet later": lambda: base64.b64encode(b"x" + der_of(0)),
    "base64, two octets later": lambda: base64.b64encode(b"xy" + der_of(0)),
    "base64 of base64's cut": lambda: base64.b64encode(der_of(0))[501:560],
    "base64, URL-safe": lambda: base64.urlsafe_b64encode(der_of(0)),
    "base64 in lines": partial(base64.encodebytes, der_of(0)),
    "base64 in a URL": lambda: quote(base64.b64encode(der_of(0)), safe="").encode(),
    "hexadecimal": lambda: der_of(0).hex().encode(),
    "hexadecimal, one digit later": lambda: b"a" + der_of(0).hex().encode(),
    "HEXADECIMAL": lambda: der_of(0).hex().upper().encode(),
    "hexadecimal with colons": lambda: der_of(0).hex(":").encode(),
    "Python's repr": lambda: repr(der_of(0)).encode(),
    "Python's repr of a prime": lambda: repr(P).encode(),
    "a prime": lambda: P.to_bytes(64, "big"),
    "a prime, other end first": lambda: P.to_bytes(64, "little"),
    "the exponent in hexadecimal": f"{D:x}".encode,
    "sixteen octets of a prime": lambda: P.to_bytes(64, "big")[21:37],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_key_is_found_in_each_form_wherever_it_lies(form: str) -> None:
    canary, chance, planted = pooled_canary(), random.Random(form), FORMS[form]()
    for at in range(8):
        noise = b"a line of a log\n" * 40 + chance.randbytes(200 + at) + b'{"key": "'
        assert "pooled 0" in canary.found_in(noise + planted + b'"}' + chance.randbytes(99)), at


def test_nothing_is_found_where_nothing_is() -> None:
    canary, chance = pooled_canary(), random.Random(3)
    clean = [
        chance.randbytes(300_000),
        base64.b64encode(chance.randbytes(100_000)),
        pooled_key(0, 1024).spki * 50,
        base64.encodebytes(pooled_key(0, 1024).spki) * 50,
        pooled_key(1, 2048).to_pkcs8(),
    ]
    assert [canary.found_in(haystack) for haystack in clean] == [set()] * len(clean)


@dataclass
class Doors:
    """All that was said to anybody, by the door that it came out of."""

    server: Server
    said: dict[str, list[bytes]] = field(default_factory=dict)

    def hear(self, door: str, text: bytes) -> None:
        """Keeps what came out."""
        self.said.setdefault(door, []).append(text)

    def request(
        self, method: str, path: str, data: bytes = b"", *, secret: str = KEY.secret, **headers: str
    ) -> int:
        """The status of a signed request; all of its answer is kept."""
        host = f"127.0.0.1:{self.server.port}"
        request = AWSRequest(method, f"http://{host}{path}", data=data)
        request.headers["Content-Type"] = headers.pop("content_type", "application/json")
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        SigV4Auth(Credentials(KEY.access_key_id, secret), "ses", REGION).add_auth(request)
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request(method, target, data, dict(request.headers.items()))
        answer = connection.getresponse()
        self.hear("HTTP", repr(answer.headers.items()).encode() + answer.read())
        connection.close()
        return answer.status

    def put(self, name: str, private_key: object, selector: str = "s1") -> int:
        """The status of a BYODKIM call with this value for a key."""
        signing = {"DomainSigningSelector": selector, "DomainSigningPrivateKey": private_key}
        body = {"SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": signing}
        path = f"/v1/email/identities/{quote(name, safe='')}/dkim/signing"
        return self.request("PUT", path, json.dumps(body).encode())

    def command(self, *words: str) -> int:
        """The exit code of one of the operator's commands; what it printed is kept."""
        config = str(self.server.folder / "mailseal.toml")
        done = subprocess.run(
            [sys.executable, "-m", "mailseal", *words, "--config", config], capture_output=True, timeout=60
        )
        self.hear("command line", done.stdout + done.stderr)
        return done.returncode


def rightly(doors: Doors) -> None:
    """Keys as they should come in, by each way."""
    key = base64.b64encode(der_of(0)).decode()
    signing = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": key}
    body = {"EmailIdentity": "byodkim.example.com", "DkimSigningAttributes": signing}
    assert doors.request("POST", IDENTITIES, json.dumps(body).encode()) == 200
    assert doors.put("byodkim.example.com", base64.b64encode(pkcs1_of(1)).decode(), "s2") == 200
    assert doors.put("byodkim.example.com", base64.b64encode(pem_of(2)).decode(), "s3") == 200
    assert doors.put("byodkim.example.com", base64.b64encode(der_of(1)).decode(), "s2") == 200
    easy = {"EmailIdentity": "easy.example.com"}
    easy |= {"DkimSigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}}
    assert doors.request("POST", IDENTITIES, json.dumps(easy).encode()) == 200
    for name in ("byodkim.example.com", "easy.example.com", DOMAIN):
        assert doors.request("GET", f"{IDENTITIES}/{name}") == 200
    raw = base64.b64encode(MAIL).decode()
    mail = {"Content": {"Raw": {"Data": raw}}, "Destination": {"ToAddresses": ["you@example.net"]}}
    assert doors.request("POST", "/v2/email/outbound-emails", json.dumps(mail).encode()) == 200


def wrongly(doors: Doors) -> None:
    """Keys where they do not belong, and in every wrong form: each is refused."""
    key = base64.b64encode(der_of(3)).decode()
    pem = pem_of(3).decode()
    name = "byodkim.example.com"
    values: list[object] = [
        pem,
        key[:-1],
        key + "=",
        key + "\n",
        f" {key}",
        base64.b64encode(key.encode()).decode(),
    ]
    values += [[key], {"PrivateKey": key}, der_of(3).hex(), base64.urlsafe_b64encode(der_of(3)).decode()]
    values += [base64.b64encode(der_of(3) + b"\0").decode(), base64.b64encode(der_of(3)[:-9]).decode()]
    values += [base64.b64encode(pem.encode() * 2).decode(), key * 20, key.lower(), key + "\u20ac", key[:600]]
    for value in values:
        assert 400 <= doors.put(name, value) < 500, type(value)
    for selector in (key, pem, "s 1", ""):
        assert 400 <= doors.put(name, key, selector) < 500
    right = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": key}
    bodies = [
        {"EmailIdentity": key},
        {"EmailIdentity": pem},
        {"EmailIdentity": f"{key}@example.com"},
        {"EmailIdentity": "new.example.com", "Tags": [{"Key": key, "Value": key}]},
        {"EmailIdentity": "new.example.com", "ConfigurationSetName": key},
        {"EmailIdentity": "new.example.com", "DkimSigningAttributes": {**right, "NextSigningKeyLength": key}},
        {
            "EmailIdentity": "new.example.com",
            "DkimSigningAttributes": {**right, "DomainSigningAttributesOrigin": key},
        },
    ]
    # SES's APIs pass over members that they do not know.
    unknown = {"EmailIdentity": "unknown.example.com", key: key, "DkimSigningAttributes": {key: key}}
    doors.request("POST", IDENTITIES, json.dumps(unknown).encode())
    for body in bodies:
        assert 400 <= doors.request("POST", IDENTITIES, json.dumps(body).encode()) < 500
    good = json.dumps({"EmailIdentity": "new.example.com", "DkimSigningAttributes": right}).encode()
    broken = [
        good[:-1],
        good[:400],
        good + good,
        good + b"\xff",
        b"\xef\xbb\xbf" + good,
        good.replace(b"{", b"[", 1),
    ]
    for data in broken:
        assert 400 <= doors.request("POST", IDENTITIES, data) < 500
    assert doors.request("POST", IDENTITIES, good, secret="another") == 403
    assert doors.request("POST", "/v2/email/no-such-thing", good) >= 400
    form = urlencode(
        {"Action": "VerifyDomainDkim", "Version": "2010-12-01", "Domain": key, "Key": pem}
    ).encode()
    doors.request("POST", "/", form, content_type="application/x-www-form-urlencoded")
    doors.request("GET", f"{IDENTITIES}?PageSize={quote(key)}&NextToken={quote(key, safe='')}")
    doors.request("GET", f"/mailseal/v1/identities?next={quote(key, safe='')}&contains={quote(key, safe='')}")
    native = {"identity": "native.example.com", "dkim": {"selector": "s1", "private_key": key, "bits": key}}
    doors.request("POST", "/mailseal/v1/identities", json.dumps(native).encode())


def by_command(doors: Doors) -> None:
    """Keys in files, good and bad, on the command line."""
    folder = doors.server.folder / "given"
    folder.mkdir()
    files = {
        "good.pem": pem_of(3),
        "good.der": pkcs1_of(3),
        "good.txt": base64.b64encode(der_of(3)),
        "twice.txt": base64.b64encode(base64.b64encode(der_of(3))),
        "cut.pem": pem_of(3)[:500],
        "tail.der": der_of(3) + b"\0",
        "two.pem": pem_of(3) + pem_of(2),
        "altered.der": der_of(3)[:-2] + b"\0\0",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        is_good = name.startswith("good")
        assert doors.command("keys", "inspect", str(folder / name), "--verbose") == (0 if is_good else 1)
    for name in ("good.pem", "good.der", "cut.pem", "tail.der", "altered.der"):
        wanted = ("identity", "create", f"{name}.example.com", "--byodkim", "s1", "--key", str(folder / name))
        assert doors.command(*wanted, "--verbose") == (0 if name.startswith("good") else 3), name
    doors.command("identity", "show", "good.pem.example.com", "--json", "--events")
    doors.command("identity", "records", "good.pem.example.com")
    doors.command("identity", "create", base64.b64encode(der_of(3)).decode(), "--verbose")
    write_master_key(doors.server.folder / "second.key")
    assert doors.command("keys", "rotate-master", "--to", f"file:{doors.server.folder}/second.key") == 0
    doors.command("keys", "stock", "--json")


def with_faults(doors: Doors) -> None:
    """Keys on their way while the database cannot be written: our own faults tell nothing either."""
    connection = apsw.Connection(str(doors.server.database))
    connection.execute("BEGIN IMMEDIATE")
    try:
        assert doors.put("byodkim.example.com", base64.b64encode(der_of(3)).decode(), "s9") >= 500
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def around(doors: Doors) -> None:
    """What else a running server shows: its DNS, its metrics, its environment and its files."""
    for path in ("/healthz", "/readyz", "/metrics", "/"):
        doors.request("GET", path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect(("127.0.0.1", doors.server.dns_port))
        for name in names_served(doors.server):
            labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
            asker.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\x10\0\1")
            doors.hear("DNS", asker.recv(4096))
    assert doors.server.process is not None
    pids = [doors.server.process.pid, *children_of(doors.server.process.pid)]
    for pid in pids:
        for name in ("environ", "cmdline"):
            doors.hear("environment and command line", Path(f"/proc/{pid}/{name}").read_bytes())


def names_served(server: Server) -> list[str]:
    """The owner names that our zone has."""
    connection = apsw.Connection(str(server.database))
    names = [str(owner) for (owner,) in connection.execute("SELECT owner FROM served").fetchall()]
    connection.close()
    assert len(names) >= 6
    return names


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def files_of(server: Server) -> dict[str, bytes]:
    """All that lies in the server's folders, and a backup of its database; what we gave it is left out."""
    backup = server.folder / "backup.db"
    source = apsw.Connection(str(server.database))
    source.execute("VACUUM INTO ?", (str(backup),))
    source.close()
    given = {server.folder / name for name in ("master.key", "second.key", "mailseal.toml")}
    kept = {}
    for path in sorted(server.folder.rglob("*")):
        if path.is_file() and path not in given and path.parent.name != "given":
            kept[str(path.relative_to(server.folder))] = path.read_bytes()
    return kept


async def all_keys(server: Server, canary: Canary) -> int:
    """How many sealed keys there are; each is opened with the master keys and looked for from now on."""
    rings = [Keyring(load_master_key(f"file:{server.folder}/{name}.key")) for name in ("master", "second")]
    async with opened_store(server.database.parent) as store:
        keys = await store.read(partial(_sealed, [ring.master_key_id for ring in rings]))
    for key in keys:
        (ring,) = [ring for ring in rings if ring.master_key_id == key.master_key_id]
        canary.add_key(f"stored {key.ref.key_id}", open_envelope(key, ring._ciphers).to_pkcs8())
    return len(keys)


def _sealed(master_key_ids: list[str], tx: Transaction) -> list[SealedKey]:
    return [key for one in master_key_ids for key in tx.keys.list_under(one, "", 10_000)]


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server that logs everything, with a temporary folder of its own."""
    server = Server(folder)
    asyncio.run(prove(server))
    (folder / "tmp").mkdir()
    server.program = "tests.faults.canary_child"
    server.environment = os.environ | {
        "TMPDIR": str(folder / "tmp"),
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONPATH": str(CHECKOUT),
    }
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.suite_keys
@pytest.mark.timeout(180)
def test_no_private_key_leaves_by_any_door(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        doors = Doors(server)
        for visit in (rightly, wrongly, by_command, with_faults, around):
            visit(doors)
        while_running = files_of(server)
    channels = {name: b"\n".join(said) for name, said in doors.said.items()}
    channels |= {f"running: {name}": content for name, content in while_running.items()}
    (tmp_path / "backup.db").unlink()
    channels |= files_of(server)
    canary = pooled_canary()
    assert asyncio.run(all_keys(server, canary)) > 12
    for name in ("master.key", "second.key"):
        canary.add(name, base64.b64decode((tmp_path / name).read_bytes()))
    leaks = {name: found for name, content in channels.items() if (found := canary.found_in(content))}
    assert leaks == {}
    assert {"HTTP", "command line", "DNS", "serve.log", "running: data/mailseal.db-wal", "backup.db"} <= set(
        channels
    )
    for name, content in channels.items():
        middle = len(content) // 2
        planted = content[:middle] + FORMS["base64"]() + content[middle:]
        assert "pooled 0" in canary.found_in(planted), f"a key in {name} would not be seen"
    size = sum(map(len, channels.values())) / 1e6
    print(f"{len(canary.pieces)} pieces, {size:.1f} MB, {len(channels)} channels")
