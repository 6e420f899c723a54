"""The customers' zones over a restart, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailseal.core.errors import BadRequest
from mailseal.sandbox.customers import Customers
from mailseal.sandbox.zones import CustomerZones, Outage


def test_records_and_outages_outlive_a_restart(tmp_path: Path) -> None:
    kept_in = tmp_path / "customers.json"
    customers = Customers(CustomerZones(), kept_in)
    customers.set_record("s1._domainkey.example.com", "TXT", ["p=AAAA", "p=BBBB"], 77)
    customers.set_record("www.example.com", "CNAME", ["host.example.net."], None)
    customers.set_outage("example.org", "servfail")
    again = Customers(CustomerZones(), kept_in)
    assert again.zones.records() == customers.zones.records()
    assert {record.ttl for record in again.zones.records("s1._domainkey.example.com")} == {77}
    assert again.zones.outages() == {"example.org": Outage.SERVFAIL}


def test_what_was_removed_stays_removed_over_a_restart(tmp_path: Path) -> None:
    kept_in = tmp_path / "customers.json"
    customers = Customers(CustomerZones(), kept_in)
    customers.set_record("a.example.com", "A", ["192.0.2.1"], None)
    customers.set_record("a.example.org", "A", ["192.0.2.1"], None)
    assert customers.delete_record("a.example.com", "A")
    assert not customers.delete_record("a.example.com", "A")
    customers.forget("example.org")
    assert Customers(CustomerZones(), kept_in).zones.records() == ()


def test_everything_can_be_forgotten() -> None:
    customers = Customers(CustomerZones(), None)
    customers.set_record("a.example.com", "A", ["192.0.2.1"], None)
    customers.set_outage("example.org", "silence")
    customers.forget_all()
    assert customers.zones.records() == ()
    assert customers.zones.outages() == {}


def test_an_outage_of_no_known_kind_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadRequest, match="servfail, silence, refused, lame, dead"):
        Customers(CustomerZones(), None).set_outage("example.com", "flood")


def test_an_outage_ends_by_none() -> None:
    customers = Customers(CustomerZones(), None)
    customers.set_outage("example.com", "refused")
    customers.set_outage("example.com", "none")
    assert customers.zones.outages() == {}


@pytest.mark.parametrize(
    ("name", "rtype", "values"),
    [("a..example.com", "A", ["192.0.2.1"]), ("a.example.com", "SOA", ["x"]), ("a.example.com", "A", ["x"])],
)
def test_what_is_no_record_is_refused(name: str, rtype: str, values: list[str]) -> None:
    customers = Customers(CustomerZones(), None)
    with pytest.raises(BadRequest):
        customers.set_record(name, rtype, values, None)
    assert customers.zones.records() == ()
