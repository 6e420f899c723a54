"""The zones of the sandbox's customers: records that a test can set, and faults it can cause.

Rule: plain data; every domain that anybody could register exists as an empty zone without being made first.
References: RFC 1034 §4.3.2, RFC 2308 §2, RFC 4592 §2.2 (wildcards), RFC 8020 §2.
"""

from __future__ import annotations

import functools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType
from publicsuffixlist import PublicSuffixList

from mailseal.core.verification import ExpectedRecord

NAME_SERVER = "ns1.customers-dns.test"
SECOND_SERVER = "ns2.customers-dns.test"
SECOND_ADDRESS = "127.0.0.2"
REMEMBERED_SECONDS = 540
"""How long a resolver says that it will remember an absence, in the outage STALE."""
_ADMIN = "hostmaster.customers-dns.test"
_TTL = 5
_NEGATIVE_TTL = 1
_LOGGED_QUERIES = 2000
_SETTABLE = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "TXT"})


class Outage(StrEnum):
    """What the servers of a domain do instead of answering."""

    SERVFAIL = "servfail"
    SILENCE = "silence"
    REFUSED = "refused"
    LAME = "lame"
    """They answer without authority and point upward; a resolver finds nobody."""
    DEAD = "dead"
    """They are silent, and a resolver says so at once."""
    DISAGREE = "disagree"
    """There are two of them, and the second has not got the records yet."""
    STALE = "stale"
    """They are right, and the resolver remembers that there was nothing."""
    BOGUS = "bogus"
    """They are right, and the resolver does not believe them: DNSSEC does not hold."""
    HOLLOW = "hollow"
    """They have the names and deny the one above these, which the resolver believes."""
    GONE = "gone"
    """There is no such domain."""
    MOVED = "moved"
    """The zone is at the first server and says so; the registry names the second, which is empty."""
    SPLIT = "split"
    """They speak to one network alone: the first resolver sees the records, the second does not."""


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """One record as a person would type it; a TXT's value is its bare text, without quotes."""

    name: str
    type: str
    value: str
    ttl: int


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A question that reached the customers' DNS."""

    at: datetime
    name: str
    type: str
    transport: str
    rcode: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a zone holds for one question: records, an alias, a referral, or the SOA of an absence."""

    zone: dns.name.Name
    exists: bool
    answer: dns.rrset.RRset | None = None
    referral: dns.rrset.RRset | None = None


class CustomerZones:
    """Every zone but our hosted ones. Names are taken in any case, with or without the final dot."""

    def __init__(self, *, negative_ttl: int = _NEGATIVE_TTL) -> None:
        self._negative_ttl = negative_ttl
        self._added: set[dns.name.Name] = set()
        self._sets: dict[dns.name.Name, dict[RdataType, dns.rdataset.Rdataset]] = {}
        self._above: Counter[dns.name.Name] = Counter()
        """How many names with records lie below a name."""
        self._values: dict[tuple[dns.name.Name, RdataType], tuple[str, ...]] = {}
        self._outages: dict[dns.name.Name, Outage] = {}
        self._log: deque[LoggedQuery] = deque(maxlen=_LOGGED_QUERIES)
        self._serial = 1
        self._put(_parse_name(NAME_SERVER), RdataType.A, ("127.0.0.1",), _TTL)
        self._put(_parse_name(SECOND_SERVER), RdataType.A, (SECOND_ADDRESS,), _TTL)

    def set_record(self, name: str, rtype: str, values: Sequence[str], *, ttl: int = _TTL) -> None:
        """Replace all records of one type at a name; ValueError, with a sentence, where that can't be."""
        owner, number = _parse_name(name), _parse_type(rtype)
        if not values:
            raise ValueError(f"no value was given for {rtype.upper()} at {name}")
        others = set(self._sets.get(owner, ())) - {number}
        if others and (number is RdataType.CNAME or RdataType.CNAME in others):
            held = ", ".join(sorted(other.name for other in others))
            raise ValueError(f"{name} holds {held}, and an alias stands alone: delete that first")
        self._put(owner, number, tuple(values), ttl)

    def delete_record(self, name: str, rtype: str | None = None) -> bool:
        """Remove the records at a name, of one type or all; whether there were any."""
        owner = _parse_name(name)
        held = self._sets.get(owner, {})
        gone = list(held) if rtype is None else [n for n in held if n is _parse_type(rtype)]
        for number in gone:
            del held[number]
            del self._values[owner, number]
        if not held and self._sets.pop(owner, None) is not None:
            self._above.subtract(_ancestors(owner))
        self._serial += bool(gone)
        return bool(gone)

    def publish(self, expected: Sequence[ExpectedRecord], *, ttl: int = _TTL) -> None:
        """Do what an obedient owner does: each expected record stands, and nothing else at its name."""
        for owner in {record.owner for record in expected}:
            self.delete_record(owner)
        for record in expected:
            self.set_record(record.owner, record.type, (record.value,), ttl=ttl)

    def records(self, domain: str | None = None) -> tuple[CustomerRecord, ...]:
        """All records that were set, at a domain and below it, in DNSSEC's order of names."""
        within = dns.name.root if domain is None else _parse_name(domain)
        return tuple(
            CustomerRecord(_text(owner), number.name, value, self._sets[owner][number].ttl)
            for (owner, number), values in sorted(self._values.items(), key=lambda item: item[0])
            if owner.is_subdomain(within) and owner not in _SERVERS
            for value in values
        )

    def delete_domain(self, domain: str) -> None:
        """Forget all records, zones and outages at a domain and below it."""
        within = _parse_name(domain)
        for record in self.records(domain):
            self.delete_record(record.name, record.type)
        self._added = {apex for apex in self._added if not apex.is_subdomain(within)}
        self._outages = {apex: o for apex, o in self._outages.items() if not apex.is_subdomain(within)}

    def add_zone(self, apex: str) -> None:
        """Cut a zone of its own out of a domain, as an owner does who delegates a subdomain."""
        self._added.add(_parse_name(apex))

    def set_outage(self, domain: str, outage: Outage | None) -> None:
        """Make the servers of a domain, and of all below it, fail in one way; None ends it."""
        if outage is None:
            self._outages.pop(_parse_name(domain), None)
        else:
            self._outages[_parse_name(domain)] = outage

    def outages(self) -> dict[str, Outage]:
        """The outages that are on, by domain."""
        return {_text(domain): outage for domain, outage in self._outages.items()}

    def outage_at(self, name: dns.name.Name) -> Outage | None:
        """The outage that a question about a name runs into."""
        while True:
            if name in self._outages:
                return self._outages[name]
            if name == dns.name.root:
                return None
            name = name.parent()

    def log(self, query: LoggedQuery) -> None:
        """Remember a query; the oldest is forgotten."""
        self._log.append(query)

    def queries(self, domain: str | None = None) -> tuple[LoggedQuery, ...]:
        """The latest queries about a domain and below it, oldest first."""
        within = dns.name.root if domain is None else _parse_name(domain)
        return tuple(q for q in self._log if _parse_name(q.name).is_subdomain(within))

    def look_up(self, name: dns.name.Name, rtype: RdataType) -> Found:
        """What the zone that holds a name says about it."""
        zone = self.zone_of(name)
        if zone == name and rtype in (RdataType.SOA, RdataType.NS) and not self._holds(name, rtype):
            two = self.outage_at(zone) is Outage.DISAGREE
            return Found(zone, True, self.soa(zone) if rtype is RdataType.SOA else name_servers(zone, two))
        cut = self._cut_above(name, zone)
        if cut is not None:
            return Found(zone, True, referral=self._rrset(cut, cut, RdataType.NS))
        source: dns.name.Name | None = name
        if name not in self._sets:
            if zone == name or self._is_empty_non_terminal(name):
                return Found(zone, True)
            source = self._wildcard_for(name, zone)
        if source is None:
            return Found(zone, False)
        held = self._sets[source]
        number = RdataType.CNAME if RdataType.CNAME in held else rtype
        return Found(zone, True, self._rrset(name, source, number) if number in held else None)

    def zone_of(self, name: dns.name.Name) -> dns.name.Name:
        """The apex of the zone that holds a name: one that was cut out, else what one could register."""
        own = [apex for apex in self._added if name.is_subdomain(apex)]
        if own:
            return max(own, key=len)
        registrable = self._suffixes.privatesuffix(name.to_text(omit_final_dot=True).lower())
        return dns.name.from_text(registrable) if registrable else dns.name.root

    def soa(self, zone: dns.name.Name, negative_ttl: int | None = None) -> dns.rrset.RRset:
        """A zone's SOA, whose minimum is short so that nobody waits for a record."""
        ttl = self._negative_ttl if negative_ttl is None else negative_ttl
        text = f"{NAME_SERVER}. {_ADMIN}. {self._serial} 60 10 3600 {ttl}"
        return dns.rrset.from_text(zone, ttl, dns.rdataclass.IN, RdataType.SOA, text)

    @functools.cached_property
    def _suffixes(self) -> PublicSuffixList:
        # Its list takes 45 ms to read: not before the first question.
        return PublicSuffixList()

    def _put(self, owner: dns.name.Name, number: RdataType, values: tuple[str, ...], ttl: int) -> None:
        rdatas = [_parse_value(number, value) for value in values]
        if owner not in self._sets:
            self._above.update(_ancestors(owner))
        self._sets.setdefault(owner, {})[number] = dns.rdataset.from_rdata_list(ttl, rdatas)
        self._values[owner, number] = values
        self._serial += 1

    def _holds(self, name: dns.name.Name, rtype: RdataType) -> bool:
        return rtype in self._sets.get(name, ())

    def _rrset(self, owner: dns.name.Name, source: dns.name.Name, number: RdataType) -> dns.rrset.RRset:
        held = self._sets[source][number]
        return dns.rrset.from_rdata_list(owner, held.ttl, list(held))

    def _cut_above(self, name: dns.name.Name, zone: dns.name.Name) -> dns.name.Name | None:
        """The highest delegation between a zone's apex and a name."""
        cut = None
        while name != zone:
            if self._holds(name, RdataType.NS):
                cut = name
            name = name.parent()
        return cut

    def _is_empty_non_terminal(self, name: dns.name.Name) -> bool:
        # Public suffixes are above every zone here: they exist, with nothing of their own.
        if name == dns.name.root or self._suffixes.is_public(name.to_text(omit_final_dot=True).lower()):
            return True
        return self._above[name] > 0

    def _wildcard_for(self, name: dns.name.Name, zone: dns.name.Name) -> dns.name.Name | None:
        """The wildcard at the closest encloser, if there is one."""
        while name != zone:
            name = name.parent()
            wildcard = dns.name.Name((b"*", *name.labels))
            if wildcard in self._sets:
                return wildcard
            if name in self._sets or self._is_empty_non_terminal(name):
                return None
        return None


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    return [dns.name.Name(name.labels[cut:]) for cut in range(1, len(name.labels))]


