"""Unbound between our resolver and our name server: what a careful receiver of mail would see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.observations import Observation, Outcome, Question, RecordType
from mailseal.nameserver.listen import start_name_server
from mailseal.resolver.asking import DnsResolver
from mailseal.sandbox.customer_dns import start_customer_dns
from mailseal.sandbox.zones import CustomerZones, Outage
from tests.peers import dns_daemons
from tests.unit.nameserver.zones import APEX, LONG_KEY, WrittenSource, written_zone

LOOPBACK = ("127.0.0.0/8",)
NAME = "t._domainkey.example.com"
SIGNED = "signed.example.org"
VALIDATING = '  module-config: "validator iterator"\n'
WRONG_ANCHOR = f'  trust-anchor: "{SIGNED}. IN DS 12345 13 2 {"ab" * 32}"\n{VALIDATING}'


@dataclass
class Outside:
    """The world of a check: customers' zones, our own served records, and Unbound looking at both."""

    zones: CustomerZones
    ours: WrittenSource
    resolver: DnsResolver

    async def see(self, name: str = NAME) -> Observation:
        [seen] = await self.resolver.ask_vantages([Question(name, RecordType.TXT)])
        return seen


def signing_knot(folder: Path) -> AbstractContextManager[int]:
    """Knot with a zone that it signs itself; gives its port."""
    zone = folder / "signed.zone"
    zone.write_text(
        f"{SIGNED}. 60 SOA ns.{SIGNED}. admin.{SIGNED}. 1 1 1 1 60\n"
        f"{SIGNED}. 60 NS ns.{SIGNED}.\n"
        f"ns.{SIGNED}. 60 A 127.0.0.1\n"
        f't.{SIGNED}. 60 TXT "p=x"\n'
    )
    return dns_daemons.knot(folder, SIGNED, zone, "    dnssec-signing: on\n")


Story = Callable[[Outside], Coroutine[Any, Any, None]]


def tell(folder: Path, story: Story) -> None:
    async def run() -> None:
        zone, source = written_zone()
        ours = await start_name_server([("127.0.0.1", 0)], [zone], source)
        zones = CustomerZones()
        customers = await start_customer_dns(zones, ("127.0.0.1", 0), {})
        forwards = {APEX: ours.addresses[0][1], ".": customers.address[1]}
        with ExitStack() as stack:
            port = await asyncio.to_thread(stack.enter_context, dns_daemons.unbound(folder, forwards))
            vantage = f"udp://127.0.0.1:{port}"
            resolver = DnsResolver([vantage], allow_networks=LOOPBACK, port=customers.address[1])
            await story(Outside(zones, source, resolver))
        await customers.close()
        await ours.close()

    asyncio.run(run())


@pytest.mark.needs_debian("unbound")
def test_unbound_finds_our_key_behind_a_customers_alias(tmp_path: Path) -> None:
    async def story(outside: Outside) -> None:
        outside.zones.set_record(NAME, "CNAME", [f"tokenwithkey.{APEX}"])
        seen = await outside.see()
        assert seen.outcome is Outcome.ANSWER
        assert seen.chain == (f"tokenwithkey.{APEX}",)
        assert seen.texts == (LONG_KEY,)
        told = await outside.resolver.ask_authorities("example.com", [Question(NAME, RecordType.CNAME)])
        assert told.zone == "example.com"
        assert [o.chain for o in told.observations] == [(f"tokenwithkey.{APEX}",)]

    tell(tmp_path, story)


@pytest.mark.needs_debian("unbound")
def test_unbound_tells_absence_of_a_name_of_a_type_and_of_a_target_apart(tmp_path: Path) -> None:
    async def story(outside: Outside) -> None:
        outside.zones.set_record("only-a.example.com", "A", ["192.0.2.1"])
        outside.zones.set_record(NAME, "CNAME", [f"gone.{APEX}"])
        absent = await outside.see("nothing.example.com")
        assert (absent.outcome, absent.chain) == (Outcome.NXDOMAIN, ())
        assert absent.negative_ttl is not None
        assert (await outside.see("only-a.example.com")).outcome is Outcome.NODATA
        target = await outside.see()
        assert (target.outcome, target.chain) == (Outcome.NXDOMAIN, (f"gone.{APEX}",))
        assert target.negative_ttl is not None
        assert target.negative_ttl <= 60

    tell(tmp_path, story)


@pytest.mark.needs_debian("unbound")
@pytest.mark.parametrize("outage", [Outage.SERVFAIL, Outage.REFUSED])
def test_an_outage_of_the_customers_servers_is_no_evidence_through_unbound(
    tmp_path: Path, outage: Outage
) -> None:
    async def story(outside: Outside) -> None:
        outside.zones.set_outage("example.com", outage)
        seen = await outside.see()
        assert seen.outcome is Outcome.TEMPORARY
        assert seen.rcode == "SERVFAIL"

    tell(tmp_path, story)


@pytest.mark.needs_debian("unbound")
def test_a_blank_slot_is_an_empty_text_through_unbound(tmp_path: Path) -> None:
    async def story(outside: Outside) -> None:
        outside.zones.set_record(NAME, "CNAME", [f"blank.{APEX}"])
        seen = await outside.see()
        assert (seen.outcome, seen.texts, seen.ttl) == (Outcome.ANSWER, (b"",), 5)

    tell(tmp_path, story)


@pytest.mark.needs_debian("unbound", "knot")
@pytest.mark.parametrize("ede", ["yes", "no"])
def test_a_zone_that_dnssec_does_not_hold_for_is_bogus_with_and_without_a_reason(
    tmp_path: Path, ede: str
) -> None:
    with signing_knot(tmp_path) as knot:
        more = WRONG_ANCHOR + f"  ede: {ede}\n"
        with dns_daemons.unbound(tmp_path, {SIGNED: knot}, more) as port:
            resolver = DnsResolver([f"udp://127.0.0.1:{port}"])
            [seen] = asyncio.run(resolver.ask_vantages([Question(f"t.{SIGNED}", RecordType.TXT)]))
    assert seen.outcome is Outcome.BOGUS
    assert seen.texts == ()
    assert ("DNSKEY" in seen.detail or "bogus" in seen.detail.lower()) is (ede == "yes")
    assert seen.detail


@pytest.mark.needs_debian("unbound", "knot")
def test_a_zone_that_dnssec_holds_for_is_authenticated(tmp_path: Path) -> None:
    with signing_knot(tmp_path) as knot:
        keys = dns_daemons.dnskeys(SIGNED, knot)
        more = f'  trust-anchor: "{keys}"\n{VALIDATING}'
        with dns_daemons.unbound(tmp_path, {SIGNED: knot}, more) as port:
            resolver = DnsResolver([f"udp://127.0.0.1:{port}"])
            [seen] = asyncio.run(resolver.ask_vantages([Question(f"t.{SIGNED}", RecordType.TXT)]))
    assert seen.outcome is Outcome.ANSWER
    assert seen.authenticated
    assert seen.texts == (b"p=x",)
