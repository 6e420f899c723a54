"""Listening sockets, and who has the port when we cannot have it.

Rule: an address that is taken is an error that names the program which took it, as far as this machine tells.
References: proc(5), `/proc/net/tcp`.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from mailseal.config import SetupError

Address = tuple[str, int]

_BACKLOG = 1024
_LISTENING = "0A"


def parse_address(text: str, *, key: str) -> Address:
    """The host and port of `192.0.2.10:53` or `[2001:db8::10]:53`; raises SetupError naming the key."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(bare)
        fits = bool(colon) and port.isascii() and port.isdigit() and int(port) < 65536
        fits = fits and (":" in bare) == host.startswith("[")
    except ValueError:
        fits = False
    if not fits:
        raise SetupError(
            f"{key} {text!r} is not an address and a port", do="write 192.0.2.10:53 or [2001:db8::10]:53"
        )
    return bare, int(port)


def format_address(address: Address) -> str:
    """The address as `parse_address` reads it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(address: Address) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(address[0]).is_loopback


def bind_stream(address: Address, *, key: str, reuse_port: bool = False) -> socket.socket:
    """A listening TCP socket; raises SetupError where the address cannot be had.

    With `reuse_port` other processes of this user may listen there too, and the kernel spreads clients.
    """
    if reuse_port and not address[1]:
        raise SetupError(f"{key} names no port", "each process would get another one", "name a port")
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off; without it answers wait 40 ms for an acknowledgement.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((host, port))
        opened.listen(_BACKLOG)
    except OSError as fault:
        opened.close()
        raise refused(address, fault, key=key) from None
    return opened


def refused(address: Address, fault: OSError, *, key: str) -> SetupError:
    """Why an address could not be had, in three lines."""
    host, port = address
    if fault.errno == errno.EADDRINUSE:
        holder = who_has(address)
        wide = ipaddress.ip_address(host).is_unspecified and holder is not None
        return SetupError(
            f"port {port} of {holder[0] if holder else host} is taken by "
            f"{holder[1] if holder else 'another program'}",
            f"{host} means every address, also that one" if wide else "one program at a time listens there",
            f'stop that one, or name another address: {key} = ["192.0.2.10:{port}"]'
            if wide
            else f"stop that one, or choose another address or port for {key}",
        )
    if fault.errno == errno.EACCES:
        return SetupError(
            f"port {port} of {host} may not be taken by this user",
            "ports below 1024 need a capability",
            "start it by its systemd unit, which gives CAP_NET_BIND_SERVICE, or choose a higher port",
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return SetupError(f"{host} is not an address of this machine", do=f"correct {key}; see: ip address")
    what = f"{format_address(address)} cannot be listened on: {fault.strerror}"
    return SetupError(what, do=f"correct {key}")


def who_has(address: Address) -> tuple[str, str] | None:
    """The address and the program (`nginx (process 612)`) that listens at a port, where it can be seen."""
    wanted = ipaddress.ip_address(address[0])
    for host, inode in _listening(address[1]):
        same = host == wanted or host.is_unspecified or wanted.is_unspecified
        if same:
            return str(host), _program(inode) or "another user's program"
    return None


def _listening(port: int) -> Iterable[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, str]]:
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with contextlib.suppress(OSError):
            for row in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                columns = row.split()
                host, _, hex_port = columns[1].partition(":")
                bound = table.startswith("udp") or columns[3] == _LISTENING
                if bound and int(hex_port, 16) == port:
                    yield _address(host), columns[9]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that the kernel writes as words of 32 bits in the machine's own byte order."""
    raw = bytes.fromhex(text)
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return ipaddress.ip_address(words)


def _program(inode: str) -> str | None:
    """The program that holds a socket; None where it cannot be seen."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) == wanted:
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    return f"{name} (process {process.name})"
    return None