def name_servers(zone: dns.name.Name, two: bool) -> dns.rrset.RRset:
    """A zone's NS records, which name one server or both."""
    names = [f"{NAME_SERVER}."] + [f"{SECOND_SERVER}."] * two
    return dns.rrset.from_text(zone, _TTL, dns.rdataclass.IN, RdataType.NS, *names)


def _parse_name(name: str) -> dns.name.Name:
    try:
        return dns.name.from_text(name.lower())
    except (dns.exception.DNSException, UnicodeError) as broken:
        raise ValueError(f"{name!r} is not a DNS name: {broken}") from broken


def _parse_type(rtype: str) -> RdataType:
    if rtype.upper() not in _SETTABLE:
        raise ValueError(f"{rtype!r} can't be set: only {', '.join(sorted(_SETTABLE))}")
    return RdataType[rtype.upper()]


def _parse_value(number: RdataType, value: str) -> dns.rdata.Rdata:
    if number is RdataType.TXT:
        octets = value.encode()
        cuts = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
        wire = b"".join(bytes((len(cut),)) + cut for cut in cuts)
        return dns.rdata.from_wire(dns.rdataclass.IN, number, wire, 0, len(wire))
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, number, value, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as broken:
        raise ValueError(f"{value!r} is no value for a {number.name} record: {broken}") from broken


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


_SERVERS = frozenset({_parse_name(NAME_SERVER), _parse_name(SECOND_SERVER)})
