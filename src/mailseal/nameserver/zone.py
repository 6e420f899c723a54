"""One zone that we are authoritative for: its settings, and the TXT records that a source serves in it.

Rule: names are wire form, lower-case, relative to the apex; a served record is one label below it.
References: RFC 1035 §3.3.13 (SOA), RFC 2308 §4, RFC 8020 §2 (empty non-terminals exist).
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mailseal.nameserver.wire import format_character_strings, format_name

TYPE_A, TYPE_NS, TYPE_SOA, TYPE_TXT, TYPE_AAAA = 1, 2, 6, 16, 28

NEGATIVE_TTL = 60
"""Short, so that a name asked for before it was published is seen soon after (RFC 2308 §4)."""
_SOA_TTL = 1800
_NS_TTL = 3600
_REFRESH, _RETRY, _EXPIRE = 300, 60, 1_209_600


MARKER = b"\x07_serial"
"""Our serial as a text, so that it can be read at a server that signs the zone under serials of its own."""


class ServedText(Protocol):
    """What one owner name serves."""

    @property
    def text(self) -> bytes | None:
        """Empty for a TXT record with one empty character-string; None where there is no such name."""

    @property
    def ttl(self) -> int:
        """In seconds."""


class ZoneSource(Protocol):
    """Where served records come from; every method is quick enough for an event loop."""

    def look_up(self, zone: str, owner: str) -> ServedText | None:
        """The text at `owner` (a whole name, lower-case, no final dot); None where there is no such name."""

    def zone_serial(self, zone: str) -> int:
        """The SOA serial of what is served now."""

    def generation(self) -> int:
        """A number that is another one after any served record has changed."""


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """What the operator says about a zone; names in lower-case A-labels without the final dot."""

    apex: str
    name_servers: tuple[str, ...]
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses of those name servers whose names lie inside the zone."""
    admin: str = ""
    """The SOA's mailbox as a name; `hostmaster.<apex>` where empty."""


class Served(NamedTuple):
    """A record at some name of the zone, without its owner."""

    rtype: int
    ttl: int
    rdata: bytes


class Zone:
    """A zone ready to answer from: constant names in wire form, texts and serial from its source."""

    def __init__(self, settings: ZoneSettings, source: ZoneSource) -> None:
        self.apex = settings.apex
        self.apex_wire = format_name(settings.apex)
        self._source = source
        self._suffix = "." + settings.apex
        primary = settings.name_servers[0] if settings.name_servers else settings.apex
        admin = settings.admin or f"hostmaster.{settings.apex}"
        self._soa_names = format_name(primary) + format_name(admin)
        self._apex_records = tuple(Served(TYPE_NS, _NS_TTL, format_name(n)) for n in settings.name_servers)
        self._hosts = {
            self._relative(name): tuple(_address_record(a) for a in addresses)
            for name, addresses in settings.addresses.items()
            if name.endswith(self._suffix)
        }
        self._empty_non_terminals = frozenset(
            parent for host in self._hosts for parent in _parents(host) if parent not in self._hosts
        )
        self.glue = tuple(
            (format_name(name), record)
            for name in settings.name_servers
            if name.endswith(self._suffix)
            for record in self._hosts.get(self._relative(name), ())
        )

    def _relative(self, name: str) -> bytes:
        return format_name(name.removesuffix(self._suffix))[:-1]

    def soa(self, serial: int | None = None) -> Served:
        """The SOA as a positive answer carries it; of another serial than that of now where one is given."""
        if serial is None:
            serial = self._source.zone_serial(self.apex)
        numbers = (serial, _REFRESH, _RETRY, _EXPIRE, NEGATIVE_TTL)
        return Served(TYPE_SOA, _SOA_TTL, self._soa_names + struct.pack("!5I", *numbers))

    def constant_records(self, serial: int) -> Iterator[tuple[bytes, Served]]:
        """All records but the SOA and the texts, by the relative names of their owners."""
        yield from ((b"", record) for record in self._apex_records)
        yield from ((host, record) for host, records in self._hosts.items() for record in records)
        yield MARKER, marker(serial)

    def shape(self) -> str:
        """A digest of everything that comes from the configuration: another one means another zone."""
        parts = (self._soa_names, *(owner + record.rdata for owner, record in self.constant_records(0)))
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def records(self, relative: bytes) -> tuple[Served, ...] | None:
        """All records at a name: none for an empty non-terminal, and None where there is no such name."""
        if not relative:
            return (self.soa(), *self._apex_records)
        host = self._hosts.get(relative)
        if host is not None:
            return host
        if relative in self._empty_non_terminals:
            return ()
        if relative == MARKER:
            return (marker(self._source.zone_serial(self.apex)),)
        label = relative[1:]
        # Our owner names are plain letters, digits and hyphens: nothing else is worth a look at the database.
        if relative[0] != len(label) or not label.replace(b"-", b"").isalnum():
            return None
        served = self._source.look_up(self.apex, label.decode("ascii") + self._suffix)
        if served is None or served.text is None:
            return None
        return (Served(TYPE_TXT, served.ttl, format_character_strings(served.text)),)


def marker(serial: int) -> Served:
    """The record at `_serial` of the zone."""
    return Served(TYPE_TXT, NEGATIVE_TTL, format_character_strings(b"%d" % serial))


def _address_record(address: str) -> Served:
    parsed = ipaddress.ip_address(address)
    return Served(TYPE_A if parsed.version == 4 else TYPE_AAAA, _NS_TTL, parsed.packed)


def _parents(relative: bytes) -> list[bytes]:
    """The names between a name and the apex, nearest first."""
    parents = []
    while len(relative) > relative[0] + 1:
        relative = relative[relative[0] + 1 :]
        parents.append(relative)
    return parents
