"""Which addresses we never send to."""

from __future__ import annotations

import ipaddress

import pytest

from mailseal.resolver.special import _NETWORKS, parse_networks, why_refused


@pytest.mark.parametrize("network", [network for network, _ in _NETWORKS], ids=str)
def test_the_first_and_last_address_of_every_special_block_are_refused(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> None:
    assert why_refused(str(network[0])) is not None
    assert why_refused(str(network[-1])) is not None


INSIDE = """
127.0.0.1 169.254.169.254 10.1.2.3 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 ::127.0.0.1 fe80::1 4000::1
ff02::1 255.255.255.255 0.0.0.0
"""
PUBLIC = "8.8.8.8 1.1.1.1 2606:4700::1111 2a00:1450::1 9.255.255.255 11.0.0.0"


@pytest.mark.parametrize("address", INSIDE.split())
def test_addresses_inside_networks_are_refused_in_every_disguise(address: str) -> None:
    assert why_refused(address) is not None


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1", "9.255.255.255", "11.0.0.0"]
)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert why_refused(address) is None


def test_everything_that_python_calls_private_is_refused() -> None:
    for first in range(256):
        for second in (0, 1, 16, 31, 64, 88, 100, 127, 168, 254, 255):
            address = ipaddress.ip_address(f"{first}.{second}.0.1")
            if not address.is_global or address.is_multicast:
                assert why_refused(str(address)), address


def test_a_lifted_block_lifts_nothing_else() -> None:
    lifted = parse_networks(["127.0.0.0/8", "::1/128"])
    assert why_refused("127.0.0.1", lifted) is None
    assert why_refused("::1", lifted) is None
    assert why_refused("10.0.0.1", lifted) is not None
    assert why_refused("::ffff:127.0.0.1", lifted) is not None
    with pytest.raises(ValueError, match="network"):
        parse_networks(["loopback"])
