"""Asking the DNS about a domain: its own authorities directly, and validating resolvers from outside.

Rule: every question to every server asked gives one observation; nothing that a stranger's zone says makes us
spend more than a check's budget or send to an address that is not public.
References: RFC 1034 §4.2.1 (zone cuts), RFC 2308 §2, RFC 4035 §3.2.2 (CD), RFC 8914 §4.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailseal.core.observations import (
    Asked,
    AuthorityReport,
    Observation,
    Outcome,
    Question,
    RecordType,
    Stage,
)
from mailseal.resolver.exchange import TRIES_S, Budget, NoAnswer, Server, ask
from mailseal.resolver.reading import (
    SERVFAIL,
    is_bogus,
    is_within,
    observe,
    referral,
    unanswered,
)
from mailseal.resolver.special import parse_networks, why_refused
from mailseal.resolver.wire import Response

_QUERIES_A_CHECK = 64
_SECONDS_A_CHECK = 55.0
"""A question put in the last moment may take 5 s more: a minute in all."""
_AUTHORITIES_AT_MOST = 4
_NAMES_OF_SERVERS_AT_MOST = 8
_DELEGATIONS_AT_MOST = 3
_LABELS_WALKED_UP_AT_MOST = 8
_SOCKETS_AT_MOST = 256
_REMEMBERED_S = 30.0
_REMEMBERED_AT_MOST = 4096


@dataclass(frozen=True, slots=True)
class _Vantage:
    spelling: str
    server: Server


@dataclass(frozen=True, slots=True)
class _Authority:
    name: str
    server: Server

    @property
    def asked(self) -> Asked:
        return Asked(Stage.AUTHORITY, f"{self.name} {self.server.host}")


@dataclass(frozen=True, slots=True)
class _Authorities:
    """Who answers for a zone, and why some that are named can't be asked."""

    found: tuple[_Authority, ...]
    detail: str = ""


