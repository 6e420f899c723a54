"""UDP sockets that reply from the address that was asked, also where one socket listens on all of them.

Rule: a resolver drops an answer that comes from another address than it sent to.
References: RFC 2181 §4.1.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

_LARGEST_DATAGRAM = 4096
_ANCILLARY_BYTES = 64
# Linux's numbers, which Python's socket module does not all name.
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO, _IPV6_PKTINFO = 49, 50
# struct in_pktinfo: interface index, the address to send from, the address that was asked.
_PKTINFO = struct.Struct("=I4s4s")

Receive = Callable[[], tuple[bytes, Any]]
Send = Callable[[bytes, Any], object]


HostOf = Callable[[Any], str]


def receive_and_send(datagrams: socket.socket) -> tuple[Receive, Send, HostOf]:
    """How to take a datagram, how to send the reply to where it came from (both raise OSError), and the
    client's address."""
    if not ipaddress.ip_address(datagrams.getsockname()[0]).is_unspecified:
        return partial(datagrams.recvfrom, _LARGEST_DATAGRAM), datagrams.sendto, _host
    if datagrams.family == socket.AF_INET:
        datagrams.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    else:
        datagrams.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
    return partial(_receive, datagrams), partial(_send, datagrams), _host_of_noted


def _host(client: Any) -> str:
    return str(client[0])


def _host_of_noted(client: Any) -> str:
    return str(client[0][0])


def _receive(datagrams: socket.socket) -> tuple[bytes, Any]:
    message, ancillary, _, client = datagrams.recvmsg(_LARGEST_DATAGRAM, _ANCILLARY_BYTES)
    return message, (client, [_reply_from(*entry) for entry in ancillary])


def _send(datagrams: socket.socket, response: bytes, to: Any) -> None:
    client, ancillary = to
    datagrams.sendmsg([response], ancillary, 0, client)


def _reply_from(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """The kernel's note of where a datagram arrived, turned into where to send from."""
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
        _, _, asked = _PKTINFO.unpack(data)
        return level, kind, _PKTINFO.pack(0, asked, bytes(4))
    return level, kind, data
