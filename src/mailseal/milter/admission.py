"""For which account a letter is signed, decided by the socket it came in by, its login and its client.

Rule: nothing in the letter counts, and who is not named here is nobody: mail that comes in from outside is
never signed, whatever its From says.
References: milter SMFIC_CONNECT; CVE-2024-7208; docs/mta.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mailseal.milter.conversation import Letter

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """The account and the region whose identities are signed for."""

    account_id: str
    region: str


class Stranger(StrEnum):
    """Why a letter is signed for nobody: neither a login nor a client of ours, or a login of no account."""

    CLIENT = "client"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds on one socket: its own account if it has one, the logins' accounts, and who needs no login.

    Where logins are listed, those that are not listed sign for nobody; where none are, all sign for the
    socket's account.
    """

    place: Place | None
    logins: Mapping[str, Place] = field(default_factory=dict)
    sign_networks: tuple[Network, ...] = ()


def place_of(terms: Terms, letter: Letter) -> Place | Stranger:
    """The account that a letter is signed for, or why none."""
    if letter.login:
        if terms.logins:
            return _of_login(terms.logins, letter.login) or Stranger.LOGIN
        return terms.place or Stranger.LOGIN
    if letter.client == "local" or is_inside(letter.client, terms.sign_networks):
        return terms.place or Stranger.CLIENT
    return Stranger.CLIENT


def _of_login(logins: Mapping[str, Place], login: str) -> Place | None:
    """The login's account; `*@example.com` in the list stands for all logins with that end."""
    _, at, domain = login.rpartition("@")
    return logins.get(login) or (logins.get(f"*@{domain.lower()}") if at else None)


def is_inside(text: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none.

    >>> is_inside("::ffff:127.0.0.1", (ipaddress.ip_network("127.0.0.0/8"),))
    True
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
