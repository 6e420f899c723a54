"""What a domain's own name servers say: its zone found, up to four of its servers asked each question.

Rule: every server asked gives one observation a question; nothing that a stranger's zone says makes us spend
more than a check's budget or send to an address that is not public.
References: RFC 1034 §4.2.1 (zone cuts), RFC 2308 §2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mailseal.core.observations import (
    Asked,
    AuthorityReport,
    Observation,
    Outcome,
    Question,
    RecordType,
    Stage,
    Trouble,
)
from mailseal.resolver.budget import Budget, NoAnswer
from mailseal.resolver.exchange import Server, ask
from mailseal.resolver.reading import is_within, observe, referral, unanswered
from mailseal.resolver.special import Network, why_refused
from mailseal.resolver.vantages import Vantage, ask_first, since
from mailseal.resolver.walking import Delegation, Walker, glue_of

FINDING_AT_MOST = 40
"""Of a check's 64 queries so many may go into finding the servers; the others are for the questions."""
_AUTHORITIES_AT_MOST = 4
_NAMES_OF_SERVERS_AT_MOST = 8
_DELEGATIONS_AT_MOST = 3
_LABELS_WALKED_UP_AT_MOST = 8
_REMEMBERED_S = 30.0
_REMEMBERED_AT_MOST = 4096


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
    troubles: frozenset[Trouble] = frozenset()


@dataclass(frozen=True, slots=True)
class _Delegated:
    """An authority's word that others answer this question."""

    question: Question
    to: Delegation


class Authorities:
    """Finds and asks them; zones are found by walking from the root, or through the vantages without one."""

    def __init__(
        self,
        vantages: Sequence[Vantage],
        walker: Walker | None,
        server_at: Callable[[str], Server],
        lifted: Sequence[Network],
    ) -> None:
        self._vantages = vantages
        self._walker = walker
        self._server_at = server_at
        self._lifted = lifted
        self._addresses: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def ask(self, domain: str, questions: Sequence[Question], budget: Budget) -> AuthorityReport:
        """What up to four servers of the closest enclosing zone say, each to each question."""
        if self._walker is None and not self._vantages:
            return AuthorityReport(None, None, (), "authorities are not asked: no resolver finds them")
        finding = Budget(min(FINDING_AT_MOST, budget.queries), budget.deadline)
        given = finding.queries
        try:
            at = await self._find_zone(domain, finding)
            authorities = await self._find_addresses(at, finding)
        except NoAnswer as nothing:
            return AuthorityReport(None, None, (), str(nothing), nothing.troubles)
        budget.queries -= given - finding.queries
        observations = await self._ask_zone(at.zone, authorities, questions, budget, _DELEGATIONS_AT_MOST)
        soa = next((o.soa for o in observations if o.soa and o.zone == at.zone), None)
        return AuthorityReport(at.zone, soa, observations, authorities.detail, authorities.troubles)

    async def _find_zone(self, domain: str, budget: Budget) -> Delegation:
        """The closest enclosing zone and its servers' names; NoAnswer where nobody can tell."""
        if self._walker is not None:
            return await self._walker.find(domain, budget)
        name = domain
        for _ in range(_LABELS_WALKED_UP_AT_MOST):
            seen = await ask_first(self._vantages, Question(name, RecordType.NS), budget)
            if seen.outcome in (Outcome.TEMPORARY, Outcome.BOGUS):
                raise NoAnswer(f"the zone of {name} could not be found: {seen.detail}")
            if seen.names and not seen.chain:
                return Delegation(name, tuple(sorted(seen.names)), {})
            # A negative answer's SOA names the zone; behind an alias it would name somebody else's.
            apex = seen.zone if seen.zone is not None and not seen.chain else None
            if apex is not None and apex != name and is_within(name, apex):
                name = apex
            else:
                name = name.partition(".")[2]
            if not name:
                break
        raise NoAnswer(f"no zone was found for {domain}")

    async def _find_addresses(self, at: Delegation, budget: Budget) -> _Authorities:
        """Up to four addresses, one of each server before the second of any."""
        some = at.names[:_NAMES_OF_SERVERS_AT_MOST]
        lists = await asyncio.gather(*(self._addresses_of(name, at.glue, budget) for name in some))
        found: list[_Authority] = []
        special: list[str] = []
        for turn in range(max((len(addresses) for addresses in lists), default=0)):
            for name, addresses in zip(some, lists, strict=True):
                if turn < len(addresses):
                    self._admit(name, addresses[turn], found, special)
        left_out = special + [
            f"{name} has no address" for name, addresses in zip(some, lists, strict=True) if not addresses
        ]
        troubles = frozenset({Trouble.NOT_PUBLIC} if special else ())
        return _Authorities(tuple(found[:_AUTHORITIES_AT_MOST]), "; ".join(left_out), troubles)

    def _admit(self, name: str, address: str, found: list[_Authority], special: list[str]) -> None:
        refused = why_refused(address, self._lifted)
        if refused is None:
            found.append(_Authority(name, self._server_at(address)))
        else:
            special.append(f"{name} {address} is not asked: a special address ({refused})")

    async def _addresses_of(
        self, name: str, glue: Mapping[str, tuple[str, ...]], budget: Budget
    ) -> tuple[str, ...]:
        """A name server's addresses, IPv4 first; remembered for half a minute: many zones share them."""
        if name in glue:
            return tuple(sorted(glue[name], key=lambda address: ":" in address))
        now = asyncio.get_running_loop().time()
        until, remembered = self._addresses.get(name, (0.0, ()))
        if now < until:
            return remembered
        addresses = await self._looked_up(name, budget)
        if addresses:
            if len(self._addresses) >= _REMEMBERED_AT_MOST:
                del self._addresses[next(iter(self._addresses))]
            self._addresses[name] = now + _REMEMBERED_S, addresses
        return addresses

    async def _looked_up(self, name: str, budget: Budget) -> tuple[str, ...]:
        if self._walker is not None:
            try:
                return await self._walker.addresses(name, budget)
            except NoAnswer:
                return ()
        both = await asyncio.gather(
            *(
                ask_first(self._vantages, Question(name, rtype), budget)
                for rtype in (RecordType.A, RecordType.AAAA)
            )
        )
        return tuple(address for seen in both for address in seen.addresses)

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
        children: dict[tuple[str, tuple[str, ...]], tuple[Delegation, list[Question]]] = {}
        for answer in answers:
            if isinstance(answer, _Delegated):
                place = (answer.to.zone, answer.to.names)
                _, referred = children.setdefault(place, (answer.to, []))
                if answer.question not in referred:
                    referred.append(answer.question)
        for child, referred in children.values():
            if not delegations:
                why = f"more than {_DELEGATIONS_AT_MOST} delegations below the domain"
                observations += [unanswered(q, Asked(Stage.AUTHORITY, child.zone), why) for q in referred]
                continue
            found = await self._find_addresses(child, budget)
            if not found.found:
                why = f"{child.zone} is delegated, and none of its servers can be asked: {found.detail}"
                by = Asked(Stage.AUTHORITY, child.names[0])
                observations += [unanswered(q, by, why, trouble=Trouble.DELEGATED) for q in referred]
            observations += await self._ask_zone(child.zone, found, referred, budget, delegations - 1)
        return tuple(observations)


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
        return unanswered(question, authority.asked, str(nothing), since(started))
    delegated = referral(question, zone, response)
    if delegated is not None:
        child, names = delegated
        return _Delegated(question, Delegation(child, tuple(sorted(names)), glue_of(response, names, zone)))
    return observe(question, authority.asked, response, since(started))
