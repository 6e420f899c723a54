"""Addresses that no customer's name server can have: a record that names one must not make us send there.

Rule: refused unless the operator lifts the block by name; an IPv4 address inside an IPv6 one is judged too.
References: RFC 6890 §2.2 and the two IANA special-purpose registries that it set up, as of 2025.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BLOCKS = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay anycast"),
    ("192.168.0.0/16", "private use"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("64:ff9b::/96", "IPv4/IPv6 translation"),
    ("64:ff9b:1::/48", "IPv4/IPv6 translation"),
    ("100::/64", "discard only"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("2001::/23", "IETF protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link local"),
    ("ff00::/8", "multicast"),
)
_NETWORKS = tuple((ipaddress.ip_network(block), name) for block, name in _BLOCKS)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def parse_networks(blocks: Sequence[str]) -> tuple[Network, ...]:
    """The blocks that an operator lifts; ValueError where one is no network."""
    return tuple(ipaddress.ip_network(block) for block in blocks)


def why_refused(address: str, lifted: Sequence[Network] = ()) -> str | None:
    """The kind of special-purpose block that holds the address; None where it may be asked.

    >>> why_refused("169.254.169.254")
    'link local'
    """
    parsed = ipaddress.ip_address(address)
    if any(parsed in network for network in lifted if network.version == parsed.version):
        return None
    for network, name in _NETWORKS:
        if network.version == parsed.version and parsed in network:
            return name
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:
        return "not global unicast"
    return None
