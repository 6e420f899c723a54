"""Vantages behind TLS and HTTPS: whose word counts, how connections are kept, and what is no answer."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailseal.core.observations import Observation, Outcome, Question, RecordType
from mailseal.resolver.asking import DnsResolver
from mailseal.sandbox.settings import free_ports
from tests.unit.resolver.servers import framed, reply

NAME = "t._domainkey.example.com"
QUESTION = Question(NAME, RecordType.TXT)
KEY = f'{NAME}. 60 TXT "p=AB"'
RESOLVER = "dns.resolver.test"
QUICK = (1.0, 1.0, 1.0)
Answer = Callable[[bytes], bytes]


def certify(folder: Path, names: Sequence[str]) -> Path:
    """A self-signed certificate for these names and addresses, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's resolver")])
    now = datetime.now(UTC)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        for name in names
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "resolver.pem"
    path.write_bytes(pem)
    return path


def truly(wire: bytes) -> bytes:
    return reply(dns.message.from_wire(wire), KEY).to_wire()


@dataclass
class Seen:
    """What a server behind TLS got."""

    connections: int = 0
    queries: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


async def over_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, answer: Answer, at_most: int
) -> None:
    for _ in range(at_most):
        wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        seen.queries.append(wire)
        writer.write(framed(answer(wire)))
        await writer.drain()


async def over_https(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, answer: Answer, at_most: int
) -> None:
    for _ in range(at_most):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [length] = [
            int(line.split(":")[1]) for line in head.splitlines() if line.startswith("Content-Length")
        ]
        wire = await reader.readexactly(length)
        seen.heads.append(head)
        seen.queries.append(wire)
        writer.write(answer(wire))
        await writer.drain()


def http(body: bytes, *, status: str = "200 OK", kind: str = "application/dns-message") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask_over(
    folder: Path,
    scheme: str,
    answer: Answer,
    *,
    names: Sequence[str] = (RESOLVER,),
    told: str = f"#{RESOLVER}",
    times: int = 1,
    at_most: int = 100,
    trusted: bool = True,
) -> tuple[list[Observation], Seen]:
    """What a resolver behind TLS is understood to say, asked some times one after the other."""
    seen = Seen()
    pem = certify(folder, names)

    async def run() -> list[Observation]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        serve = over_tls if scheme == "tls" else over_https

        async def on_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.connections += 1
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer, seen, answer, at_most)
            writer.close()

        port = free_ports(1)[0]
        server = await asyncio.start_server(on_stream, "127.0.0.1", port, ssl=context)
        path = "/dns-query" if scheme == "https" else ""
        vantage = f"{scheme}://127.0.0.1:{port}{path}{told}"
        resolver = DnsResolver([vantage], tries_s=QUICK, ca_file=str(pem) if trusted else None)
        found = [(await resolver.ask_vantages([QUESTION]))[0] for _ in range(times)]
        server.close()
        return found

    return asyncio.run(run()), seen


WAYS = [("tls", truly), ("https", lambda wire: http(truly(wire)))]


@pytest.mark.parametrize(("scheme", "answer"), WAYS, ids=["tls", "https"])
def test_an_answer_counts_and_the_connection_is_kept(scheme: str, answer: Answer, tmp_path: Path) -> None:
    found, seen = ask_over(tmp_path, scheme, answer, times=3)
    assert [(o.outcome, o.texts) for o in found] == [(Outcome.ANSWER, (b"p=AB",))] * 3
    assert seen.connections == 1
    assert found[0].asked.server.startswith(f"{scheme}://127.0.0.1:")


@pytest.mark.parametrize(("scheme", "answer"), WAYS, ids=["tls", "https"])
def test_a_connection_that_the_server_closed_costs_nothing(
    scheme: str, answer: Answer, tmp_path: Path
) -> None:
    found, seen = ask_over(tmp_path, scheme, answer, times=3, at_most=1)
    assert {o.outcome for o in found} == {Outcome.ANSWER}
    assert seen.connections == 3


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_a_certificate_for_another_name_is_asked_nothing(scheme: str, tmp_path: Path) -> None:
    [found], seen = ask_over(tmp_path, scheme, truly, names=["other.test"])
    assert found.outcome is Outcome.TEMPORARY
    assert f"certificate does not hold for {RESOLVER}" in found.detail
    assert seen.queries == []