class DnsResolver:
    """Asks authorities and vantages; safe to share between tasks of one event loop."""

    def __init__(
        self,
        vantages: Sequence[str],
        *,
        authorities: bool = True,
        allow_networks: Sequence[str] = (),
        port: int = 53,
        tries_s: Sequence[float] = TRIES_S,
    ) -> None:
        """`vantages` as `udp://192.0.2.53:53`; `allow_networks` and `port` are for sandboxes and tests."""
        self._gate = asyncio.Semaphore(_SOCKETS_AT_MOST)
        self._tries_s = tuple(tries_s)
        self._vantages = tuple(
            _Vantage(v, self._server(*_parse_vantage(v), recursion=True)) for v in vantages
        )
        self._ask_authorities = authorities
        self._lifted = parse_networks(allow_networks)
        self._port = port
        self._addresses: dict[str, tuple[float, tuple[str, ...]]] = {}

    def _server(self, host: str, port: int, *, recursion: bool) -> Server:
        return Server(host, port, recursion, self._gate, self._tries_s)

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """One observation for each vantage and question."""
        asking = []
        for vantage in self._vantages:
            budget = _new_budget()
            asking += [_ask_vantage(vantage, question, budget) for question in questions]
        return tuple(await asyncio.gather(*asking))

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport:
        """What up to four servers of the closest enclosing zone say, each to each question."""
        if not self._ask_authorities:
            return AuthorityReport(None, None, (), "authorities are not asked: switched off by configuration")
        if not self._vantages:
            return AuthorityReport(None, None, (), "authorities are not asked: no resolver finds them")
        budget = _new_budget()
        try:
            zone, names = await self._find_zone(domain, budget)
        except NoAnswer as nothing:
            return AuthorityReport(None, None, (), str(nothing))
        authorities = await self._find_addresses(names, budget)
        observations = await self._ask_zone(zone, authorities, questions, budget, _DELEGATIONS_AT_MOST)
        soa = next((o.soa for o in observations if o.soa and o.zone == zone), None)
        return AuthorityReport(zone, soa, observations, authorities.detail)

    async def _find_zone(self, domain: str, budget: Budget) -> tuple[str, tuple[str, ...]]:
        """The closest enclosing zone and its servers' names; NoAnswer where no vantage can tell."""
        name = domain
        for _ in range(_LABELS_WALKED_UP_AT_MOST):
            seen = await self._look_up(Question(name, RecordType.NS), budget)
            if seen.outcome in (Outcome.TEMPORARY, Outcome.BOGUS):
                raise NoAnswer(f"the zone of {name} could not be found: {seen.detail}")
            if seen.names and not seen.chain:
                return name, seen.names
            # A negative answer's SOA names the zone; behind an alias it would name somebody else's.
            apex = seen.zone if seen.zone is not None and not seen.chain else None
            if apex is not None and apex != name and is_within(name, apex):
                name = apex
            else:
                name = name.partition(".")[2]
            if not name:
                break
        raise NoAnswer(f"no zone was found for {domain}")

    async def _look_up(self, question: Question, budget: Budget) -> Observation:
        """The first usable observation of any vantage, in their order."""
        seen = None
        for vantage in self._vantages:
            seen = await _ask_vantage(vantage, question, budget)
            if seen.outcome not in (Outcome.TEMPORARY, Outcome.BOGUS):
                break
        assert seen is not None
        return seen

    async def _find_addresses(self, names: Sequence[str], budget: Budget) -> _Authorities:
        """Up to four addresses, one of each server before the second of any."""
        some = sorted(names)[:_NAMES_OF_SERVERS_AT_MOST]
        lists = await asyncio.gather(*(self._addresses_of(name, budget) for name in some))
        found: list[_Authority] = []
        left_out: list[str] = []
        for turn in range(max((len(addresses) for addresses in lists), default=0)):
            for name, addresses in zip(some, lists, strict=True):
                if turn < len(addresses):
                    self._admit(name, addresses[turn], found, left_out)
        left_out += [
            f"{name} has no address" for name, addresses in zip(some, lists, strict=True) if not addresses
        ]
        return _Authorities(tuple(found[:_AUTHORITIES_AT_MOST]), "; ".join(left_out))

    def _admit(self, name: str, address: str, found: list[_Authority], left_out: list[str]) -> None:
        refused = why_refused(address, self._lifted)
        if refused is None:
            found.append(_Authority(name, self._server(address, self._port, recursion=False)))
        else:
            left_out.append(f"{name} {address} is not asked: a special address ({refused})")

    async def _addresses_of(self, name: str, budget: Budget) -> tuple[str, ...]:
        """A name server's addresses, IPv4 first; remembered for half a minute: many zones share them."""
        now = asyncio.get_running_loop().time()
        until, remembered = self._addresses.get(name, (0.0, ()))
        if now < until:
            return remembered
        both = await asyncio.gather(
            *(self._look_up(Question(name, rtype), budget) for rtype in (RecordType.A, RecordType.AAAA))
        )
        addresses = tuple(address for seen in both for address in seen.addresses)
        if addresses:
            if len(self._addresses) >= _REMEMBERED_AT_MOST:
                del self._addresses[next(iter(self._addresses))]
            self._addresses[name] = now + _REMEMBERED_S, addresses
        return addresses

    async def _ask_zone(
        self,
        zone: str,
        authorities: _Authorities,
        questions: Sequence[Question],
        budget: Budget,
        delegations: int,
    ) -> tuple[Observation, ...]:
        """One observation for each authority and question; where they delegate, of the child's servers."""
        asked = await asyncio.gather(
            *(_ask_authority(authority, zone, questions, budget) for authority in authorities.found)
        )
        answers = [answer for each in asked for answer in each]
        observations = [answer for answer in answers if isinstance(answer, Observation)]
        children: dict[tuple[str, tuple[str, ...]], list[Question]] = {}
        for answer in answers:
            if isinstance(answer, _Delegated):
                referred = children.setdefault((answer.child, answer.names), [])
                if answer.question not in referred:
                    referred.append(answer.question)
        for (child, names), referred in children.items():
            if not delegations:
                why = f"more than {_DELEGATIONS_AT_MOST} delegations below the domain"
                observations += [unanswered(q, Asked(Stage.AUTHORITY, child), why) for q in referred]
                continue
            found = await self._find_addresses(names, budget)
            if not found.found:
                why = f"{child} is delegated, and none of its servers can be asked: {found.detail}"
                observations += [unanswered(q, Asked(Stage.AUTHORITY, names[0]), why) for q in referred]
            observations += await self._ask_zone(child, found, referred, budget, delegations - 1)
        return tuple(observations)


