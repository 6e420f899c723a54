"""Asking the DNS about a domain: its own authorities directly, and validating resolvers from outside.

Rule: two stages with a budget each, so that whatever happens to the first never holds up the second; a minute
in all.
References: docs/operating.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence

from mailseal.core.observations import Asked, AuthorityReport, Observation, Question, RecordType, Stage
from mailseal.resolver.authorities import Authorities
from mailseal.resolver.budget import NoAnswer, new_budget
from mailseal.resolver.exchange import TRIES_S, Server, ask
from mailseal.resolver.reading import observe, unanswered
from mailseal.resolver.special import parse_networks
from mailseal.resolver.vantages import ask_each, ask_first, parse_vantage, since
from mailseal.resolver.walking import ROOTS, Walker

_QUERIES_A_STAGE = 64
_AUTHORITIES_S, _VANTAGES_S = 25.0, 25.0
"""A question put in the last moment may take 5 s more: a minute in all."""
_SOCKETS_AT_MOST = 256


class DnsResolver:
    """Asks authorities and vantages; safe to share between tasks of one event loop."""

    def __init__(
        self,
        vantages: Sequence[str],
        *,
        remote_vantages: Sequence[str] = (),
        roots: Mapping[str, tuple[str, ...]] | None = None,
        authorities: bool = True,
        allow_networks: Sequence[str] = (),
        port: int = 53,
        tries_s: Sequence[float] = TRIES_S,
        ca_file: str | None = None,
    ) -> None:
        """`vantages` as `udp://192.0.2.53:53`; `allow_networks` and `port` are for sandboxes and tests.

        Raises ValueError where one is written wrongly, OSError where `ca_file` cannot be read.
        """
        self._gate = asyncio.Semaphore(_SOCKETS_AT_MOST)
        self._tries_s = tuple(tries_s)
        self._port = port
        context = ssl.create_default_context(cafile=ca_file)
        self._vantages = tuple(
            parse_vantage(v, gate=self._gate, tries_s=self._tries_s, is_remote=is_remote, context=context)
            for spelt, is_remote in ((vantages, False), (remote_vantages, True))
            for v in spelt
        )
        self._ask_authorities = authorities
        lifted = parse_networks(allow_networks)
        self._roots = roots or {}
        walker = Walker(roots, self._authority_at, lifted) if roots else None
        self._authorities = Authorities(self._vantages, walker, self._authority_at, lifted)

    def _authority_at(self, address: str) -> Server:
        return Server(address, self._port, False, self._gate, self._tries_s)

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """One observation for each vantage and question."""
        budgets = [new_budget(_QUERIES_A_STAGE, _VANTAGES_S) for _ in self._vantages]
        return await ask_each(self._vantages, questions, budgets)

    async def look_up(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """One observation for each question, of the first vantage that has a usable answer."""
        if not self._vantages:
            return ()
        budget = new_budget(_QUERIES_A_STAGE, _VANTAGES_S)
        return tuple(await asyncio.gather(*(ask_first(self._vantages, each, budget) for each in questions)))

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport:
        """What up to four servers of the closest enclosing zone say, each to each question."""
        if not self._ask_authorities:
            return AuthorityReport(None, None, (), "authorities are not asked: switched off by configuration")
        return await self._authorities.ask(domain, questions, new_budget(_QUERIES_A_STAGE, _AUTHORITIES_S))

    async def ask_server(
        self, address: str, port: int, question: Question, *, stream: bool = False
    ) -> Observation:
        """What one server says that the operator named, whatever its address is; over TCP with `stream`."""
        started = asyncio.get_running_loop().time()
        asked = Asked(Stage.AUTHORITY, f"{address} port {port}")
        server = Server(address, port, False, self._gate, self._tries_s)
        try:
            budget = new_budget(8, _AUTHORITIES_S)
            response = await ask(server, question.name, question.type, budget, stream=stream)
        except NoAnswer as nothing:
            return unanswered(question, asked, str(nothing), since(started))
        return observe(question, asked, response, since(started))

    async def ask_roots(self) -> tuple[Observation, ...]:
        """What some root servers say about the root: whether port 53 is open to the outside."""
        addresses = [addresses[0] for addresses in self._roots.values()][:3]
        asking = [self.ask_server(each, self._port, Question("", RecordType.NS)) for each in addresses]
        return tuple(await asyncio.gather(*asking))


def parse_roots(lines: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Root servers as `name address`, or `iana` for the Internet's; ValueError where one is neither.

    >>> parse_roots(["a.root.test 127.0.0.1"])
    {'a.root.test': ('127.0.0.1',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if line == "iana":
            found.update(ROOTS)
            continue
        name, _, address = line.strip().partition(" ")
        parse_networks([address.strip()])
        found[name] = (*found.get(name, ()), address.strip())
    return found
