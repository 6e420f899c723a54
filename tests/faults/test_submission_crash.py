"""kill -9 of the server while clients submit mail: acknowledged ⊆ delivered, every byte as it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import smtplib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailseal.core.smtpaccess import smtp_password
from tests.faults.server import KEY, REGION, Server, prove
from tests.peers.dns_daemons import free_port

# The long form, MAILSEAL_KILLS=300, takes a quarter of an hour.
pytestmark = [pytest.mark.suite_faults, pytest.mark.timeout(3600)]

CLIENTS = 4
SHORTEST_LIFE, LONGEST_LIFE = 0.1, 0.6
_NUMBER = re.compile(rb"\r\nMessage-ID: <([0-9-]+)@example.com>\r\n")


@dataclass
class Sink:
    """A mail server that outlives all kills; keeps what it acknowledged, by the message's number."""

    port: int = field(default_factory=free_port)
    taken: dict[str, list[bytes]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 22)
        asyncio.run_coroutine_threadsafe(start, self._loop).result(30)

    def close(self) -> None:
        """Serves no longer."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                if line.startswith(b"EHLO"):
                    writer.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif line.startswith(b"DATA"):
                    writer.write(b"354 go\r\n")
                    wire = await reader.readuntil(b"\r\n.\r\n")
                    self._keep(wire[:-3].replace(b"\r\n..", b"\r\n."))
                    writer.write(b"250 kept\r\n")
                else:
                    writer.write(b"250 ok\r\n")
        writer.close()

    def _keep(self, mail: bytes) -> None:
        number = _NUMBER.search(mail)
        if number is None:
            self.faults.append(repr(mail[:200]))
        else:
            self.taken.setdefault(number[1].decode(), []).append(mail)


@dataclass
class Client:
    """Submits one numbered mail after the other, each until it is acknowledged."""

    name: int
    port: int
    stopping: threading.Event
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until it is told to stop."""
        chance = random.Random(self.name)
        number = 0
        while not self.stopping.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as smtp:
                    smtp.login(KEY.access_key_id, smtp_password(KEY.secret, REGION))
                    while not self.stopping.is_set():
                        self._one(smtp, f"{self.name}-{number}", chance)
                        number += 1
            except (OSError, smtplib.SMTPServerDisconnected):
                time.sleep(0.01)
            except smtplib.SMTPException as refusal:
                self.refused.append(repr(refusal))
                time.sleep(0.01)

    def _one(self, smtp: smtplib.SMTP, number: str, chance: random.Random) -> None:
        if number not in self.sent:
            self.sent[number] = _mail(number, chance)
        smtp.sendmail("news@example.com", ["you@example.net", "they@example.net"], self.sent[number])
        self.acknowledged[number] = self.sent[number]


def _mail(number: str, chance: random.Random) -> bytes:
    lines = [
        b"." * chance.randrange(4) + chance.randbytes(30).hex().encode() for _ in range(chance.randrange(60))
    ]
    return (
        b"From: news@example.com\r\nTo: you@example.net\r\nSubject: number\r\n"
        b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\n"
        + f"Message-ID: <{number}@example.com>\r\n\r\n".encode()
        + b"".join(line + b"\r\n" for line in lines)
    )


def test_what_was_acknowledged_is_at_the_next_hop_byte_for_byte(tmp_path: Path) -> None:
    kills = int(os.environ.get("MAILSEAL_KILLS", "12"))
    sink, port, stopping = Sink(), free_port(), threading.Event()
    server = Server(
        tmp_path,
        environment=os.environ
        | {
            "MAILSEAL_NEXTHOP_URL": f"smtp://127.0.0.1:{sink.port}",
            "MAILSEAL_SUBMISSION_LISTEN": f"127.0.0.1:{port}",
            "MAILSEAL_SUBMISSION_PLAINTEXT_ON_LOOPBACK": "true",
        },
    )
    asyncio.run(prove(server))
    clients = [Client(name, port, stopping) for name in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    chance = random.Random(1)
    try:
        for turn in range(kills + 1):
            server.start()
            if turn == 0:
                for thread in threads:
                    thread.start()
            wait_for_mail(clients)
            time.sleep(chance.uniform(SHORTEST_LIFE, LONGEST_LIFE))
            if turn < kills:
                server.kill()
        stopping.set()
        for thread in threads:
            thread.join(60)
    finally:
        stopping.set()
        server.stop()
        sink.close()
    judge(sink, clients, kills)


def wait_for_mail(clients: list[Client]) -> None:
    """Until each life has acknowledged something, so that every kill meets a server at work."""
    before = sum(len(client.acknowledged) for client in clients)
    for _ in range(6000):
        if sum(len(client.acknowledged) for client in clients) > before:
            return
        time.sleep(0.01)
    raise AssertionError(f"nothing was acknowledged for 60 s; {[one.refused[-3:] for one in clients]}")


def judge(sink: Sink, clients: list[Client], kills: int) -> None:
    """Nothing acknowledged is missing, nothing is altered, and few came twice."""
    assert sink.faults == []
    acknowledged = {number: mail for client in clients for number, mail in client.acknowledged.items()}
    sent = {number: mail for client in clients for number, mail in client.sent.items()}
    assert acknowledged.keys() - sink.taken.keys() == set()
    for number, copies in sink.taken.items():
        for copy in copies:
            assert copy.startswith(b"DKIM-Signature: ")
            assert copy.endswith(sent[number])
            assert copy[: -len(sent[number])].count(b"\r\nFrom:") == 0
    copies = Counter(len(copies) for copies in sink.taken.values())
    twice = sum((count - 1) * number for count, number in copies.items())
    print(f"{kills} kills, {len(acknowledged)} acknowledged, {len(sink.taken)} delivered, {twice} twice")
    assert twice <= kills * CLIENTS
    assert [one.refused for one in clients] == [[]] * CLIENTS
