"""The validating resolvers that look from outside: how they are written, and one question put to one of them.

Rule: a SERVFAIL is asked about once more without DNSSEC's checks, so that a forgery and a dead server are
told apart; whatever else went wrong is TEMPORARY with its reason.
References: RFC 4035 §3.2.2 (CD), RFC 8914 §4, RFC 7858 §3.1, RFC 8484 §4.1.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailseal.core.observations import Asked, Observation, Outcome, Question, Stage
from mailseal.resolver.budget import Budget, NoAnswer
from mailseal.resolver.encrypted import Channel
from mailseal.resolver.exchange import Server, ask
from mailseal.resolver.reading import SERVFAIL, is_bogus, observe, unanswered
from mailseal.resolver.wire import Response

_PORTS = {"udp": 53, "tls": 853, "https": 443}
_FORMS = "udp://address:port, tls://address:port#name or https://address/path#name"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A resolver as the operator wrote it."""

    spelling: str
    server: Server
    is_remote: bool = False

    @property
    def asked(self) -> Asked:
        """How it is named in evidence."""
        return Asked(Stage.VANTAGE, self.spelling, self.is_remote)


def parse_vantage(
    spelling: str,
    *,
    gate: asyncio.Semaphore,
    tries_s: tuple[float, ...],
    is_remote: bool,
    context: ssl.SSLContext,
) -> Vantage:
    """The vantage that is written so; ValueError where it is written otherwise.

    The part after # is the name that the certificate has to hold for, where an address is asked.
    """
    parts = urlsplit(spelling)
    host, scheme = parts.hostname or "", parts.scheme
    has_path = bool(parts.path.strip("/")) or bool(parts.query)
    if scheme not in _PORTS or not host or parts.username or has_path is not (scheme == "https"):
        raise ValueError(f"a vantage is written {_FORMS}, not {spelling!r}")
    port = parts.port or _PORTS[scheme]
    if scheme == "udp":
        host = str(ipaddress.ip_address(host))
        return Vantage(spelling, Server(host, port, True, gate, tries_s), is_remote)
    path = parts.path + (f"?{parts.query}" if parts.query else "") if scheme == "https" else None
    channel = Channel(host, port, parts.fragment or host, path, context)
    return Vantage(spelling, Server(host, port, True, gate, tries_s, channel), is_remote)


async def ask_each(
    vantages: Sequence[Vantage], questions: Sequence[Question], budget: Sequence[Budget]
) -> tuple[Observation, ...]:
    """One observation for each vantage and question; each vantage has a budget of its own."""
    asking = [
        ask_vantage(vantage, question, own)
        for vantage, own in zip(vantages, budget, strict=True)
        for question in questions
    ]
    return tuple(await asyncio.gather(*asking))


async def ask_first(vantages: Sequence[Vantage], question: Question, budget: Budget) -> Observation:
    """The first usable observation of any vantage, in their order; there is one at least."""
    seen = await ask_vantage(vantages[0], question, budget)
    for vantage in vantages[1:]:
        if seen.outcome not in (Outcome.TEMPORARY, Outcome.BOGUS):
            break
        seen = await ask_vantage(vantage, question, budget)
    return seen


async def ask_vantage(vantage: Vantage, question: Question, budget: Budget) -> Observation:
    """What one vantage says to one question."""
    started = asyncio.get_running_loop().time()
    asked = vantage.asked
    try:
        response = await ask(vantage.server, question.name, question.type, budget)
        if response.rcode == SERVFAIL and not is_bogus(response):
            response, bogus = await _ask_without_checking(vantage, question, response, budget)
            if bogus:
                detail = "the resolver answers only with DNSSEC checking disabled"
                return Observation(
                    question, asked, Outcome.BOGUS, "SERVFAIL", detail=detail, took_ms=since(started)
                )
    except NoAnswer as nothing:
        return unanswered(question, asked, str(nothing), since(started))
    return observe(question, asked, response, since(started))


async def _ask_without_checking(
    vantage: Vantage, question: Question, failed: Response, budget: Budget
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


def since(started: float) -> int:
    """Milliseconds since a moment of the event loop's clock."""
    return round((asyncio.get_running_loop().time() - started) * 1000)
