"""The servers that carry our zones: NOTIFY to those that take them from us, and asking all what they give.

Rule: one datagram and its answer at a time, within a bounded time; what is not the answer is ignored.
References: RFC 1996 §3.6 (retransmission), RFC 1996 §3.7; RFC 8945 §5.3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from mailseal.nameserver.transfer import Secondary

_TRIES = 3
_WAIT_S = 0.5
"""For the first answer; each further try waits twice as long."""
_MARKER_LABEL = "_serial"


class DnsServers:
    """The configured servers (`NameServers` in service/zones.py, by shape)."""

    def __init__(
        self, secondaries: Sequence[Secondary], also_confirm: Sequence[Secondary] = (), *, notify: bool = True
    ) -> None:
        self._servers = {one.name: one for one in (*also_confirm, *secondaries)}
        self._notified = frozenset(one.name for one in secondaries) if notify else frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """All that have to show a change before it counts as published."""
        return tuple(self._servers)

    async def notify(self, server: str, zone: str) -> bool:
        """Whether the server was told of a change and said so, or needs no telling."""
        if server not in self._notified:
            return True
        message = dns.message.make_query(zone, dns.rdatatype.SOA)
        message.set_opcode(dns.opcode.NOTIFY)
        message.flags |= dns.flags.AA
        message.flags &= ~dns.flags.RD
        key = self._servers[server].key
        if key is not None:
            message.use_tsig(key.for_dnspython())
        response = await _ask(self._servers[server], message)
        return response is not None and response.rcode() == dns.rcode.NOERROR

    async def serial_at(self, server: str, zone: str) -> int | None:
        """The serial of ours that the server gives; None where it does not answer or has no such zone."""
        message = dns.message.make_query(f"{_MARKER_LABEL}.{zone}", dns.rdatatype.TXT)
        message.flags &= ~dns.flags.RD
        # Not signed: some servers answer signed questions only where their configuration says so.
        response = await _ask(self._servers[server], message)
        if response is None or not response.flags & dns.flags.AA:
            return None
        for rrset in response.answer:
            if rrset.rdtype == dns.rdatatype.TXT and rrset:
                text = b"".join(rrset[0].strings)
                return int(text) if text.isdigit() and len(text) <= 10 else None
        return None


async def _ask(server: Secondary, message: dns.message.Message) -> dns.message.Message | None:
    """The server's answer; None where there is none, or none that is signed as it has to be."""
    for attempt in range(_TRIES):
        with contextlib.suppress(dns.exception.DNSException, OSError, ValueError):
            return await dns.asyncquery.udp(
                message,
                server.host,
                timeout=_WAIT_S * 2**attempt,
                port=server.port,
                ignore_errors=True,
                ignore_unexpected=True,
            )
    return None
