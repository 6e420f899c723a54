"""Customers' name servers that want to hurt us: each check ends within its budget, and nobody else waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import dns.flags
import dns.message
import pytest

from mailseal.core.observations import AuthorityReport, Outcome, Question, RecordType
from mailseal.resolver.asking import DnsResolver
from tests.unit.resolver.servers import (
    Packets,
    Script,
    ScriptedServer,
    Servers,
    always,
    framed,
    nothing,
    reply,
    zone_script,
)
from tests.unit.resolver.test_walking import COM, ROOT, refers

pytestmark = pytest.mark.suite_dns

ENDS_WITHIN_S, ON_TIME_S = 60.0, 15.0
QUERIES = 64
HONEST = "127.0.0.9"
HONEST_DOMAINS = 40


def name_of(domain: str) -> str:
    return f"t._domainkey.{domain}"


def apex_or(script: Callable[[dns.message.Message, bytes], Packets], domain: str) -> Script:
    """A server that says truly where its zone is, and is hostile below."""
    honest = zone_script({(domain, "NS"): [f"{domain}. 60 NS ns.{domain}."]}, apex=domain)

    def answer(query: dns.message.Message, wire: bytes) -> Packets:
        asked = query.question[0].name.to_text(omit_final_dot=True).lower()
        return (honest if asked == domain else script)(query, wire)

    return answer


def aliases(domain: str, *targets: str) -> Script:
    names = (name_of(domain), *targets)
    chain = [f"{owner}. 60 CNAME {to}." for owner, to in pairwise(names)]
    return always(*chain, flags=dns.flags.AA)


def large(query: dns.message.Message, wire: bytes) -> Packets:
    owner = query.question[0].name.to_text()
    text = " ".join(f'"{"x" * 250}"' for _ in range(250))
    return [framed(reply(query, f"{owner} 60 TXT {text}", flags=dns.flags.AA).to_wire(max_size=65535))]


def right_but_slow(query: dns.message.Message, wire: bytes) -> Packets:
    owner = query.question[0].name.to_text()
    return [framed(reply(query, f'{owner} 60 TXT "p=x"', flags=dns.flags.AA).to_wire())]


def still_truncated(query: dns.message.Message, wire: bytes) -> Packets:
    return [framed(reply(query, flags=dns.flags.AA | dns.flags.TC).to_wire())]


def crowded(query: dns.message.Message, wire: bytes) -> Packets:
    owner = query.question[0].name.to_text()
    records = [f'{owner} 60 TXT "{n}"' for n in range(1200)]
    return [framed(reply(query, *records, flags=dns.flags.AA).to_wire(max_size=65535))]


def junk(query: dns.message.Message, wire: bytes) -> Packets:
    return [wire[:2] + bytes(range(n % 250)) for n in range(200)]


def deeper(domain: str) -> Script:
    """Delegates each name once more, to itself, without end."""
    depth = iter(range(10_000))

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        labels = name_of(domain).split(".")
        child = ".".join(labels[max(0, len(labels) - 3 - next(depth)) :])
        host = f"ns.{domain}"
        return [reply(query, authority=[f"{child}. 60 NS {host}."]).to_wire()]

    return script


TRUNCATED = always(flags=dns.flags.AA | dns.flags.TC)


@dataclass(frozen=True)
class Hostile:
    """One kind of server: what it says, what over TCP, how slowly, and to what it is delegated."""

    script: Callable[[str], Script]
    stream: Script | None = None
    byte_every_s: float = 0.0
    names: Callable[[str, str], dict[str, Sequence[str]]] | None = None


KINDS: dict[str, Hostile] = {
    "aliases in a circle": Hostile(lambda d: aliases(d, f"a.{d}", name_of(d))),
    "aliases without end": Hostile(lambda d: aliases(d, *(f"a{n}.{d}" for n in range(12)))),
    "64 KB of text": Hostile(lambda d: TRUNCATED, stream=large),
    "a byte now and then": Hostile(lambda d: TRUNCATED, stream=right_but_slow, byte_every_s=0.7),
    "truncated for ever": Hostile(lambda d: TRUNCATED, stream=still_truncated),
    "1,200 records": Hostile(lambda d: TRUNCATED, stream=crowded),
    "silence": Hostile(lambda d: nothing),
    "junk": Hostile(lambda d: junk),
    "lame": Hostile(lambda d: always(rcode="REFUSED")),
    "up to the root": Hostile(lambda d: always(authority=[". 60 NS a.root.test."])),
    "ever deeper": Hostile(deeper),
    "a fan-out to victims": Hostile(
        lambda d: nothing, names=lambda d, at: {f"x{n}.victim{n}.com": () for n in range(60)}
    ),
    "private addresses": Hostile(
        lambda d: nothing,
        names=lambda d, at: {f"ns.{d}": ("10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:127.0.0.1")},
    ),
    "sixty servers": Hostile(lambda d: nothing, names=lambda d, at: {f"ns{n}.{d}": (at,) for n in range(60)}),
}


def gtld(delegations: dict[str, dict[str, Sequence[str]]]) -> Script:
    """The server of com: refers to each domain's servers, and knows nothing of the victims."""
    scripts = {domain: refers(domain, names) for domain, names in delegations.items()}
    denial = zone_script({}, apex="com")

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        labels = query.question[0].name.to_text(omit_final_dot=True).lower().split(".")
        return scripts.get(".".join(labels[-2:]), denial)(query, wire)

    return script


