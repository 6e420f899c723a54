"""From the root to a domain's servers, and what strangers' referrals can not make us do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import pytest

from mailseal.core.observations import AuthorityReport, Outcome, Question, RecordType
from mailseal.resolver.asking import DnsResolver, parse_roots
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
QUESTIONS = (Question(NAME, RecordType.CNAME),)
LOOPBACK = ("127.0.0.0/8", "::1/128")
QUICK = (0.15, 0.1, 0.1)
ROOT, COM, OWN, OTHER = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"


def refers(zone: str, servers: Mapping[str, Sequence[str]], *, glue: bool = True) -> Script:
    """A server that delegates a zone and all below it, with its servers' addresses or without."""
    names = [f"{zone}. 3600 NS {name}." for name in servers]
    addresses = [
        f"{name}. 3600 {'AAAA' if ':' in address else 'A'} {address}"
        for name, each in servers.items()
        for address in each
    ]
    return always(authority=names, additional=addresses if glue else ())


def either(*scripts: tuple[str, Script], otherwise: Script | None = None) -> Script:
    """The script of the first suffix that the question's name ends with."""

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        for suffix, one in scripts:
            if name == suffix or name.endswith("." + suffix):
                return one(query, wire)
        return (otherwise or always(rcode="REFUSED"))(query, wire)

    return script


def zone_of(apex: str, names: Sequence[str] = (), **more: Sequence[str]) -> Script:
    """An authority of a zone that names its servers, and has some records."""
    answers = {(apex, "NS"): [f"{apex}. 60 NS {name}." for name in names]} if names else {}
    answers |= {tuple(key.rsplit(" ", 1)): lines for key, lines in more.items()}  # type: ignore[misc]
    return zone_script(answers, apex=apex)


OWN_ZONE = zone_of(DOMAIN, ["ns.example.com"], **{f"{NAME} CNAME": [ALIAS]})
GOOD: dict[str, Script] = {
    ROOT: refers("com", {"a.gtld.test": [COM]}),
    COM: refers(DOMAIN, {"ns.example.com": [OWN]}),
    OWN: OWN_ZONE,
}


def walk(
    scripts: Mapping[str, Script],
    *,
    domain: str = DOMAIN,
    times: int = 1,
    lifted: Sequence[str] = LOOPBACK,
) -> tuple[AuthorityReport, dict[str, ScriptedServer]]:
    async def run() -> tuple[AuthorityReport, dict[str, ScriptedServer]]:
        servers = Servers()
        asked = {host: await servers.start(script, host) for host, script in scripts.items()}
        resolver = DnsResolver(
            [],
            roots={"root.test": (ROOT,)},
            allow_networks=lifted,
            port=servers.port,
            tries_s=QUICK,
        )
        try:
            for _ in range(times):
                told = await resolver.ask_authorities(domain, QUESTIONS)
            return told, asked
        finally:
            servers.close()

    return asyncio.run(run())


def queries(asked: Mapping[str, ScriptedServer]) -> int:
    return sum(len(server.asked) for server in asked.values())


def test_the_zone_is_found_from_the_root_without_any_resolver() -> None:
    told, asked = walk(GOOD)
    assert told.zone == DOMAIN
    assert [(o.asked.server, o.chain) for o in told.observations] == [
        (f"ns.example.com {OWN}", ("k.dkim.example.net",))
    ]
    assert asked[ROOT].asked == ["example.com NS"]
    assert asked[COM].asked == ["example.com NS"]


def test_what_the_root_said_is_remembered_and_what_anybody_else_said_is_not() -> None:
    _, asked = walk(GOOD, times=3)
    assert len(asked[ROOT].asked) == 1
    assert len(asked[COM].asked) == 3


def test_servers_that_only_the_child_names_are_asked_too_and_lame_ones_are_told() -> None:
    scripts = GOOD | {
        COM: refers(DOMAIN, {"ns.example.com": [OWN], "old.example.com": [OTHER]}),
        OWN: zone_of(
            DOMAIN,
            ["ns.example.com", "new.example.com"],
            **{f"{NAME} CNAME": [ALIAS], "new.example.com A": [f"new.example.com. 60 A {OWN}"]},
        ),
        OTHER: always(rcode="REFUSED"),
    }
    told, _ = walk(scripts)
    outcomes = {o.asked.server: o.outcome for o in told.observations}
    assert outcomes == {
        f"ns.example.com {OWN}": Outcome.ANSWER,
        f"new.example.com {OWN}": Outcome.ANSWER,
        f"old.example.com {OTHER}": Outcome.TEMPORARY,
    }


def test_a_lame_server_on_the_way_is_passed_by() -> None:
    scripts = GOOD | {
        ROOT: refers("com", {"a.gtld.test": [OTHER], "b.gtld.test": [COM]}),
        OTHER: always(rcode="SERVFAIL"),
    }
    assert walk(scripts)[0].zone == DOMAIN


def test_one_server_may_hold_parent_and_child() -> None:
    answers = {
        ("com", "NS"): ["com. 60 NS ns.example.com."],
        (DOMAIN, "NS"): ["example.com. 60 NS ns.example.com."],
        ("ns.example.com", "A"): [f"ns.example.com. 60 A {OWN}"],
        (NAME, "CNAME"): [ALIAS],
    }
    both = zone_script(answers, apex=DOMAIN)
    told, _ = walk({ROOT: refers("com", {"ns.example.com": [OWN]}), OWN: both}, domain=f"mail.{DOMAIN}")
    assert told.zone == DOMAIN
    assert [o.outcome for o in told.observations] == [Outcome.ANSWER]


