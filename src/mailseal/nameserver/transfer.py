"""Zone transfers: the whole zone, or what has changed since a secondary last looked, message by message.

Rule: a generator that reads some names at a time, so that memory does not grow with the zone; the transfer is
of one serial, whatever is published meanwhile, or it is broken off.
References: RFC 5936 §2.2 (AXFR), RFC 5936 §3.4, RFC 1995 §2 and RFC 1995 §4 (IXFR).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mailseal.core.zone import serial_is_newer
from mailseal.nameserver.answer import answer
from mailseal.nameserver.tsig import TsigKey, open_signed
from mailseal.nameserver.wire import (
    HEADER_BYTES,
    Declined,
    Query,
    Rcode,
    Record,
    format_character_strings,
    format_name,
    format_response,
    parse_query,
    pointer,
    soa_serial_in_authority,
)
from mailseal.nameserver.zone import MARKER, TYPE_TXT, Served, ServedText, Zone, marker

TYPE_IXFR, TYPE_AXFR = 251, 252
_MESSAGE_BYTES = 16_000
"""Records of one message; a compression pointer reaches no further than 16,384 octets."""
_NAMES_A_PAGE = 200
_SERIALS_A_PAGE = 50
_APEX = pointer(HEADER_BYTES)
_CLASS_IN = 1
_SERIALS = 2**32


class Changed(Protocol):
    """What one name gave before and gives after a serial."""

    @property
    def owner(self) -> str: ...
    @property
    def old(self) -> ServedText: ...
    @property
    def new(self) -> ServedText: ...


class Names(Protocol):
    """Some names of a zone, and where the next ones begin."""

    @property
    def names(self) -> Sequence[tuple[str, ServedText]]: ...
    @property
    def after(self) -> str | None: ...


class TransferSource(Protocol):
    """Where a zone's records and its journal come from; every method is quick enough for an event loop."""

    def zone_serial(self, zone: str) -> int: ...

    def begins_at(self, zone: str) -> int:
        """The oldest serial from which all changes are known."""

    def changes(self, zone: str, after: int, until: int) -> Sequence[tuple[int, Changed]]:
        """What the serials after `after` and up to `until` changed, in their order."""

    def page(self, zone: str, serial: int, after: str, limit: int) -> Names:
        """Names after `after` that the zone had at `serial`; true if the journal still begins no later."""


