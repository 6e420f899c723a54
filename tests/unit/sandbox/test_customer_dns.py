"""The customers' zones of the sandbox, as data and over the wire, judged by dnspython."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from mailseal.nameserver.listen import start_name_server
from mailseal.sandbox.customer_dns import RunningCustomerDns, start_customer_dns
from mailseal.sandbox.zones import CustomerZones, Outage
from tests.unit.nameserver.zones import APEX, LONG_KEY, WrittenSource, written_zone

Story = Callable[["Customers"], Coroutine[Any, Any, None]]


@dataclass
class Customers:
    """A running customers' DNS with our own name server behind it."""

    running: RunningCustomerDns
    ours: WrittenSource

    @property
    def zones(self) -> CustomerZones:
        return self.running.zones

    async def ask(
        self, name: str, rtype: str = "TXT", *, recursion: bool = True, tcp: bool = False, timeout: float = 5
    ) -> dns.message.Message:
        query = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
        if not recursion:
            query.flags &= ~dns.flags.RD
        host, port = self.running.address
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, host, port=port, timeout=timeout)


def tell(story: Story) -> None:
    async def run() -> None:
        zone, source = written_zone()
        ours = await start_name_server([("127.0.0.1", 0)], [zone], source)
        running = await start_customer_dns(CustomerZones(), ("127.0.0.1", 0), {APEX: ours.addresses[0]})
        try:
            await story(Customers(running, source))
        finally:
            await running.close()
            await ours.close()

    asyncio.run(run())


def shown(response: dns.message.Message) -> list[str]:
    return [rrset.to_text() for rrset in response.answer]


def absent_in(response: dns.message.Message) -> str:
    """The zone whose SOA came with a negative answer."""
    [soa] = response.authority
    assert not response.answer
    return soa.name.to_text()


def test_a_resolver_sees_the_alias_and_our_key_behind_it() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("T._domainkey.example.com", "CNAME", [f"tokenwithkey.{APEX}."])
        for tcp in (False, True):
            response = await dns_.ask("t._domainkey.example.com", tcp=tcp)
            assert response.flags & dns.flags.RA
            alias, text = response.answer
            assert alias[0].target.to_text() == f"tokenwithkey.{APEX}."
            assert b"".join(text[0].strings) == LONG_KEY

    tell(story)


def test_an_authority_shows_the_alias_and_nothing_of_our_zone() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("t._domainkey.example.com", "CNAME", [f"tokenwithkey.{APEX}"])
        response = await dns_.ask("t._domainkey.example.com", recursion=False)
        assert shown(response) == [f"t._domainkey.example.com. 5 IN CNAME tokenwithkey.{APEX}."]
        assert response.flags & dns.flags.AA
        assert dns_.ours.looked_up == []

    tell(story)


def test_an_alias_to_a_missing_target_is_nxdomain_together_with_the_alias() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("t._domainkey.example.com", "CNAME", [f"gone.{APEX}"])
        response = await dns_.ask("t._domainkey.example.com")
        assert response.rcode() == dns.rcode.NXDOMAIN
        assert len(response.answer) == 1
        assert response.authority[0].name.to_text() == f"{APEX}."

    tell(story)


def test_absent_names_and_absent_types_are_told_apart_in_every_zone() -> None:
    async def story(dns_: Customers) -> None:
        zones = dns_.zones
        zones.set_record("a._domainkey.example.co.uk", "TXT", ["p=x"])
        expected = {
            ("nothing.example.co.uk", "TXT"): ("NXDOMAIN", "example.co.uk."),
            ("_domainkey.example.co.uk", "TXT"): ("NOERROR", "example.co.uk."),
            ("a._domainkey.example.co.uk", "MX"): ("NOERROR", "example.co.uk."),
            ("example.co.uk", "TXT"): ("NOERROR", "example.co.uk."),
            ("nobody-set-this.example", "A"): ("NOERROR", "nobody-set-this.example."),
            ("x.nobody-set-this.example", "A"): ("NXDOMAIN", "nobody-set-this.example."),
            ("co.uk", "NS"): ("NOERROR", "."),
        }
        for (name, rtype), (rcode, zone) in expected.items():
            response = await dns_.ask(name, rtype)
            assert dns.rcode.to_text(response.rcode()) == rcode, name
            assert absent_in(response) == zone, name
        zones.delete_record("a._domainkey.example.co.uk")
        assert (await dns_.ask("_domainkey.example.co.uk")).rcode() == dns.rcode.NXDOMAIN

    tell(story)