def honest(query: dns.message.Message, wire: bytes) -> Packets:
    asked = query.question[0].name.to_text(omit_final_dot=True).lower()
    domain = ".".join(asked.split(".")[-2:])
    answers = {
        (domain, "NS"): [f"{domain}. 60 NS ns.{domain}."],
        (name_of(domain), "CNAME"): [f"{name_of(domain)}. 60 CNAME k.dkim.example.net."],
    }
    return zone_script(answers, apex=domain)(query, wire)


@dataclass
class Timed:
    """One check, and how long it took."""

    report: AuthorityReport
    seconds: float


async def timed(resolver: DnsResolver, domain: str) -> Timed:
    began = asyncio.get_running_loop().time()
    questions = [Question(name_of(domain), kind) for kind in (RecordType.CNAME, RecordType.TXT)]
    report = await resolver.ask_authorities(domain, questions)
    return Timed(report, asyncio.get_running_loop().time() - began)


async def attacked() -> tuple[dict[str, Timed], list[Timed], dict[str, ScriptedServer], float]:
    servers = Servers()
    hostile: dict[str, ScriptedServer] = {}
    delegations: dict[str, dict[str, Sequence[str]]] = {}
    domains: dict[str, str] = {}
    for number, (kind, one) in enumerate(KINDS.items()):
        domain, at = f"h{number}.com", f"127.0.1.{number + 1}"
        domains[kind] = domain
        hostile[kind] = await servers.start(
            apex_or(one.script(domain), domain), at, stream=one.stream, byte_every_s=one.byte_every_s
        )
        delegations[domain] = one.names(domain, at) if one.names else {f"ns.{domain}": (at,)}
    good = [f"g{number}.com" for number in range(HONEST_DOMAINS)]
    delegations |= {domain: {f"ns.{domain}": (HONEST,)} for domain in good}
    await servers.start(refers("com", {"a.gtld.test": (COM,)}), ROOT)
    await servers.start(gtld(delegations), COM)
    await servers.start(honest, HONEST)
    vantage = await servers.start(always(f'{name_of("h6.com")}. 60 TXT "p=x"'), "127.0.0.1")
    resolver = DnsResolver(
        [vantage.vantage],
        roots={"root.test": (ROOT,)},
        allow_networks=["127.0.0.0/8"],
        port=servers.port,
    )
    try:
        bad_ones = [asyncio.create_task(timed(resolver, domain)) for domain in domains.values()]
        await asyncio.sleep(0.5)
        good_ones = await asyncio.gather(*(timed(resolver, domain) for domain in good))
        loop = asyncio.get_running_loop()
        began = loop.time()
        [seen] = await resolver.ask_vantages([Question(name_of("h6.com"), RecordType.TXT)])
        assert seen.outcome is Outcome.ANSWER
        second_stage = loop.time() - began
        done = await asyncio.gather(*bad_ones)
        return dict(zip(domains, done, strict=True)), list(good_ones), hostile, second_stage
    finally:
        servers.close()


def test_each_check_of_a_hostile_domain_ends_within_its_budget_and_others_are_on_time() -> None:
    bad, good, servers, second_stage = asyncio.run(attacked())
    print({kind: f"{one.seconds:.1f} s, {len(servers[kind].asked)} queries" for kind, one in bad.items()})
    for kind, one in bad.items():
        assert one.seconds <= ENDS_WITHIN_S, kind
        assert len(servers[kind].asked) + servers[kind].streamed <= QUERIES, kind
        outcomes = {seen.outcome for seen in one.report.observations}
        assert outcomes <= {Outcome.TEMPORARY}, (kind, one.report)
        assert all(seen.detail for seen in one.report.observations), kind
    assert {seen.outcome for one in good for seen in one.report.observations} <= {
        Outcome.ANSWER,
        Outcome.NODATA,
    }
    assert all(len(one.report.observations) == 2 for one in good)
    # Whoever was led to nobody at all was told why.
    assert all(bad[kind].report.detail for kind in ("a fan-out to victims", "private addresses"))
    assert {"larger than 16 KiB" in o.detail for o in bad["64 KB of text"].report.observations} == {True}
    assert {"in time" in o.detail for o in bad["a byte now and then"].report.observations} == {True}
    assert max(one.seconds for one in good) <= ON_TIME_S
    assert second_stage <= ON_TIME_S