def test_a_certificate_that_nobody_vouches_for_is_asked_nothing(tmp_path: Path) -> None:
    [found], seen = ask_over(tmp_path, "tls", truly, trusted=False)
    assert found.outcome is Outcome.TEMPORARY
    assert "certificate does not hold" in found.detail
    assert seen.queries == []


def test_without_a_name_the_certificate_has_to_hold_for_the_address(tmp_path: Path) -> None:
    [found], _ = ask_over(tmp_path, "tls", truly, names=["127.0.0.1"], told="")
    assert found.outcome is Outcome.ANSWER
    [found], _ = ask_over(tmp_path, "tls", truly, told="")
    assert found.outcome is Outcome.TEMPORARY


def test_a_query_over_https_can_be_cached_on_the_way(tmp_path: Path) -> None:
    _, seen = ask_over(tmp_path, "https", WAYS[1][1], times=2)
    assert len(set(seen.queries)) == 1
    assert seen.queries[0][:2] == b"\0\0"
    assert seen.heads[0].startswith("POST /dns-query HTTP/1.1\r\n")
    assert f"Host: {RESOLVER}\r\n" in seen.heads[0]


def chunked(wire: bytes) -> bytes:
    body = truly(wire)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + pieces + b"0\r\n\r\n"


def test_an_answer_in_chunks_is_put_together(tmp_path: Path) -> None:
    found, seen = ask_over(tmp_path, "https", chunked, times=2)
    assert {o.outcome for o in found} == {Outcome.ANSWER}
    assert seen.connections == 1


OTHER = dns.message.make_query("other.example.com", "TXT")


@pytest.mark.parametrize(
    ("scheme", "answer", "word"),
    [
        ("https", lambda wire: http(b"", status="503 Service Unavailable"), "HTTP 503"),
        ("https", lambda wire: http(b"<html>", kind="text/html"), "no DNS message"),
        ("https", lambda wire: b"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\n\r\n", "length"),
        ("https", lambda wire: http(b"\0" * 20_000), "larger than 16 KiB"),
        ("https", lambda wire: b"nonsense\r\n\r\n", "HTTP"),
        ("https", lambda wire: b"x" * 40_000, "can't be reached"),
        ("tls", lambda wire: b"\0" * 20_000, "larger than 16 KiB"),
        ("tls", lambda wire: reply(OTHER, KEY).to_wire(), "another question"),
        ("tls", lambda wire: truly(wire)[:-1], "broken answer"),
    ],
)
def test_anything_else_is_no_answer_and_says_why(
    scheme: str, answer: Answer, word: str, tmp_path: Path
) -> None:
    [found], _ = ask_over(tmp_path, scheme, answer)
    assert found.outcome is Outcome.TEMPORARY
    assert word in found.detail


def test_a_resolver_that_is_not_there_is_no_answer() -> None:
    resolver = DnsResolver([f"tls://127.0.0.1:{free_ports(1)[0]}#x.test"], tries_s=QUICK)
    [found] = asyncio.run(resolver.ask_vantages([QUESTION]))
    assert found.outcome is Outcome.TEMPORARY
    assert "over TLS" in found.detail


def test_somebody_elses_resolver_is_told_apart() -> None:
    port = free_ports(1)[0]
    resolver = DnsResolver(
        [f"udp://127.0.0.1:{port}"], remote_vantages=[f"udp://127.0.0.1:{port}"], tries_s=(0.1,)
    )
    seen = asyncio.run(resolver.ask_vantages([QUESTION]))
    assert [o.asked.is_remote for o in seen] == [False, True]
