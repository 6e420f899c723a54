"""Finding a domain's own servers, asking each, and never being led astray by what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.flags
import dns.message
import pytest

from mailseal.core.observations import AuthorityReport, Outcome, Question, RecordType, Stage, Trouble
from mailseal.resolver.asking import DnsResolver
from tests.unit.resolver.servers import (
    Packets,
    Script,
    ScriptedServer,
    Servers,
    always,
    nothing,
    reply,
    zone_script,
)

DOMAIN = "example.com"
NAME = f"t._domainkey.{DOMAIN}"
ALIAS = f"{NAME}. 300 CNAME k.dkim.example.net."
QUESTIONS = (Question(NAME, RecordType.CNAME), Question(NAME, RecordType.TXT))
LOOPBACK = ("127.0.0.0/8",)
QUICK = (0.1, 0.05, 0.05)

Answers = dict[tuple[str, str], Sequence[str]]


def delegation(zone: str, servers: dict[str, Sequence[str]]) -> Answers:
    """What a vantage knows about a zone: its servers and their addresses."""
    answers: Answers = {(zone, "NS"): [f"{zone}. 60 NS {name}." for name in servers]}
    for name, addresses in servers.items():
        for rtype, mark in (("A", "."), ("AAAA", ":")):
            some = [f"{name}. 60 {rtype} {address}" for address in addresses if mark in address]
            if some:
                answers[name, rtype] = some
    return answers


def report(
    vantage: Script | Answers,
    scripts: dict[str, Script],
    *,
    questions: Sequence[Question] = QUESTIONS,
    lifted: Sequence[str] = LOOPBACK,
    domain: str = DOMAIN,
) -> tuple[AuthorityReport, dict[str, ScriptedServer]]:
    async def run() -> tuple[AuthorityReport, dict[str, ScriptedServer]]:
        servers = Servers()
        script = vantage if callable(vantage) else zone_script(vantage, apex="com", flags=0)
        asked = {"vantage": await servers.start(script, "127.0.0.1")}
        for host, authority in scripts.items():
            asked[host] = await servers.start(authority, host)
        resolver = DnsResolver(
            [asked["vantage"].vantage], allow_networks=lifted, port=servers.port, tries_s=QUICK
        )
        try:
            return await resolver.ask_authorities(domain, questions), asked
        finally:
            servers.close()

    return asyncio.run(run())


GOOD = zone_script({(NAME, "CNAME"): [ALIAS], (NAME, "TXT"): [ALIAS]}, apex=DOMAIN)
EMPTY = zone_script({}, apex=DOMAIN)
ONE = delegation(DOMAIN, {"ns.example.com": ["127.0.0.2"]})
TWO = delegation(DOMAIN, {"ns1.example.com": ["127.0.0.2"], "ns2.example.com": ["127.0.0.3"]})


def test_each_server_of_the_zone_is_asked_each_question_without_recursion() -> None:
    flags: list[int] = []

    def noting(query: dns.message.Message, wire: bytes) -> Packets:
        flags.append(query.flags)
        return GOOD(query, wire)

    told, _ = report(TWO, {"127.0.0.2": noting, "127.0.0.3": EMPTY})
    assert told.zone == DOMAIN
    assert [(o.asked.server, o.question.type.value, o.outcome.value, o.chain) for o in told.observations] == [
        ("ns1.example.com 127.0.0.2", "CNAME", "ANSWER", ("k.dkim.example.net",)),
        ("ns1.example.com 127.0.0.2", "TXT", "ANSWER", ("k.dkim.example.net",)),
        ("ns2.example.com 127.0.0.3", "CNAME", "NXDOMAIN", ()),
        ("ns2.example.com 127.0.0.3", "TXT", "NXDOMAIN", ()),
    ]
    assert {o.asked.stage for o in told.observations} == {Stage.AUTHORITY}
    assert flags == [0, 0]
    assert told.soa is not None
    assert told.soa.serial == 7


def test_finding_the_zone_asks_no_resolver_for_the_name_to_be_published() -> None:
    _, asked = report(ONE, {"127.0.0.2": EMPTY})
    assert not any("_domainkey" in question for question in asked["vantage"].asked)


def test_a_subdomain_is_asked_at_the_zone_above_it() -> None:
    vantage = dict(ONE)
    vantage["sub.deep.example.com", "A"] = []
    inside = zone_script(vantage, apex=DOMAIN, flags=0)
    told, _ = report(inside, {"127.0.0.2": EMPTY}, domain="sub.deep.example.com")
    assert told.zone == DOMAIN
    assert told.observations


def test_a_domain_that_is_an_alias_does_not_lead_to_somebody_elses_zone() -> None:
    def vantage(query: dns.message.Message, wire: bytes) -> Packets:
        if query.question[0].name.to_text().lower() == "www.example.com.":
            soa = "cdn.test. 60 SOA ns.cdn.test. a.cdn.test. 1 1 1 1 60"
            return [reply(query, "www.example.com. 60 CNAME x.cdn.test.", authority=[soa]).to_wire()]
        return zone_script(ONE, apex="com", flags=0)(query, wire)

    told, _ = report(vantage, {"127.0.0.2": EMPTY}, domain="www.example.com")
    assert told.zone == DOMAIN


def test_a_domain_that_is_not_delegated_is_asked_at_the_zone_above() -> None:
    vantage = zone_script(delegation("com", {"a.gtld.test": ["127.0.0.2"]}), apex="com", flags=0)
    told, _ = report(vantage, {"127.0.0.2": zone_script({}, apex="com")})
    assert told.zone == "com"
    assert {o.outcome for o in told.observations} == {Outcome.NXDOMAIN}


def test_a_dead_vantage_gives_no_zone_and_no_observation() -> None:
    told, _ = report(nothing, {})
    assert told.zone is None
    assert told.observations == ()
    assert "could not be found" in told.detail


def test_a_server_that_does_not_answer_is_asked_one_question_only() -> None:
    told, asked = report(TWO, {"127.0.0.2": nothing, "127.0.0.3": GOOD})
    silent = [o for o in told.observations if "127.0.0.2" in o.asked.server]
    assert [o.outcome for o in silent] == [Outcome.TEMPORARY, Outcome.TEMPORARY]
    assert "not asked" in silent[1].detail
    assert len(asked["127.0.0.2"].asked) == 3
    assert Outcome.ANSWER in {o.outcome for o in told.observations}


@pytest.mark.parametrize(
    "script",
    [
        always(ALIAS),
        always(rcode="NXDOMAIN"),
        always(authority=["example.com. 60 NS ns.example.com."]),
        always(authority=["com. 60 NS a.gtld.test."]),
        always(authority=[". 60 NS a.root.test."]),
        always(rcode="REFUSED"),
    ],
    ids=["answers from a cache", "denies from a cache", "to itself", "upward", "to the root", "refuses"],
)
def test_a_lame_server_is_not_evidence(script: Script) -> None:
    told, _ = report(ONE, {"127.0.0.2": script})
    assert {o.outcome for o in told.observations} == {Outcome.TEMPORARY}
    assert all(o.detail for o in told.observations)


CHILD = f"_domainkey.{DOMAIN}"
REFERRAL = always(authority=[f"{CHILD}. 60 NS ns.child.test."])


def test_a_delegated_subdomain_is_asked_at_its_own_servers() -> None:
    vantage = ONE | delegation(CHILD, {"ns.child.test": ["127.0.0.4"]})
    child = zone_script({(NAME, "CNAME"): [ALIAS], (NAME, "TXT"): [ALIAS]}, apex=CHILD)
    told, _ = report(vantage, {"127.0.0.2": REFERRAL, "127.0.0.4": child})
    assert [(o.asked.server, o.outcome) for o in told.observations] == [
        ("ns.child.test 127.0.0.4", Outcome.ANSWER)
    ] * 2


def test_a_delegation_to_nowhere_is_temporary() -> None:
    told, _ = report(ONE, {"127.0.0.2": REFERRAL})
    assert [o.outcome for o in told.observations] == [Outcome.TEMPORARY] * 2
    assert "ns.child.test has no address" in told.observations[0].detail


def test_delegations_without_end_are_cut_off() -> None:
    labels = [f"l{n}" for n in range(8)]
    name = ".".join(reversed(labels)) + "." + DOMAIN
    depth = iter(range(100))

    def deeper(query: dns.message.Message, wire: bytes) -> Packets:
        child = ".".join(reversed(labels[: next(depth) + 1])) + "." + DOMAIN
        yield reply(query, authority=[f"{child}. 60 NS ns.example.com."]).to_wire()

    told, asked = report(ONE, {"127.0.0.2": deeper}, questions=[Question(name, RecordType.TXT)])
    assert [o.outcome for o in told.observations] == [Outcome.TEMPORARY]
    assert len(asked["127.0.0.2"].asked) <= 5


SPECIAL = "10.0.0.1 169.254.169.254 192.168.1.1 0.0.0.0 ::ffff:127.0.0.1 fd00::1 fe80::1"


@pytest.mark.parametrize("address", SPECIAL.split())
def test_a_server_with_a_special_address_is_named_and_not_asked(address: str) -> None:
    told, _ = report(delegation(DOMAIN, {"ns.example.com": [address]}), {})
    assert told.zone == DOMAIN
    assert told.observations == ()
    assert "special address" in told.detail
    assert told.troubles == {Trouble.NOT_PUBLIC}


def test_loopback_is_refused_unless_it_was_lifted() -> None:
    told, asked = report(ONE, {"127.0.0.2": GOOD}, lifted=())
    assert told.observations == ()
    assert asked["127.0.0.2"].asked == []


def test_four_addresses_decide_one_of_each_server_first() -> None:
    many = {f"ns{n}.example.com": [f"127.0.0.{n}", f"127.0.1.{n}"] for n in range(2, 5)}
    scripts = {address: EMPTY for addresses in many.values() for address in addresses}
    told, _ = report(delegation(DOMAIN, many), scripts, questions=QUESTIONS[:1])
    assert [o.asked.server.split()[1] for o in told.observations] == [
        "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.1.2",
    ]  # fmt: skip


def test_a_hostile_delegation_spends_no_more_than_the_budget() -> None:
    # Many servers without addresses, each look-up answered by silence: the fan-out that NXNS attacks use.
    def vantage(query: dns.message.Message, wire: bytes) -> Packets:
        if query.question[0].rdtype.name == "NS":
            return [reply(query, *(f"{DOMAIN}. 60 NS x{n}.victim.test." for n in range(40))).to_wire()]
        return []

    told, asked = report(vantage, {})
    assert told.observations == ()
    assert len(asked["vantage"].asked) <= 64


def test_questions_beyond_the_budget_are_temporary_and_say_so() -> None:
    many = [Question(f"n{n}.example.com", RecordType.TXT) for n in range(100)]
    told, asked = report(ONE, {"127.0.0.2": EMPTY}, questions=many)
    assert len(told.observations) == 100
    spent = [o for o in told.observations if o.outcome is Outcome.TEMPORARY]
    assert spent
    assert all("spent all its queries" in o.detail for o in spent)
    assert sum(len(server.asked) for server in asked.values()) <= 64


def test_addresses_of_servers_are_remembered_and_absent_ones_are_not() -> None:
    async def run() -> None:
        servers = Servers()
        vantage = await servers.start(zone_script(ONE, apex="com", flags=0))
        await servers.start(EMPTY, "127.0.0.2")
        resolver = DnsResolver([vantage.vantage], allow_networks=LOOPBACK, port=servers.port)
        for _ in range(3):
            assert (await resolver.ask_authorities(DOMAIN, QUESTIONS)).observations
        servers.close()
        assert vantage.asked.count("ns.example.com A") == 1
        assert vantage.asked.count("example.com NS") == 3

    asyncio.run(run())


def test_a_resolver_told_not_to_ask_authorities_sends_nothing() -> None:
    resolver = DnsResolver(["udp://127.0.0.1:9"], authorities=False)
    told = asyncio.run(resolver.ask_authorities(DOMAIN, QUESTIONS))
    assert told == AuthorityReport(None, None, (), told.detail)
    assert told.detail
