"""How the customers' servers, and the resolver that asks them, fail: one function an outage.

Rule: a question with recursion is one to the resolver, a question without one to the domain's own server; at
the second address a resolver in another network listens beside the second server.
References: RFC 2308 §2; RFC 4035 §3.2.2; RFC 8020 §2; RFC 8914 §4.
"""

from __future__ import annotations

from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rrset
from dns.rdatatype import RdataType

from mailseal.sandbox.zones import REMEMBERED_SECONDS, CustomerZones, Outage, name_servers

_NO_REACHABLE_AUTHORITY = dns.edns.EDECode.NO_REACHABLE_AUTHORITY
_EXPIRED = dns.edns.EDECode.SIGNATURE_EXPIRED
_TOP_SERVER = "a.root-servers.test."


@dataclass(frozen=True, slots=True)
class Broken:
    """A question that ran into an outage, at `name` of its chain, with the response as far as it came."""

    zones: CustomerZones
    query: dns.message.Message
    response: dns.message.Message
    name: dns.name.Name
    is_second: bool

    @property
    def is_resolver(self) -> bool:
        """Whether the resolver was asked."""
        return bool(self.query.flags & dns.flags.RD)


def respond(broken: Broken, outage: Outage) -> tuple[bool, dns.message.Message | None]:
    """Whether the outage decides, and then the response, None for silence."""
    response, asks_resolver = broken.response, broken.is_resolver
    match outage:
        case Outage.SILENCE:
            return True, None
        case Outage.SERVFAIL:
            return True, fail(response, dns.rcode.SERVFAIL)
        case Outage.REFUSED:
            return True, fail(response, dns.rcode.REFUSED)
        case Outage.LAME | Outage.DEAD if asks_resolver:
            return True, _explained(fail(response, dns.rcode.SERVFAIL), _NO_REACHABLE_AUTHORITY)
        case Outage.LAME:
            return True, _upward(response)
        case Outage.DEAD:
            return True, None
        case Outage.GONE:
            return True, _absent(broken, broken.zones.zone_of(broken.name).parent())
        case Outage.DISAGREE if broken.is_second and not asks_resolver:
            return _without_records(broken)
        case Outage.MOVED if asks_resolver and _is_for_servers(broken):
            response.answer.append(name_servers(broken.name, two=True))
            return True, response
        case Outage.MOVED if asks_resolver or broken.is_second:
            return _without_records(broken)
        case Outage.SPLIT if not asks_resolver:
            return True, fail(response, dns.rcode.REFUSED)
        case Outage.SPLIT if broken.is_second:
            return _without_records(broken)
        case Outage.STALE if asks_resolver:
            return True, _absent(broken, broken.zones.zone_of(broken.name), REMEMBERED_SECONDS)
        case Outage.BOGUS if asks_resolver and not broken.query.flags & dns.flags.CD:
            return True, _explained(fail(response, dns.rcode.SERVFAIL), _EXPIRED)
        case Outage.HOLLOW if asks_resolver or _is_empty(broken):
            return True, _absent(broken, broken.zones.zone_of(broken.name))
    return False, None


def fail(response: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    """The same response, emptied."""
    response.answer, response.authority = [], []
    response.flags &= ~dns.flags.AA
    response.set_rcode(rcode)
    return response


def _explained(response: dns.message.Message, code: dns.edns.EDECode) -> dns.message.Message:
    if response.edns >= 0:
        response.use_edns(0, payload=response.payload, options=[dns.edns.EDEOption(code)])
    return response


def _upward(response: dns.message.Message) -> dns.message.Message:
    response.flags &= ~dns.flags.AA
    servers = dns.rrset.from_text(dns.name.root, 60, dns.rdataclass.IN, RdataType.NS, _TOP_SERVER)
    response.authority.append(servers)
    return response


def _absent(broken: Broken, zone: dns.name.Name, negative_ttl: int | None = None) -> dns.message.Message:
    response = broken.response
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(broken.zones.soa(zone, negative_ttl))
    return response


def _without_records(broken: Broken) -> tuple[bool, dns.message.Message | None]:
    """What a server says that has the zone's top and nothing below it."""
    zone = broken.zones.zone_of(broken.name)
    return (False, None) if broken.name == zone else (True, _absent(broken, zone))


def _is_for_servers(broken: Broken) -> bool:
    """Whether the name servers of the zone are asked for."""
    return (
        broken.name == broken.zones.zone_of(broken.name) and broken.query.question[0].rdtype is RdataType.NS
    )


def _is_empty(broken: Broken) -> bool:
    """Whether the name exists only because of those below it."""
    found = broken.zones.look_up(broken.name, broken.query.question[0].rdtype)
    return found.answer is None and found.referral is None
