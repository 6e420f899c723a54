"""The DNS server that plays all customers' zones on loopback, and recurses from them into our hosted zone.

Rule: it is the sandbox's whole outside world, root and resolver in one: whoever asks it with recursion gets
the end of a chain of aliases, whoever asks without gets what the one zone holds.
References: RFC 1034 §4.3.2, RFC 1035 §4.2.2, RFC 8482 §4.2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
from dns.rdatatype import RdataType

from mailseal.nameserver.listen import bind_both
from mailseal.sandbox import outages
from mailseal.sandbox.outages import fail
from mailseal.sandbox.zones import SECOND_ADDRESS, CustomerZones, LoggedQuery

_CHAIN_AT_MOST = 12
_FORWARD_TIMEOUT_S = 2.0
_STREAM_TIMEOUT_S = 5.0
_PAYLOAD_BYTES = 1232
_TASKS_AT_MOST = 512


class RunningCustomerDns:
    """The open server; `address` is where it really listens."""

    def __init__(self, zones: CustomerZones, forward: Mapping[str, tuple[str, int]]) -> None:
        self.zones = zones
        self.address: tuple[str, int] = ("", 0)
        self._forward = {dns.name.from_text(zone): server for zone, server in forward.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self._second: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen on UDP and TCP; port 0 takes a free one."""
        datagrams, listener = bind_both(host, port)
        self.address = (host, datagrams.getsockname()[1])
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        self._server = await asyncio.start_server(self._on_stream, sock=listener)
        # Only Linux has all of 127.0.0.0/8; elsewhere, or where the port is taken, there is no second server.
        with contextlib.suppress(OSError):
            second = (SECOND_ADDRESS, self.address[1])
            self._second, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, is_second=True), local_addr=second
            )

    async def close(self) -> None:
        """Stop listening; questions in flight are dropped."""
        for transport in (self._transport, self._second):
            if transport is not None:
                transport.close()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_datagram(
        self, transport: asyncio.DatagramTransport, message: bytes, client: tuple[str, int], is_second: bool
    ) -> None:
        """Answer one datagram in a task of its own: a forwarded question must not hold up the others."""
        if len(self._tasks) < _TASKS_AT_MOST:
            answer = self._answer_datagram(transport, message, client, is_second)
            self._keep(asyncio.get_running_loop().create_task(answer))

    async def _answer_datagram(
        self, transport: asyncio.DatagramTransport, message: bytes, client: tuple[str, int], is_second: bool
    ) -> None:
        response = await self.respond(message, "udp", is_second=is_second)
        if response is not None and not transport.is_closing():
            transport.sendto(response, client)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                async with asyncio.timeout(_STREAM_TIMEOUT_S):
                    message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                    response = await self.respond(message, "tcp")
                    if response is None:
                        break
                    writer.write(len(response).to_bytes(2) + response)
                    await writer.drain()
        writer.close()

    async def respond(self, message: bytes, transport: str, *, is_second: bool = False) -> bytes | None:
        """The response to one message; None for silence. The second server is asked at its own address."""
        try:
            query = dns.message.from_wire(message)
        except (dns.exception.DNSException, ValueError):
            return _format_decline(message, dns.rcode.FORMERR)
        if query.flags & dns.flags.QR:
            return None
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return _format_decline(message, dns.rcode.NOTIMP)
        response = await self._resolve(query, is_second)
        asked = query.question[0]
        told = "SILENCE" if response is None else dns.rcode.to_text(response.rcode())
        self.zones.log(
            LoggedQuery(
                at=datetime.now(UTC),
                name=asked.name.to_text(omit_final_dot=True).lower(),
                type=RdataType.to_text(asked.rdtype),
                transport=transport,
                rcode=told,
            )
        )
        if response is None:
            return None
        size = 65535 if transport == "tcp" else min(max(query.payload, 512), _PAYLOAD_BYTES)
        return response.to_wire(max_size=size, prefer_truncation=True)

    async def _resolve(self, query: dns.message.Message, is_second: bool) -> dns.message.Message | None:
        """The response message; None where an outage says nothing at all."""
        response = dns.message.make_response(query, recursion_available=True, our_payload=_PAYLOAD_BYTES)
        asked = query.question[0]
        if asked.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        name, rtype = asked.name, asked.rdtype
        response.flags |= 0 if self._forwarded(name) else dns.flags.AA
        for _ in range(_CHAIN_AT_MOST):
            outage = self.zones.outage_at(name)
            if outage is not None:
                broken = outages.Broken(self.zones, query, response, name, is_second)
                handled, told = outages.respond(broken, outage)
                if handled:
                    return told
            server = self._forwarded(name)
            if server is not None:
                return await _forward(response, name, rtype, server)
            target = self._add_local(response, name, rtype)
            if target is None:
                return response
            recursion = bool(query.flags & dns.flags.RD)
            if not recursion and self._leaves(name, target):
                return response
            name = target
        return fail(response, dns.rcode.SERVFAIL)

    def _forwarded(self, name: dns.name.Name) -> tuple[str, int] | None:
        """The server of the hosted zone that holds a name."""
        return next((s for zone, s in self._forward.items() if name.is_subdomain(zone)), None)

    def _leaves(self, name: dns.name.Name, target: dns.name.Name) -> bool:
        return self._forwarded(target) is not None or self.zones.zone_of(target) != self.zones.zone_of(name)

    def _add_local(
        self, response: dns.message.Message, name: dns.name.Name, rtype: RdataType
    ) -> dns.name.Name | None:
        """Put what a zone holds into the response; the alias's target where the end is elsewhere."""
        found = self.zones.look_up(name, rtype)
        if found.referral is not None:
            # Nobody answers for a zone that was delegated away: without recursion its servers are named.
            if response.flags & dns.flags.RD:
                fail(response, dns.rcode.SERVFAIL)
            else:
                response.flags &= ~dns.flags.AA
                response.authority.append(found.referral)
            return None
        if found.answer is not None:
            response.answer.append(found.answer)
            if found.answer.rdtype == RdataType.CNAME and rtype != RdataType.CNAME:
                target: dns.name.Name = found.answer[0].target
                return target
            return None
        if not found.exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(self.zones.soa(found.zone))
        return None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, running: RunningCustomerDns, *, is_second: bool = False) -> None:
        self._running = running
        self._is_second = is_second
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._running.on_datagram(self._transport, data, addr, self._is_second)


