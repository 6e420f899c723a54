"""From the root to the servers of a domain's own zone, one referral after the other.

Rule: a server is believed about what lies below its own zone and about nothing else; every referral leads
further down; what strangers delegate to costs them a fixed number of our queries.
References: RFC 1034 §4.3.2 and §5.3.3, RFC 2181 §5.4.1 (whom to believe), RFC 9471 §2 (glue).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailseal.core.observations import Question, RecordType, SoaRecord, Trouble
from mailseal.resolver.budget import Budget, NoAnswer
from mailseal.resolver.exchange import Server, ask
from mailseal.resolver.reading import NOERROR, NXDOMAIN, format_rcode, is_within, referral
from mailseal.resolver.special import Network, why_refused
from mailseal.resolver.wire import Record, Response

_STEPS_AT_MOST = 8
_SERVERS_TRIED = 3
_UNGLUED_TRIED = 2
_DEPTH_AT_MOST = 3
"""Names of servers that are themselves looked for, and theirs: no further."""
_REMEMBERED_S = 3600.0
_REMEMBERED_AT_MOST = 2048

ROOTS: Mapping[str, tuple[str, ...]] = {
    "a.root-servers.net": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b.root-servers.net": ("170.247.170.2", "2801:1b8:10::b"),
    "c.root-servers.net": ("192.33.4.12", "2001:500:2::c"),
    "d.root-servers.net": ("199.7.91.13", "2001:500:2d::d"),
    "e.root-servers.net": ("192.203.230.10", "2001:500:a8::e"),
    "f.root-servers.net": ("192.5.5.241", "2001:500:2f::f"),
    "g.root-servers.net": ("192.112.36.4", "2001:500:12::d0d"),
    "h.root-servers.net": ("198.97.190.53", "2001:500:1::53"),
    "i.root-servers.net": ("192.36.148.17", "2001:7fe::53"),
    "j.root-servers.net": ("192.58.128.30", "2001:503:c27::2:30"),
    "k.root-servers.net": ("193.0.14.129", "2001:7fd::1"),
    "l.root-servers.net": ("199.7.83.42", "2001:500:9f::42"),
    "m.root-servers.net": ("202.12.27.33", "2001:dc3::35"),
}
"""The root servers as of 2025, from IANA's root hints."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A zone, the names of its servers, and those of their addresses that came with the referral."""

    zone: str
    names: tuple[str, ...]
    glue: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a server's answer makes of a walk: where it leads, and for which name to go on asking."""

    delegation: Delegation
    name: str
    is_final: bool


class Walker:
    """Walks from the root; remembers the delegations that the root gives, for an hour at most."""

    def __init__(
        self,
        roots: Mapping[str, tuple[str, ...]],
        server_at: Callable[[str], Server],
        lifted: Sequence[Network],
    ) -> None:
        """`server_at` makes the server of an address; `lifted` as for `why_refused`."""
        self._root = Delegation("", tuple(roots), roots)
        self._server_at = server_at
        self._lifted = lifted
        self._known: dict[str, tuple[float, Delegation]] = {}
        self._chance = random.SystemRandom()

    async def find(self, domain: str, budget: Budget, depth: int = 0) -> Delegation:
        """The closest enclosing zone and its servers, as parent and child name them; raises NoAnswer."""
        at, name = self._closest_known(domain), domain
        for _ in range(_STEPS_AT_MOST):
            told = await self._step(name, at, budget, depth)
            if told.is_final:
                return told.delegation
            if told.delegation.zone != at.zone and not at.zone:
                self._remember(told.delegation)
            at, name = told.delegation, told.name
        raise NoAnswer(f"the zone of {domain} lies behind more than {_STEPS_AT_MOST} delegations")

    async def addresses(self, name: str, budget: Budget, depth: int = 0) -> tuple[str, ...]:
        """The addresses of a name server, IPv4 first, as its own zone tells; empty where it has none."""
        if depth >= _DEPTH_AT_MOST:
            return ()
        at = await self.find(name, budget, depth)
        both = await asyncio.gather(
            *(self._records(name, rtype, at, budget, depth) for rtype in (RecordType.A, RecordType.AAAA))
        )
        return tuple(address for found in both for address in found)

    async def _records(
        self, name: str, rtype: RecordType, at: Delegation, budget: Budget, depth: int
    ) -> tuple[str, ...]:
        async for _, response in self._responses(name, rtype, at, budget, depth):
            if response.authoritative and response.rcode in (NOERROR, NXDOMAIN):
                mine = (r for r in response.answers if r.owner == name and r.type is rtype)
                return tuple(r.data for r in mine if isinstance(r.data, str))
        return ()

    async def _step(self, name: str, at: Delegation, budget: Budget, depth: int) -> _Answered:
        reason, trouble = _unreachable(at, self._lifted)
        async for server, response in self._responses(name, RecordType.NS, at, budget, depth):
            told = _read(name, at, response)
            if told is not None:
                return told
            reason = f"{server} is lame for {at.zone or 'the root'}: {format_rcode(response.rcode)}"
            trouble = Trouble.LAME
        raise NoAnswer(f"the zone of {name} could not be found: {reason}", [trouble] if trouble else ())

    async def _responses(
        self, name: str, rtype: RecordType, at: Delegation, budget: Budget, depth: int
    ) -> AsyncIterator[tuple[str, Response]]:
        """The responses of up to three servers, while the caller wants more; NoAnswer after silence."""
        silence: NoAnswer | None = None
        tried = 0
        async for address in self._servers(at, budget, depth):
            if tried == _SERVERS_TRIED:
                break
            tried += 1
            try:
                yield address, await ask(self._server_at(address), name, rtype, budget)
                silence = None
            except NoAnswer as nothing:
                silence = nothing
        if silence is not None:
            raise NoAnswer(f"the zone of {name} could not be found: {silence}")

    async def _servers(self, at: Delegation, budget: Budget, depth: int) -> AsyncIterator[str]:
        """Addresses of a zone's servers in a random order: those that came along first, then two names'."""
        glued = [address for addresses in at.glue.values() for address in addresses]
        self._chance.shuffle(glued)
        # IPv6 may not be there at all: it is tried when IPv4 was.
        for address in sorted(glued, key=lambda each: ":" in each):
            if why_refused(address, self._lifted) is None:
                yield address
        unglued = [name for name in at.names if name not in at.glue][:_UNGLUED_TRIED]
        for name in unglued:
            for address in await self.addresses(name, budget, depth + 1):
                if why_refused(address, self._lifted) is None:
                    yield address

    def _closest_known(self, domain: str) -> Delegation:
        top = domain.rpartition(".")[2]
        until, known = self._known.get(top, (0.0, self._root))
        return known if asyncio.get_running_loop().time() < until else self._root

    def _remember(self, delegation: Delegation) -> None:
        if "." in delegation.zone:
            return
        if len(self._known) >= _REMEMBERED_AT_MOST:
            del self._known[next(iter(self._known))]
        self._known[delegation.zone] = asyncio.get_running_loop().time() + _REMEMBERED_S, delegation