def test_every_zone_names_a_server_that_is_this_one() -> None:
    async def story(dns_: Customers) -> None:
        [servers] = (await dns_.ask("whatever.example", "NS")).answer
        [addresses] = (await dns_.ask(servers[0].target.to_text(), "A")).answer
        assert addresses[0].address == "127.0.0.1"
        [soa] = (await dns_.ask("whatever.example", "SOA")).answer
        assert soa[0].minimum <= 5

    tell(story)


def test_a_delegated_subdomain_is_a_referral_until_it_is_played_too() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("_domainkey.example.com", "NS", ["ns.elsewhere.example."])
        referral = await dns_.ask("t._domainkey.example.com", recursion=False)
        assert not referral.answer
        assert not referral.flags & dns.flags.AA
        assert referral.authority[0].name.to_text() == "_domainkey.example.com."
        assert (await dns_.ask("t._domainkey.example.com")).rcode() == dns.rcode.SERVFAIL
        dns_.zones.add_zone("_domainkey.example.com")
        dns_.zones.set_record("t._domainkey.example.com", "TXT", ["p=y"])
        assert shown(await dns_.ask("t._domainkey.example.com")) == [
            't._domainkey.example.com. 5 IN TXT "p=y"'
        ]

    tell(story)


def test_a_wildcard_answers_for_absent_names_only() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("*.example.com", "CNAME", ["proxy.example.com"])
        dns_.zones.set_record("proxy.example.com", "A", ["192.0.2.9"])
        dns_.zones.set_record("a._domainkey.example.com", "TXT", ["p=z"])
        assert len((await dns_.ask("anything.example.com", "A")).answer) == 2
        assert (await dns_.ask("b._domainkey.example.com")).rcode() == dns.rcode.NXDOMAIN
        dns_.zones.delete_record("a._domainkey.example.com")
        alias, *_ = (await dns_.ask("b._domainkey.example.com")).answer
        assert alias.name.to_text() == "b._domainkey.example.com."

    tell(story)


def test_a_circle_of_aliases_ends_in_servfail() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("a.example.com", "CNAME", ["b.example.com"])
        dns_.zones.set_record("b.example.com", "CNAME", ["a.example.com"])
        assert (await dns_.ask("a.example.com")).rcode() == dns.rcode.SERVFAIL

    tell(story)


@pytest.mark.parametrize(
    ("outage", "rcode"), [(Outage.SERVFAIL, dns.rcode.SERVFAIL), (Outage.REFUSED, dns.rcode.REFUSED)]
)
def test_an_outage_covers_the_domain_and_ends_when_told(outage: Outage, rcode: dns.rcode.Rcode) -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("t._domainkey.example.com", "TXT", ["p=x"])
        dns_.zones.set_outage("example.com", outage)
        assert dns_.zones.outages() == {"example.com": outage}
        response = await dns_.ask("t._domainkey.example.com")
        assert response.rcode() == rcode
        assert not response.answer
        assert (await dns_.ask("example.net")).rcode() == dns.rcode.NOERROR
        dns_.zones.set_outage("example.com", None)
        assert (await dns_.ask("t._domainkey.example.com")).answer

    tell(story)