async def start_customer_dns(
    zones: CustomerZones, listen: tuple[str, int], forward: Mapping[str, tuple[str, int]]
) -> RunningCustomerDns:
    """A server for `zones`; `forward` says where each hosted zone is served. OSError if it can't listen."""
    running = RunningCustomerDns(zones, forward)
    await running.open(*listen)
    return running


async def _forward(
    response: dns.message.Message, name: dns.name.Name, rtype: RdataType, server: tuple[str, int]
) -> dns.message.Message:
    """The response with what the hosted zone's own server says about the end of the chain."""
    query = dns.message.make_query(name, rtype, use_edns=0, payload=_PAYLOAD_BYTES)
    query.flags &= ~dns.flags.RD
    try:
        told, _ = await dns.asyncquery.udp_with_fallback(
            query, server[0], port=server[1], timeout=_FORWARD_TIMEOUT_S, ignore_unexpected=True
        )
    except (dns.exception.DNSException, OSError):
        return fail(response, dns.rcode.SERVFAIL)
    if told.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return fail(response, dns.rcode.SERVFAIL)
    response.answer += told.answer
    response.authority += told.authority
    response.set_rcode(told.rcode())
    return response


def _format_decline(message: bytes, rcode: dns.rcode.Rcode) -> bytes | None:
    if len(message) < 12 or message[2] & 0x80:
        return None
    return message[:2] + bytes((0x80 | message[2] & 0x79, 0x80 | rcode)) + bytes(8)
