"""Scripted DNS servers on loopback: a script turns each query into the packets that come back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from mailseal.sandbox.settings import free_ports

Packets = Iterable[bytes]
Script = Callable[[dns.message.Message, bytes], Packets]


@dataclass
class ScriptedServer:
    """A server at one loopback address; `asked` is every query that came, UDP and TCP."""

    host: str
    port: int
    script: Script
    stream_script: Script
    asked: list[str] = field(default_factory=list)
    streamed: int = 0

    @property
    def vantage(self) -> str:
        return f"udp://{self.host}:{self.port}"

    def answer(self, wire: bytes, *, over_tcp: bool = False) -> list[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.asked.append(f"{question.name.to_text(omit_final_dot=True).lower()} {question.rdtype.name}")
        return list((self.stream_script if over_tcp else self.script)(query, wire))


class Servers:
    """The scripted servers of one test, all on one port of different loopback addresses."""

    def __init__(self) -> None:
        self._closing: list[Callable[[], None]] = []
        self.port = 0

    async def start(
        self,
        script: Script,
        host: str = "127.0.0.1",
        *,
        stream: Script | None = None,
        byte_every_s: float = 0.0,
    ) -> ScriptedServer:
        """A server that answers; over TCP at once, or byte by byte."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.port = self.port or free_ports(1)[0]
        listener = socket.create_server((host, self.port), family=family)
        server = ScriptedServer(host, self.port, script, stream or script)
        datagrams = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        datagrams.bind((host, self.port))
        loop = asyncio.get_running_loop()

        def on_datagram() -> None:
            wire, client = datagrams.recvfrom(4096)
            for packet in server.answer(wire):
                datagrams.sendto(packet, client)

        def stop() -> None:
            loop.remove_reader(datagrams.fileno())
            datagrams.close()

        loop.add_reader(datagrams.fileno(), on_datagram)

        async def on_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            server.streamed += 1
            for packet in server.answer(wire, over_tcp=True):
                pieces = [packet[at : at + 1] for at in range(len(packet))] if byte_every_s else [packet]
                with contextlib.suppress(ConnectionError):
                    for piece in pieces:
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(byte_every_s)
            # The client hangs up; a script that gives half an answer leaves it waiting.
            await reader.read()
            writer.close()

        tcp = await asyncio.start_server(on_stream, sock=listener)
        self._closing += [stop, tcp.close]
        return server

    def close(self) -> None:
        for close in self._closing:
            close()


def framed(wire: bytes) -> bytes:
    """A message as TCP carries it."""
    return len(wire).to_bytes(2) + wire


def reply(
    query: dns.message.Message,
    *answers: str,
    authority: Sequence[str] = (),
    additional: Sequence[str] = (),
    rcode: str = "NOERROR",
    flags: int = 0,
    ede: tuple[int, str] | None = None,
) -> dns.message.Message:
    """A response; records as `owner ttl type data`."""
    message = dns.message.make_response(query)
    message.flags |= flags
    for section, texts in (
        (message.answer, answers),
        (message.authority, authority),
        (message.additional, additional),
    ):
        for text in texts:
            owner, ttl, rtype, data = text.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
    if ede is not None:
        message.use_edns(0, options=[dns.edns.EDEOption(*ede)])
    message.set_rcode(dns.rcode.from_text(rcode))
    return message


def always(*answers: str, **keywords: object) -> Script:
    """A script that gives every query the same answer."""

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        # However large: the server decides, not the size that the query names.
        yield reply(query, *answers, **keywords).to_wire(max_size=65535)  # type: ignore[arg-type]

    return script


def nothing(query: dns.message.Message, wire: bytes) -> Packets:
    """The script of a dead server."""
    return ()


Zones = dict[str, dict[str, list[str]]]


def zone_script(
    answers: dict[tuple[str, str], Sequence[str]], *, apex: str, flags: int = dns.flags.AA, minimum: int = 300
) -> Script:
    """An authority or resolver that knows these answers, and says NODATA or NXDOMAIN with a SOA otherwise."""
    soa = f"{apex}. {minimum} SOA ns.{apex}. admin.{apex}. 7 1 2 3 {minimum}"
    names = {name for name, _ in answers} | {apex}

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        known = answers.get((name, question.rdtype.name))
        if known is not None:
            yield reply(query, *known, flags=flags).to_wire()
        else:
            rcode = "NOERROR" if name in names else "NXDOMAIN"
            yield reply(query, authority=[soa], rcode=rcode, flags=flags).to_wire()

    return script