def test_a_subdomain_that_is_an_alias_belongs_to_the_zone_above_it() -> None:
    name = f"www.{DOMAIN}"
    own = either((name, always(f"{name}. 60 CNAME cdn.test.", flags=dns.flags.AA)), otherwise=OWN_ZONE)
    told, _ = walk(GOOD | {OWN: own}, domain=name)
    assert told.zone == DOMAIN


def test_a_server_without_glue_is_looked_for_in_its_own_zone() -> None:
    scripts = {
        ROOT: refers("com", {"a.gtld.test": [COM]}),
        COM: either(
            ("provider.com", refers("provider.com", {"ns.provider.com": [OTHER]})),
            (DOMAIN, refers(DOMAIN, {"ns.provider.com": []})),
        ),
        OTHER: either(
            (DOMAIN, zone_of(DOMAIN, ["ns.provider.com"], **{f"{NAME} CNAME": [ALIAS]})),
            otherwise=zone_of(
                "provider.com",
                ["ns.provider.com"],
                **{"ns.provider.com A": [f"ns.provider.com. 60 A {OTHER}"]},
            ),
        ),
    }
    told, _ = walk(scripts)
    assert [(o.asked.server, o.outcome) for o in told.observations] == [
        (f"ns.provider.com {OTHER}", Outcome.ANSWER)
    ]


def test_an_address_from_outside_the_zone_that_was_asked_is_not_believed() -> None:
    # The server of example.com gives an address for a name of somebody else's, as a poisoner would.
    own = either(
        (
            f"sub.{DOMAIN}",
            always(
                authority=[f"sub.{DOMAIN}. 60 NS ns.victim.test."],
                additional=[f"ns.victim.test. 60 A {OTHER}"],
            ),
        ),
        otherwise=OWN_ZONE,
    )
    told, asked = walk(GOOD | {OWN: own, OTHER: OWN_ZONE}, domain=f"sub.{DOMAIN}")
    assert told.observations == ()
    assert asked[OTHER].asked == []


def test_referrals_upward_sideways_and_to_the_same_zone_lead_nowhere() -> None:
    for zone in ("com", "net", "victim.com", DOMAIN):
        told, asked = walk(GOOD | {OWN: refers(zone, {"ns.victim.test": [OTHER]}), OTHER: OWN_ZONE})
        assert told.zone is None
        assert "could not be found" in told.detail
        assert asked[OTHER].asked == []


def test_referrals_without_end_are_cut_off() -> None:
    deep = ".".join(f"l{n}" for n in range(30))
    depth = iter(range(1000))

    def deeper(query: dns.message.Message, wire: bytes) -> Packets:
        labels = deep.split(".")[-(next(depth) + 1) :]
        child = ".".join(labels) + "." + DOMAIN
        extra = [f"ns.{DOMAIN}. 60 A {OWN}"]
        yield reply(query, authority=[f"{child}. 60 NS ns.{DOMAIN}."], additional=extra).to_wire()

    told, asked = walk(GOOD | {OWN: deeper}, domain=f"{deep}.{DOMAIN}")
    assert told.zone is None
    assert queries(asked) <= 64


def test_a_fan_out_to_servers_that_do_not_exist_costs_a_fixed_number_of_queries() -> None:
    victims = {f"x{n}.victim{n}.com": () for n in range(60)}
    scripts = GOOD | {COM: either((DOMAIN, refers(DOMAIN, victims)), otherwise=zone_script({}, apex="com"))}
    told, asked = walk(scripts)
    assert told.observations == ()
    assert queries(asked) <= 20


def test_a_circle_of_servers_that_name_each_other_ends() -> None:
    scripts = GOOD | {
        COM: either(
            (DOMAIN, refers(DOMAIN, {"ns.other.com": ()})),
            ("other.com", refers("other.com", {f"ns.{DOMAIN}": ()})),
        )
    }
    told, asked = walk(scripts)
    assert told.observations == ()
    assert queries(asked) <= 40


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fd00::1"])
def test_a_special_address_on_the_way_is_not_asked(address: str) -> None:
    told, asked = walk(GOOD | {COM: refers(DOMAIN, {"ns.example.com": [address]})})
    assert told.observations == ()
    assert "could not be found" in told.detail or "special address" in told.detail
    assert asked[OWN].asked == []


def test_roots_that_do_not_answer_are_told() -> None:
    told, asked = walk({ROOT: nothing})
    assert told.zone is None
    assert "no answer" in told.detail
    assert len(asked[ROOT].asked) == 3


def test_a_server_over_ipv6_is_asked_too() -> None:
    scripts = {
        ROOT: refers("com", {"a.gtld.test": [COM]}),
        COM: refers(DOMAIN, {"ns.example.com": ["::1", OWN]}),
        OWN: OWN_ZONE,
        "::1": OWN_ZONE,
    }
    told, _ = walk(scripts)
    assert {o.asked.server for o in told.observations} == {f"ns.example.com {OWN}", "ns.example.com ::1"}


def test_the_internets_root_servers_are_thirteen_with_two_addresses_each() -> None:
    roots = parse_roots(["iana"])
    assert len(roots) == 13
    assert {len(addresses) for addresses in roots.values()} == {2}


@pytest.mark.parametrize("line", ["root.test", "root.test nowhere", "IANA"])
def test_a_root_written_otherwise_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"address|network"):
        parse_roots([line])
