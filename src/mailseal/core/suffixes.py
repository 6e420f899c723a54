"""Domain names that no single owner has: public suffixes, and names that stand for something else.

Rule: the list of public suffixes is data and comes from outside; only its ICANN section counts, since a
suffix of its private section (github.io) has an owner, who may well send mail.
References: publicsuffix.org/list; RFC 6761 §6, RFC 6762 §3, RFC 7686 §2, RFC 9476 §2.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailseal.core.errors import BadRequest
from mailseal.core.names import NOT_A_DOMAIN, Domain

SPECIAL_USE = ("alt", "arpa", "invalid", "local", "localhost", "onion")
"""Top labels below which no mail domain can be. `test` and `example` are left out: tests and documentation
live there, and no resolver on the Internet will ever prove a name below them."""

_ICANN = "===BEGIN ICANN DOMAINS==="
_ICANN_END = "===END ICANN DOMAINS==="


@dataclass(frozen=True, slots=True)
class PublicSuffixes:
    """The public suffix list: plain rules, parents of `*.` rules, and names that `!` takes out again."""

    rules: frozenset[str] = frozenset()
    wildcards: frozenset[str] = frozenset()
    exceptions: frozenset[str] = frozenset()

    def has(self, domain: str) -> bool:
        """Whether the domain is itself a public suffix."""
        if domain in self.exceptions:
            return False
        return domain in self.rules or domain.partition(".")[2] in self.wildcards

    def registrable(self, domain: str) -> str:
        """The domain that its owner has registered: one label below the public suffix, two at the least.

        >>> PublicSuffixes(frozenset({"uk", "co.uk"})).registrable("mail.example.co.uk")
        'example.co.uk'
        """
        while domain.count(".") > 1 and not self.has(domain.partition(".")[2]):
            domain = domain.partition(".")[2]
        return domain


NO_SUFFIXES = PublicSuffixes()


def parse_public_suffixes(text: str) -> PublicSuffixes:
    """The ICANN section of the list's text, its names as A-labels; raises ValueError where it has none."""
    _, begins, section = text.partition(_ICANN)
    section, ends, _ = section.partition(_ICANN_END)
    if not (begins and ends):
        raise ValueError("the list of public suffixes has no ICANN section")
    lines = [line.split()[0] for line in section.splitlines() if line.strip() and not line.startswith("//")]
    return PublicSuffixes(
        rules=frozenset(_a_labels(line) for line in lines if line[0] not in "*!"),
        wildcards=frozenset(_a_labels(line[2:]) for line in lines if line.startswith("*.")),
        exceptions=frozenset(_a_labels(line[1:]) for line in lines if line[0] == "!"),
    )


def refuse_unowned(domain: Domain, suffixes: PublicSuffixes) -> None:
    """Raises BadRequest for a domain that no single owner can have."""
    top = domain.rpartition(".")[2]
    if top in SPECIAL_USE:
        raise BadRequest(NOT_A_DOMAIN, hint=f"Names below .{top} are no domains that mail can come from.")
    if suffixes.has(domain):
        raise BadRequest(
            NOT_A_DOMAIN, hint=f"{domain} is a public suffix: register a domain below it, as name.{domain}."
        )


def _a_labels(name: str) -> str:
    return name.lower() if name.isascii() else name.encode("idna").decode()
