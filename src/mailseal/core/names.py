"""DNS names: domains, selectors and tokens, and the only place where a DNS name is formed.

Rule: a `Domain` is lower-case A-labels without the final dot; every name we publish or ask for is made
by a function of this module.
References: RFC 1034 §3.1, RFC 1035 §2.3.4, RFC 5321 §4.1.3, RFC 5890 §2.3.2.1, RFC 5892 §A, RFC 6376 §3.1,
RFC 6376 §3.6.2.1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import unicodedata
from typing import NewType

from mailseal.core.errors import BadRequest

Domain = NewType("Domain", str)
Selector = NewType("Selector", str)
DnsToken = NewType("DnsToken", str)

SLOTS = 3
"""Tokens, and so key slots, of one domain (AWS SESv2 DnsTokenList)."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_A_LABEL = "xn--"
# 255 octets on the wire are 253 characters; a selector, its dot and "._domainkey." must still fit before it.
_LONGEST_DOMAIN = 253 - 32 - len("._domainkey.")
NOT_A_DOMAIN = "The EmailIdentity value must be a valid domain."
_FINAL_DOT = "Write the domain without its final dot."
_U_LABEL = "Write an internationalised domain as punycode (xn--…)."


def parse_domain(text: str) -> Domain:
    """The one canonical spelling of a domain name; raises BadRequest for whatever is not one.

    Refused: a final dot, U-labels (send the A-label, `xn--…`), A-labels that stand for no U-label, a single
    label, an IP address in any notation, a label over 63 octets, and names so long that a DKIM name below
    them would not fit RFC 1035 §2.3.4.
    """
    _refuse_ambiguous(text)
    lowered = text.lower()
    labels = lowered.split(".")
    if _is_ip_literal(lowered) or _NUMBER.match(labels[-1]):
        raise BadRequest(NOT_A_DOMAIN, hint="An IP address is not a domain.")
    if len(labels) < 2:
        raise BadRequest(NOT_A_DOMAIN, hint="A domain has at least two labels, as in example.com.")
    if not all(_LABEL.match(label) for label in labels):
        raise BadRequest(NOT_A_DOMAIN, hint="Labels are letters, digits and inner hyphens, 63 at most.")
    if any(label.startswith(_A_LABEL) and not _is_a_label(label) for label in labels):
        raise BadRequest(NOT_A_DOMAIN, hint="A label that begins with xn-- must be punycode.")
    if len(lowered) > _LONGEST_DOMAIN:
        raise BadRequest(
            NOT_A_DOMAIN, hint=f"At most {_LONGEST_DOMAIN} characters leave room for DKIM names."
        )
    return Domain(lowered)


def _refuse_ambiguous(domain: str) -> None:
    """Raises BadRequest for a spelling that another one could be taken for.

    Unicode has letters whose lower case is ASCII (the Kelvin sign), so this comes before `lower`.
    """
    if not domain.isascii():
        raise BadRequest(NOT_A_DOMAIN, hint=_U_LABEL)
    if domain.endswith("."):
        raise BadRequest(NOT_A_DOMAIN, hint=_FINAL_DOT)


def _is_ip_literal(text: str) -> bool:
    """Whether the text is an IP address, bare or as RFC 5321 §4.1.3 writes it between brackets."""
    bare = text.removeprefix("[").removesuffix("]").removeprefix("ipv6:")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return False
    return True


def _is_a_label(label: str) -> bool:
    """Whether an `xn--` label stands for a U-label, and is its only spelling (RFC 5890 §2.3.2.1)."""
    try:
        decoded = label.removeprefix(_A_LABEL).encode("ascii").decode("punycode")
        again = decoded.encode("punycode").decode("ascii")
    except (UnicodeError, OverflowError):
        return False
    is_normal = decoded == unicodedata.normalize("NFC", decoded).lower()
    return (
        not decoded.isascii() and is_normal and _A_LABEL + again == label and not any(map(_unseen, decoded))
    )


def _unseen(character: str) -> bool:
    """Whether a character shows nothing of itself; the two joiners belong to words (RFC 5892 §A)."""
    return character not in "\u200c\u200d" and unicodedata.category(character) in {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Zs",
    }


def is_address(name: str) -> bool:
    """Whether an identity's name is an e-mail address rather than a domain."""
    return "@" in name