@dataclass(frozen=True, slots=True)
class _Delegated:
    """An authority's word that others answer this question."""

    question: Question
    child: str
    names: tuple[str, ...]


async def _ask_authority(
    authority: _Authority, zone: str, questions: Sequence[Question], budget: Budget
) -> list[Observation | _Delegated]:
    """The answers of one server; if it does not answer the first question, the others are not put to it."""
    first = await _ask_one(authority, zone, questions[0], budget)
    if isinstance(first, Observation) and not first.rcode:
        silent = [unanswered(q, authority.asked, f"not asked: {first.detail}") for q in questions[1:]]
        return [first, *silent]
    rest = await asyncio.gather(*(_ask_one(authority, zone, q, budget) for q in questions[1:]))
    return [first, *rest]


async def _ask_one(
    authority: _Authority, zone: str, question: Question, budget: Budget
) -> Observation | _Delegated:
    started = asyncio.get_running_loop().time()
    try:
        response = await ask(authority.server, question.name, question.type, budget)
    except NoAnswer as nothing:
        return unanswered(question, authority.asked, str(nothing), _since(started))
    delegated = referral(question, zone, response)
    if delegated is not None:
        return _Delegated(question, *delegated)
    return observe(question, authority.asked, response, _since(started))


async def _ask_vantage(vantage: _Vantage, question: Question, budget: Budget) -> Observation:
    started = asyncio.get_running_loop().time()
    asked = Asked(Stage.VANTAGE, vantage.spelling)
    try:
        response = await ask(vantage.server, question.name, question.type, budget)
        if response.rcode == SERVFAIL and not is_bogus(response):
            response, bogus = await _ask_without_checking(vantage, question, response, budget)
            if bogus:
                detail = "the resolver answers only with DNSSEC checking disabled"
                return Observation(
                    question, asked, Outcome.BOGUS, "SERVFAIL", detail=detail, took_ms=_since(started)
                )
    except NoAnswer as nothing:
        return unanswered(question, asked, str(nothing), _since(started))
    return observe(question, asked, response, _since(started))


async def _ask_without_checking(
    vantage: _Vantage, question: Question, failed: Response, budget: Budget
) -> tuple[Response, bool]:
    """The response to go by, and whether DNSSEC is what stands in its way.

    Asked once more with checking in between: a resolver that merely recovered must not look like one that
    found a forgery.
    """
    unchecked = await ask(vantage.server, question.name, question.type, budget, checking_disabled=True)
    if unchecked.rcode == SERVFAIL:
        return failed, False
    again = await ask(vantage.server, question.name, question.type, budget)
    return again, again.rcode == SERVFAIL


def _new_budget() -> Budget:
    return Budget(_QUERIES_A_CHECK, asyncio.get_running_loop().time() + _SECONDS_A_CHECK)


def _since(started: float) -> int:
    return round((asyncio.get_running_loop().time() - started) * 1000)


def _parse_vantage(spelling: str) -> tuple[str, int]:
    """Address and port of `udp://address:port`; ValueError where it is written otherwise."""
    parts = urlsplit(spelling)
    if parts.scheme != "udp" or not parts.hostname or parts.path or parts.query:
        raise ValueError(f"a vantage is written udp://address:port, not {spelling!r}")
    return str(ipaddress.ip_address(parts.hostname)), parts.port or 53