def test_silence_is_silence() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_outage("example.com", Outage.SILENCE)
        with pytest.raises(dns.exception.Timeout):
            await dns_.ask("t._domainkey.example.com", timeout=0.2)
        [logged] = dns_.zones.queries("example.com")
        assert (logged.name, logged.type, logged.rcode) == ("t._domainkey.example.com", "TXT", "SILENCE")

    tell(story)


def test_our_zone_being_away_is_a_server_failure_and_not_an_absent_record() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("t._domainkey.example.com", "CNAME", [f"tokenwithkey.{APEX}"])
        dns_.ours.texts = None  # type: ignore[assignment]
        assert (await dns_.ask("t._domainkey.example.com")).rcode() == dns.rcode.SERVFAIL

    tell(story)


def test_a_text_longer_than_a_datagram_comes_over_tcp() -> None:
    async def story(dns_: Customers) -> None:
        dns_.zones.set_record("long.example.com", "TXT", ["y" * 3000])
        assert (await dns_.ask("long.example.com")).flags & dns.flags.TC
        [whole] = (await dns_.ask("long.example.com", tcp=True)).answer
        assert b"".join(whole[0].strings) == b"y" * 3000

    tell(story)


def test_junk_and_responses_get_no_more_than_a_format_error() -> None:
    async def run() -> None:
        running = RunningCustomerDns(CustomerZones(), {})
        query = dns.message.make_query("example.com", "A").to_wire()
        assert await running.respond(b"", "udp") is None
        assert await running.respond(query[:2] + b"\x80" + query[3:], "udp") is None
        short = await running.respond(query[:-1], "udp")
        assert short is not None
        assert short[3] & 0xF == dns.rcode.FORMERR

    asyncio.run(run())


def test_a_text_keeps_its_quotes_and_backslashes_as_typed() -> None:
    zones = CustomerZones()
    typed = '"v=DKIM1\\; p=ü"'
    zones.set_record("s._domainkey.example.com", "TXT", [typed])
    [record] = zones.records("example.com")
    assert record.value == typed
    assert record.name == "s._domainkey.example.com"


def test_an_alias_stands_alone_at_its_name() -> None:
    zones = CustomerZones()
    zones.set_record("a.example.com", "TXT", ["x"])
    with pytest.raises(ValueError, match="alias stands alone"):
        zones.set_record("a.example.com", "CNAME", ["b.example.com"])
    zones.delete_record("a.example.com")
    zones.set_record("a.example.com", "CNAME", ["b.example.com"])
    with pytest.raises(ValueError, match="alias stands alone"):
        zones.set_record("a.example.com", "TXT", ["x"])


@pytest.mark.parametrize(
    ("name", "rtype", "value"),
    [("a..b", "A", "192.0.2.1"), ("a.example", "A", "no"), ("a.example", "SOA", "x"), ("é" * 64, "TXT", "x")],
)
def test_what_is_no_record_is_refused_with_a_sentence(name: str, rtype: str, value: str) -> None:
    zones = CustomerZones()
    with pytest.raises(ValueError, match=r"is not a DNS name|is no value|can't be set"):
        zones.set_record(name, rtype, [value])
    assert zones.records() == ()


def test_the_query_log_is_bounded() -> None:
    async def run() -> None:
        zones = CustomerZones()
        running = RunningCustomerDns(zones, {})
        for number in range(2100):
            await running.respond(dns.message.make_query(f"n{number}.example.com", "A").to_wire(), "udp")
        logged = zones.queries()
        assert len(logged) == 2000
        assert logged[-1].name == "n2099.example.com"

    asyncio.run(run())


def test_forgetting_a_domain_forgets_what_is_below_it_and_nothing_else() -> None:
    zones = CustomerZones()
    zones.set_record("a.example.com", "A", ["192.0.2.1"])
    zones.set_record("a.example.org", "A", ["192.0.2.1"])
    zones.set_outage("example.com", Outage.SILENCE)
    zones.delete_domain("example.com")
    assert [record.name for record in zones.records()] == ["a.example.org"]
    assert zones.outages() == {}