def stored_name(name: str) -> str:
    """The spelling under which an identity is stored: the domain in lower case, a local part as written.

    Raises BadRequest where the domain has a final dot or letters beyond ASCII.

    >>> stored_name("Me@Example.COM"), stored_name("Example.COM")
    ('Me@example.com', 'example.com')
    """
    local, at, domain = name.rpartition("@")
    _refuse_ambiguous(domain)
    return f"{local}{at}{domain.lower()}"


def derive_token(secret: bytes, account_id: str, region: str, domain: str, slot: int) -> DnsToken:
    """The DNS token of one slot: the same for life for (account, region, domain), and no other's.

    Lower-case base32 of the first 20 octets of HMAC-SHA256 over length-prefixed parts, 32 characters as
    SES's tokens are. The account is one of the parts, so a CNAME that one tenant left behind never
    verifies the domain for another.
    """
    digest = hmac.digest(secret, _prefixed(account_id, region, domain, str(slot)), hashlib.sha256)
    return DnsToken(base64.b32encode(digest[:20]).decode().lower())


def ownership_token(secret: bytes, account_id: str, region: str, domain: str) -> str:
    """The token of VerifyDomainIdentity, for life and for one account, as `derive_token`'s; 44 characters of
    base64, as SES's are."""
    text = _prefixed("_amazonses", account_id, region, domain)
    return base64.b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()


def _prefixed(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(2, "big") + part.encode() for part in parts)


def dkim_name(selector: str, domain: str) -> str:
    """The owner name of a selector's key record (RFC 6376 §3.6.2.1), in lower case."""
    return f"{selector}._domainkey.{domain}".lower()


def misplaced_names(owner: str, domain: str, zone: str) -> dict[str, tuple[str, ...]]:
    """Where a record for `owner` lands by hand: with the domain added twice, without `_domainkey`, with
    `domainkey`, and below a neighbour of the domain; by what happened. `zone` is the apex above the domain.

    >>> misplaced_names("s._domainkey.example.com", "example.com", "example.com")["doubled"]
    ('s._domainkey.example.com.example.com',)
    """
    label = owner.removesuffix(f"._domainkey.{domain}")
    above = [domain] if domain == zone else [zone, domain]
    parents = [".".join(domain.split(".")[cut:]) for cut in range(1, domain.count("."))]
    beside = [parent for parent in parents if parent == zone or parent.endswith(f".{zone}")][-2:]
    return {
        "doubled": tuple(f"{owner}.{apex}" for apex in above),
        "host_only": tuple(f"{label}.{apex}" for apex in above),
        "no_underscore": (f"{label}.domainkey.{domain}",),
        "elsewhere": tuple(dkim_name(label, other) for other in (f"www.{domain}", *beside)),
    }


def is_within(name: str, zone: str) -> bool:
    """Whether a name is the zone's apex or below it.

    >>> is_within("a.example.com", "example.com"), is_within("an-example.com", "example.com")
    (True, False)
    """
    return name == zone or name.endswith(f".{zone}")


def misplaced_mail_from(owner: str, zone: str) -> dict[str, tuple[str, ...]]:
    """Where a MAIL FROM domain's records land by hand: with the zone added twice, and at the domain above.

    >>> misplaced_mail_from("bounce.example.com", "example.com")
    {'doubled': ('bounce.example.com.example.com',), 'elsewhere': ('example.com',)}
    """
    above = owner.partition(".")[2]
    apexes = dict.fromkeys(apex for apex in (zone, above) if apex != owner)
    return {"doubled": tuple(f"{owner}.{apex}" for apex in apexes), "elsewhere": (above,)}


def nobodys_name(domain: str) -> str:
    """A name among a domain's DKIM records that nobody has published: what answers there is a wildcard."""
    return dkim_name("nobody-has-published-this", domain)


def above_selectors(domain: str) -> str:
    """The name below which all of a domain's DKIM records are (RFC 6376 §3.6.2.1)."""
    return f"_domainkey.{domain}"


def dmarc_name(domain: str) -> str:
    """The owner name of a domain's DMARC policy (RFC 7489 §6.1)."""
    return f"_dmarc.{domain}"


def slot_name(token: str, hosted_zone: str) -> str:
    """The owner name in our hosted zone at which a slot's key is published."""
    return f"{token}.{hosted_zone}".lower()


def identity_arn(region: str, account_id: str, name: str) -> str:
    """The ARN of an identity (service `ses`, resource `identity/`)."""
    return f"arn:aws:ses:{region}:{account_id}:identity/{name}"