@dataclass(frozen=True, slots=True)
class Secondary:
    """A server that carries our zones: where it is, and the key that both sides sign with."""

    host: str
    port: int = 53
    key: TsigKey | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """How it is called in what is stored and shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 53 else f"{host}:{self.port}"


class TransferBroken(Exception):
    """What the transfer is made of is no longer to be had; the secondary begins again."""


class Transfers:
    """Who may have our zones, and the messages that carry them."""

    def __init__(
        self, zones: Sequence[Zone], source: TransferSource, secondaries: Sequence[Secondary]
    ) -> None:
        self._zones = {zone.apex_wire: zone for zone in zones}
        self._source = source
        self._allowed = {(one.host, one.key.name if one.key else None) for one in secondaries}
        self._hosts = frozenset(one.host for one in secondaries)
        self._keys = {one.key.name: one.key for one in secondaries if one.key}

    def respond(self, message: bytes, host: str, *, over_tcp: bool) -> Iterator[bytes] | None:
        """The messages of the answer to a secondary's query, each signed where the query was; None for one
        that is answered as everybody's is."""
        if host not in self._hosts:
            return None
        opened = open_signed(message, self._keys)
        if isinstance(opened, bytes):
            return iter((opened,))
        if opened is None:
            return self._transfer(message, host, None, over_tcp=over_tcp)
        stream = self._transfer(opened.message, host, opened.key_name, over_tcp=over_tcp)
        if stream is None:
            response = answer(opened.message, tuple(self._zones.values()), over_tcp=over_tcp)
            stream = iter(()) if response is None else iter((response,))
        return map(opened.sign, stream)

    def _transfer(
        self, message: bytes, host: str, key_name: str | None, *, over_tcp: bool
    ) -> Iterator[bytes] | None:
        """The messages of a transfer; None where none was asked for, or one that this client may not have."""
        query = parse_query(message)
        if isinstance(query, Declined) or query.qtype not in (TYPE_IXFR, TYPE_AXFR):
            return None
        zone = self._zones.get(query.qname.lower())
        if zone is None or query.qclass != _CLASS_IN or (host, key_name) not in self._allowed:
            return None
        if over_tcp:
            known = soa_serial_in_authority(message) if query.qtype == TYPE_IXFR else None
            return _messages(message, query, self._records(zone, known))
        # RFC 1995 §2: over UDP our SOA alone, and a client that needs more comes back over TCP.
        return _messages(message, query, [_at_apex(zone.soa())]) if query.qtype == TYPE_IXFR else None

    def _records(self, zone: Zone, known: int | None) -> Iterator[Record]:
        """The records of the answer to a secondary that has the serial `known`, if any."""
        serial = self._source.zone_serial(zone.apex)
        if known is not None and not serial_is_newer(serial, known):
            return iter([_at_apex(zone.soa(serial))])
        begins_at = self._source.begins_at(zone.apex)
        if known is None or known < begins_at or known > serial:
            return self._whole(zone, serial)
        return self._changes(zone, known, serial)

    def _whole(self, zone: Zone, serial: int) -> Iterator[Record]:
        yield _at_apex(zone.soa(serial))
        for name, served in zone.constant_records(serial):
            yield Record(name + _APEX, *served)
        after: str | None = ""
        while after is not None:
            page = self._source.page(zone.apex, serial, after, _NAMES_A_PAGE)
            self._insist(zone, serial)
            for owner, text in page.names:
                yield _text_record(zone, owner, text)
            after = page.after
        yield _at_apex(zone.soa(serial))

    def _changes(self, zone: Zone, known: int, serial: int) -> Iterator[Record]:
        yield _at_apex(zone.soa(serial))
        for first in range(known, serial, _SERIALS_A_PAGE):
            last = min(first + _SERIALS_A_PAGE, serial)
            changed: dict[int, list[Changed]] = {number: [] for number in range(first + 1, last + 1)}
            for number, change in self._source.changes(zone.apex, first, last):
                changed[number].append(change)
            self._insist(zone, first)
            for number, changes in changed.items():
                yield from _difference(zone, number, changes)
        yield _at_apex(zone.soa(serial))

    def _insist(self, zone: Zone, serial: int) -> None:
        """Raises TransferBroken where the journal no longer reaches back to that serial."""
        if not self._source.begins_at(zone.apex) <= serial <= self._source.zone_serial(zone.apex):
            raise TransferBroken(f"{zone.apex} has moved on from {serial}")


def _messages(message: bytes, query: Query, records: Iterable[Record]) -> Iterator[bytes]:
    """Messages of a bounded size that carry the records in their order."""
    batch: list[Record] = []
    size = 0
    for record in records:
        grown = len(record.owner) + 10 + len(record.rdata)
        if size + grown > _MESSAGE_BYTES:
            yield _response(message, query, batch)
            batch, size = [], 0
        batch.append(record)
        size += grown
    yield _response(message, query, batch)


def _response(message: bytes, query: Query, records: Sequence[Record]) -> bytes:
    return format_response(
        message, query, Rcode.NOERROR, authoritative=True, answers=tuple(records), over_tcp=True
    )


def _difference(zone: Zone, serial: int, changes: Sequence[Changed]) -> Iterator[Record]:
    """What one serial took away, and what it added (RFC 1995 §4)."""
    before = (serial - 1) % _SERIALS or _SERIALS - 1
    yield _at_apex(zone.soa(before))
    yield Record(MARKER + _APEX, *marker(before))
    for change in changes:
        if change.old.text is not None:
            yield _text_record(zone, change.owner, change.old)
    yield _at_apex(zone.soa(serial))
    yield Record(MARKER + _APEX, *marker(serial))
    for change in changes:
        if change.new.text is not None:
            yield _text_record(zone, change.owner, change.new)


def _at_apex(served: Served) -> Record:
    return Record(_APEX, *served)


def _text_record(zone: Zone, owner: str, served: ServedText) -> Record:
    label = format_name(owner.removesuffix("." + zone.apex))[:-1]
    return Record(label + _APEX, TYPE_TXT, served.ttl, format_character_strings(served.text or b""))