def _unreachable(at: Delegation, lifted: Sequence[Network]) -> tuple[str, Trouble | None]:
    """Why none of a zone's servers can be asked: without an address, or with none but special ones."""
    glued = [(name, address) for name, addresses in at.glue.items() for address in addresses]
    why = [(name, address, why_refused(address, lifted)) for name, address in glued]
    special = [f"{n} {a} is not asked: a special address ({refused})" for n, a, refused in why if refused]
    if special:
        return "; ".join(special), Trouble.NOT_PUBLIC
    return f"no server of {at.zone or 'the root'} has an address that can be asked", None


def _read(name: str, at: Delegation, response: Response) -> _Answered | None:
    """Where a server's answer leads; None where the server is lame."""
    delegated = referral(Question(name, RecordType.NS), at.zone, response)
    if delegated is not None:
        child, names = delegated
        return _Answered(Delegation(child, names, glue_of(response, names, at.zone)), name, is_final=False)
    if not response.authoritative or response.rcode not in (NOERROR, NXDOMAIN):
        return None
    own = [r for r in response.answers if r.owner == name and r.type is RecordType.NS]
    if own:
        names = _merged(at.names if at.zone == name else (), (r.data for r in own))
        glue = {**glue_of(response, names, at.zone), **{k: v for k, v in at.glue.items() if k in names}}
        return _Answered(Delegation(name, names, glue), name, is_final=True)
    soa = next((r for r in response.authorities if isinstance(r.data, SoaRecord)), None)
    if response.answers or soa is None:
        # The domain itself is an alias: its zone is that of the name above.
        above = name.partition(".")[2]
        return _Answered(at, above, is_final=name == at.zone or not above) if response.answers else None
    if not is_within(name, soa.owner) or not is_within(soa.owner, at.zone):
        return None
    # A server may hold both the zone that led to it and one below: then its own names are asked for.
    return _Answered(at, soa.owner, is_final=soa.owner == at.zone)


def _merged(parents: Iterable[str], childs: Iterable[object]) -> tuple[str, ...]:
    """The servers that the parent names, which resolvers ask first, then those that only the child names."""
    return tuple(dict.fromkeys((*parents, *(name for name in childs if isinstance(name, str)))))


def glue_of(response: Response, names: Sequence[str], zone: str) -> dict[str, tuple[str, ...]]:
    """The addresses beside a referral that a server of `zone` may speak for: of those names, in its zone."""
    glue: dict[str, tuple[str, ...]] = {}
    for record in response.additionals:
        if record.owner in names and is_within(record.owner, zone):
            glue[record.owner] = (*glue.get(record.owner, ()), _address(record))
    return glue


def _address(record: Record) -> str:
    assert isinstance(record.data, str)
    return record.data
